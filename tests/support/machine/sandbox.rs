//! A machine of its own for the binary under test: home, configuration and temporary folder.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixtures::binary::binary;
use crate::{Engine, note_secret};

/// Folders for one run or several of the binary under test, removed on drop.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
    /// The address of the engine that the binary under test reaches.
    engine: Option<String>,
}

impl Sandbox {
    /// Makes empty folders. The binary under test reaches no engine.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for name in ["home", "docker", "tmp", "config", "data", "cache", "state", "run", "work"] {
            fs::create_dir(folder.path().join(name)).expect("the sandbox can be written");
        }
        Self { folder, engine: None }
    }

    /// Lets the binary under test reach an engine.
    pub fn with_engine(self, engine: &Engine) -> Self {
        Self { engine: Some(engine.address().to_owned()), ..self }
    }

    /// The folder that commands of the sandbox start in; the test's own files go here.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// `HOME`.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// `TMPDIR`.
    pub fn tmp(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// `XDG_CACHE_HOME`.
    pub fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// `XDG_STATE_HOME`.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// `XDG_RUNTIME_DIR`, where Podman keeps its `containers/auth.json`.
    pub fn runtime(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// `DOCKER_CONFIG`.
    pub fn docker_config(&self) -> PathBuf {
        self.folder.path().join("docker")
    }

    /// Prepares a run of the binary under test. It gets nothing of the caller's environment but `PATH`. If the
    /// sandbox has no engine, the binary looks for one where there is none.
    ///
    /// # Panics
    /// If there is no binary, and none can be built.
    pub fn sealcrate(&self) -> Command {
        let mut command = self.command(binary());
        let nowhere = || format!("unix://{}", self.folder.path().join("no-engine.sock").display());
        command.env("DOCKER_HOST", self.engine.clone().unwrap_or_else(nowhere));
        command
    }

    /// Prepares a run of any program in the sandbox.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let folder = |name| self.folder.path().join(name);
        let mut command = Command::new(program);
        command
            .current_dir(self.work())
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("DOCKER_CONFIG", self.docker_config())
            .env("TMPDIR", self.tmp())
            .env("XDG_CONFIG_HOME", folder("config"))
            .env("XDG_DATA_HOME", folder("data"))
            .env("XDG_CACHE_HOME", self.cache())
            .env("XDG_STATE_HOME", self.state())
            .env("XDG_RUNTIME_DIR", self.runtime());
        command
    }

    /// Writes a user name and password for a registry as `docker login` does.
    pub fn log_in(&self, host: &str, username: &str, password: &str) {
        let auth = STANDARD.encode(format!("{username}:{password}"));
        note_secret("password", password);
        note_secret("password in base64", &auth);
        self.add_auth(host, json!({ "auth": auth }));
    }

    /// Writes an identity token for a registry as `docker login` does.
    pub fn log_in_with_identity_token(&self, host: &str, token: &str) {
        let auth = STANDARD.encode("00000000-0000-0000-0000-000000000000:");
        note_secret("identity token", token);
        self.add_auth(host, json!({ "auth": auth, "identitytoken": token }));
    }

    /// Names a registry in the `insecure-registries` of a rootless Docker's `daemon.json`.
    pub fn allow_in_clear(&self, host: &str) {
        let folder = self.folder.path().join("config/docker");
        fs::create_dir_all(&folder).expect("the sandbox can be written");
        let path = folder.join("daemon.json");
        let mut daemon = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).expect("we wrote JSON"),
            Err(_) => json!({ "insecure-registries": [] }),
        };
        let named = daemon["insecure-registries"].as_array_mut().expect("we wrote a list");
        named.push(host.into());
        fs::write(&path, daemon.to_string()).expect("the sandbox can be written");
    }

    fn add_auth(&self, host: &str, auth: Value) {
        let path = self.docker_config().join("config.json");
        let mut config = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).expect("we wrote JSON"),
            Err(_) => json!({}),
        };
        config["auths"][host] = auth;
        fs::write(&path, config.to_string()).expect("the sandbox can be written");
    }

    /// Asserts that `TMPDIR` is empty.
    pub fn assert_nothing_is_left(&self) {
        let left = self.left();
        assert!(left.is_empty(), "left in the temporary folder: {left:?}");
    }

    /// Tells whether `TMPDIR` is empty, for runs that go on.
    pub fn is_clean(&self) -> bool {
        self.left().is_empty()
    }

    fn left(&self) -> Vec<PathBuf> {
        files_in(&self.tmp()).expect("the sandbox can be read")
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

/// The files below a folder, folders included, whose content or name holds a byte string.
///
/// It does not follow symbolic links. It passes over files that other programs remove meanwhile, such as
/// an engine that other tests use.
///
/// # Panics
/// If the folder cannot be read.
pub fn files_containing(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    assert!(!needle.is_empty(), "every file contains the empty string");
    let holds = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        memchr::memmem::find(name, needle).is_some()
            || (path.symlink_metadata().is_ok_and(|meta| meta.is_file())
                && unless_gone(content_contains(path, needle))
                    .expect("files of the test can be read")
                    .unwrap_or(false))
    };
    let files = files_in(folder).expect("folders of the test can be read");
    files.into_iter().filter(holds).collect()
}

