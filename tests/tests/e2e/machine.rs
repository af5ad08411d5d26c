//! A user's machine: runs of the binary, and their results.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio, id};
use std::sync::atomic::{AtomicUsize, Ordering};

use sealcrate_tests::{Sandbox, note_secret};

pub(crate) use sealcrate_tests::Done;

/// The passphrase in the file `key`.
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

/// The least number of rounds that the binary accepts: tests derive many keys.
pub(crate) const FAST: &str = "--iterations=100000";

/// A sandbox with the passphrase in the file `key` and another one in the file `other-key`.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) sandbox: Sandbox,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let machine = Self { sandbox: Sandbox::new() };
        machine.write("key", format!("{PASSPHRASE}\n"));
        machine.write("other-key", "another horse battery\n");
        // Some runs get them through a descriptor.
        note_secret("passphrase", PASSPHRASE);
        note_secret("passphrase", "another horse battery");
        machine
    }

    /// The path of one of the machine's own files.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.work().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("the sandbox can be written");
    }

    /// Prepares a run without a terminal to ask at, wherever the tests run.
    pub(crate) fn sealcrate(&self, arguments: &[&str]) -> Command {
        let binary = self.sandbox.sealcrate();
        let mut command = self.sandbox.command("setsid");
        command.arg("--wait").arg(binary.get_program()).args(arguments);
        for (name, value) in binary.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.stdin(Stdio::null());
        command
    }

    /// Prepares a run under bash, in whose script `"$@"` is the binary with its arguments.
    pub(crate) fn under_bash(&self, script: &str, arguments: &[&str]) -> Command {
        let direct = self.sealcrate(arguments);
        let mut command = self.sandbox.command("bash");
        command.args(["-c", script, "bash", "setsid"]).args(direct.get_args());
        for (name, value) in direct.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs the binary, which must leave nothing in the temporary folder, with any result.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        let done = Done::of(&mut self.sealcrate(arguments));
        self.sandbox.assert_nothing_is_left();
        done
    }

    /// Runs the binary, which must succeed.
    #[track_caller]
    pub(crate) fn succeed(&self, arguments: &[&str]) -> Done {
        self.run(arguments).with_status(0)
    }

    /// Runs the binary, which must end with this exit code and an error.
    #[track_caller]
    pub(crate) fn fail(&self, status: i32, arguments: &[&str]) -> Done {
        self.run(arguments).failed(status)
    }

    /// Runs the binary, whose arguments must be refused.
    #[track_caller]
    pub(crate) fn fail_usage(&self, arguments: &[&str]) -> Done {
        let done = self.run(arguments).with_status(2);
        assert!(done.stdout.is_empty(), "{}", done.said());
        done.says("error: ")
    }

    /// Runs another program of the machine, which must succeed, and returns its output.
    #[track_caller]
    pub(crate) fn call(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> String {
        Done::of(self.sandbox.command(program).args(arguments)).with_status(0).stdout
    }
}

/// A text that no other test and no earlier run has.
pub(crate) fn secret() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let time = std::time::UNIX_EPOCH.elapsed().expect("it is after 1970").as_nanos();
    format!("secret-{}-{}-{time}", id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
