//! Containers that serve until somebody stops them.

use sealcrate_tests::fixtures::wait_until;
use sealcrate_tests::{Done, Engine, EngineImage};

use crate::fixture::{Locksmith, key};

/// A container that runs. A drop removes it.
pub(crate) struct Container<'e> {
    engine: &'e Engine,
    id: String,
}

impl<'e> Container<'e> {
    /// Starts a container with the key of a locked image. Other images ignore the key.
    pub(crate) fn start(
        locksmith: &'e Locksmith,
        image: &EngineImage<'_>,
        options: &[&str],
    ) -> Self {
        let engine = &locksmith.engine;
        let run = ["run", "-d", "--network", "none", "-h", "host", "-e", &key()];
        Self { engine, id: engine.run(&[&run[..], options, &[image.name()]].concat()) }
    }

    /// Waits until the container has printed a text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        wait_until("a text in the logs", || self.logs().contains(text));
    }

    /// Returns everything that the container has printed to either output.
    fn logs(&self) -> String {
        // An image that is not locked leaves the key among the variables, which some programs print.
        let mut logs = self.engine.docker(&["logs", &self.id]);
        let done = Done::of_printing_a_secret(&mut logs).with_status(0);
        done.stdout + &done.stderr
    }

    /// Returns the container's ID.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns everything that the engine shows of the container.
    pub(crate) fn inspect(&self) -> String {
        self.engine.run(&["inspect", &self.id])
    }

    /// Runs a shell script in the container, and returns the script's output.
    pub(crate) fn run(&self, script: &str) -> String {
        self.engine.run(&["exec", &self.id, "/bin/sh", "-c", script])
    }

    /// Asks the container to end, and returns its exit status.
    pub(crate) fn stop(&self) -> String {
        self.engine.run(&["stop", "--time", "60", &self.id]);
        self.engine.run(&["inspect", "--format", "{{.State.ExitCode}}", &self.id])
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // By then, the test has checked the container's work.
        self.engine.try_run(&["rm", "--force", "--volumes", &self.id]);
    }
}