fn content_contains(path: &Path, needle: &[u8]) -> io::Result<bool> {
    const STEP: usize = 1024 * 1024;
    let mut file = File::open(path)?;
    let mut window = Vec::with_capacity(STEP + needle.len());
    loop {
        let count = file.by_ref().take(STEP as u64).read_to_end(&mut window)?;
        if memchr::memmem::find(&window, needle).is_some() {
            return Ok(true);
        }
        if count == 0 {
            return Ok(false);
        }
        // The kept bytes may be the beginning of a needle that lies across two steps.
        let kept = (needle.len() - 1).min(window.len());
        window.drain(..window.len() - kept);
    }
}

/// Returns the result of a read, or `None` if the file has gone.
fn unless_gone<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Everything below a folder, the folder itself left out.
fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(unless_gone(files_in(&entry.path()))?.unwrap_or_default());
        }
        found.push(entry.path());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_found_across_steps_and_in_names() {
        let sandbox = Sandbox::new();
        let mut bytes = vec![0; 1024 * 1024 - 3];
        bytes.extend_from_slice(b"needle");
        fs::create_dir(sandbox.work().join("a")).unwrap();
        fs::write(sandbox.work().join("a/across"), bytes).unwrap();
        fs::write(sandbox.work().join("needle-in-name"), b"").unwrap();
        fs::write(sandbox.work().join("other"), b"needl").unwrap();
        let mut found = files_containing(&sandbox.work(), b"needle");
        found.sort();
        let expected = [sandbox.work().join("a/across"), sandbox.work().join("needle-in-name")];
        assert_eq!(found, expected);
    }

    #[test]
    fn commands_see_only_the_sandbox() {
        let sandbox = Sandbox::new();
        let output = sandbox.command("env").output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let root = sandbox.folder.path().to_str().unwrap();
        for line in output.lines() {
            assert!(line.starts_with("PATH=") || line.contains(root), "{line}");
        }
        assert!(output.contains("TMPDIR=") && output.contains("DOCKER_CONFIG="));
    }

    fn host_of(sandbox: &Sandbox) -> String {
        let command = sandbox.sealcrate();
        assert!(Path::new(command.get_program()).is_file());
        let host = command.get_envs().find(|(name, _)| *name == "DOCKER_HOST").unwrap().1;
        host.unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn the_binary_reaches_no_engine_unless_that_is_said() {
        let sandbox = Sandbox::new();
        let host = host_of(&sandbox);
        let socket = Path::new(host.strip_prefix("unix://").unwrap());
        assert!(socket.starts_with(sandbox.folder.path()) && !socket.exists());
    }

    #[cfg(feature = "engine")]
    #[test]
    fn the_binary_is_given_the_test_engine() {
        let engine = Engine::from_env();
        assert_eq!(host_of(&Sandbox::new().with_engine(&engine)), engine.address());
    }

    #[test]
    #[should_panic(expected = "left in the temporary folder")]
    fn a_leftover_is_noticed() {
        let sandbox = Sandbox::new();
        sandbox.assert_nothing_is_left();
        fs::write(sandbox.tmp().join("spool"), b"").unwrap();
        sandbox.assert_nothing_is_left();
    }

    #[test]
    fn logins_add_up() {
        let sandbox = Sandbox::new();
        sandbox.log_in("127.0.0.1:1", "alice", "open sesame");
        sandbox.log_in_with_identity_token("127.0.0.1:2", "a token of hers");
        let text = fs::read_to_string(sandbox.docker_config().join("config.json")).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(config["auths"]["127.0.0.1:1"]["auth"], "YWxpY2U6b3BlbiBzZXNhbWU=");
        assert_eq!(config["auths"]["127.0.0.1:2"]["identitytoken"], "a token of hers");
    }

    #[test]
    fn registries_in_clear_add_up() {
        let sandbox = Sandbox::new();
        sandbox.allow_in_clear("127.0.0.1:1");
        sandbox.allow_in_clear("127.0.0.1:2");
        let file = sandbox.folder.path().join("config/docker/daemon.json");
        let daemon: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(daemon, json!({ "insecure-registries": ["127.0.0.1:1", "127.0.0.1:2"] }));
    }
}
