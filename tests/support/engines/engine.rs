//! The Docker engine that the tests use, driven by the client of the Debian release that the engine is from.
//!
//! The engine is not started here: `cargo xtask test` does that, and names its address.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

/// The programs of this machine: another client may come first in `PATH`, and this one has BuildKit.
const PROGRAMS: &str = "/usr/bin";

/// The variable that names the folder of programs that belong to the engine, if this machine's do not.
const PROGRAMS_VARIABLE: &str = "SEALCRATE_TEST_PROGRAMS";

/// The variable that names the engine. Only `cargo xtask test` sets it.
const VARIABLE: &str = "SEALCRATE_TEST_ENGINE";

/// Holds that `cargo xtask test` runs this test of the group `engine`: the test needs root, or what that task
/// installs.
///
/// # Panics
/// If another command runs it.
#[track_caller]
pub fn assert_provided() {
    let is_provided = env::var_os(VARIABLE).is_some();
    assert!(is_provided, "{VARIABLE} names no engine: `cargo xtask test` runs this test");
}

/// The path of a program from the release of Debian that the engine is from.
pub fn program(name: &str) -> PathBuf {
    env::var_os(PROGRAMS_VARIABLE).map_or_else(|| PROGRAMS.into(), PathBuf::from).join(name)
}

/// The Docker engine that `SEALCRATE_TEST_ENGINE` names.
#[derive(Debug)]
pub struct Engine {
    address: String,
    client: PathBuf,
    client_config: TempDir,
}

impl Engine {
    /// Takes the engine's address from `SEALCRATE_TEST_ENGINE`.
    ///
    /// # Panics
    /// If the variable is not set.
    pub fn from_env() -> Self {
        assert_provided();
        let address = env::var(VARIABLE).expect("the address is text");
        let client_config = tempfile::tempdir().expect("a temporary folder can be made");
        Self { address, client: program("docker"), client_config }
    }

    /// The address as `DOCKER_HOST` takes it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Prepares a call of the Docker client that knows nothing of the user's contexts and logins.
    pub fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.client);
        command
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_HOST")
            .env("DOCKER_CONFIG", self.client_config.path())
            .args(["-H", &self.address])
            .args(arguments);
        command
    }

    /// Runs the Docker client, and accepts any status.
    pub fn try_run(&self, arguments: &[&str]) -> Output {
        self.docker(arguments).output().expect("the Docker client can be run")
    }

    /// Runs the Docker client and returns its standard output without the white space around it.
    ///
    /// # Panics
    /// If the client fails. The message has its output.
    pub fn run(&self, arguments: &[&str]) -> String {
        succeeded(&self.try_run(arguments), arguments)
    }

    /// Runs a container of an image without a network, and returns its output.
    pub fn run_container(&self, image: &str, command: &[&str]) -> String {
        self.run(&[&["run", "--rm", "--network", "none", image], command].concat())
    }

    /// Whether the engine has an image under this name or ID.
    pub fn has_image(&self, name: &str) -> bool {
        self.try_run(&["image", "inspect", name]).status.success()
    }

    /// The image ID behind a name.
    pub fn image_id(&self, name: &str) -> String {
        self.run(&["image", "inspect", "--format", "{{.Id}}", name])
    }

    /// Builds an image from the text of a Dockerfile and files named by their path in the context.
    ///
    /// The image has a name of its own and no cached layers of other builds.
    pub fn build(
        &self,
        builder: Builder,
        dockerfile: &str,
        files: &[(&str, &[u8])],
    ) -> EngineImage<'_> {
        let context = tempfile::tempdir().expect("a temporary folder can be made");
        write_file(context.path(), "Dockerfile", dockerfile.as_bytes());
        for (path, bytes) in files {
            write_file(context.path(), path, bytes);
        }
        let name = unique_name();
        let folder = context.path().to_str().expect("temporary folders have UTF-8 names");
        let arguments =
            ["build", "--quiet", "--no-cache", "--network", "none", "-t", &name, folder];
        let output = self
            .docker(&arguments)
            .env("DOCKER_BUILDKIT", builder.variable())
            .output()
            .expect("the Docker client can be run");
        succeeded(&output, &arguments);
        self.remove_on_drop(&name)
    }

    /// Promises that an image will be removed, even one that does not exist yet.
    pub fn remove_on_drop(&self, name: &str) -> EngineImage<'_> {
        EngineImage { engine: self, name: name.to_owned() }
    }
}

/// The builder of an image; the two write different histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builder {
    /// The engine's first builder, `DOCKER_BUILDKIT=0`.
    Classic,
    /// BuildKit, `DOCKER_BUILDKIT=1`.
    BuildKit,
}

impl Builder {
    /// Both, for tests that hold for either.
    pub const ALL: [Self; 2] = [Self::Classic, Self::BuildKit];

    fn variable(self) -> &'static str {
        match self {
            Self::Classic => "0",
            Self::BuildKit => "1",
        }
    }
}

/// An image in the engine, which is removed when this value goes out of scope.
#[derive(Debug)]
pub struct EngineImage<'e> {
    engine: &'e Engine,
    name: String,
}

impl EngineImage<'_> {
    /// The name with the tag.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for EngineImage<'_> {
    fn drop(&mut self) {
        // The test may have removed the image itself, so the status says nothing.
        self.engine.try_run(&["image", "rm", "--force", &self.name]);
    }
}

/// The machine's static busybox, for images that are built `FROM scratch`.
pub fn busybox() -> Vec<u8> {
    fs::read("/bin/busybox").expect("busybox-static is installed")
}

fn unique_name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("sealcrate-test/built-{}-{count}:latest", process::id())
}

fn write_file(folder: &Path, path: &str, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(path);
    let parent = path.parent().expect("a file in a folder has a parent");
    fs::create_dir_all(parent).expect("the build context can be written");
    fs::write(&path, bytes).expect("the build context can be written");
    // Executable, so that busybox can be among them.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        .expect("the build context can be written");
}

fn succeeded(output: &Output, arguments: &[&str]) -> String {
    assert!(
        output.status.success(),
        "docker {} failed ({}): {}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[cfg(all(test, feature = "engine"))]
mod tests {
    use super::*;

    const DOCKERFILE: &str = "FROM scratch
COPY busybox /bin/busybox
COPY in/folder/text /text
RUN [\"/bin/busybox\", \"cp\", \"/text\", \"/copy\"]
CMD [\"/bin/busybox\", \"cat\", \"/copy\"]
";

    #[test]
    fn both_builders_make_images_that_run_and_are_removed() {
        let engine = Engine::from_env();
        let busybox = busybox();
        for builder in Builder::ALL {
            let image = engine.build(
                builder,
                DOCKERFILE,
                &[("busybox", &busybox), ("in/folder/text", b"hello")],
            );
            assert_eq!(engine.run_container(image.name(), &[]), "hello", "{builder:?}");
            let comment = engine.run(&["image", "inspect", "-f", "{{.Comment}}", image.name()]);
            assert_eq!(comment.contains("buildkit"), builder == Builder::BuildKit);
            let id = engine.image_id(image.name());
            drop(image);
            assert!(!engine.has_image(&id), "{builder:?}");
        }
    }

    #[test]
    #[should_panic(expected = "No such image")]
    fn a_failing_client_fails_the_test() {
        Engine::from_env().run(&["image", "inspect", "sealcrate-test/missing"]);
    }
}
