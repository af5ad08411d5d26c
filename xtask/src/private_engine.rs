//! A private Docker engine: its own data, socket and containerd, no network, gone afterwards.
//!
//! dockerd itself is run by `private_engine.sh`, or by `suites/engine.sh` if it is the engine of another suite. This
//! module starts that script, waits until the engine answers, and stops it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use crate::child::Interrupts;
use crate::root;
use crate::suites::{self, Store};

const SCRIPT: &str = include_str!("private_engine.sh");
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than the engine gives the containers that still run.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// `sun_path` holds 108 bytes with the final NUL.
const LONGEST_SOCKET_PATH: usize = 107;

/// Calls `task` with the address of an engine. If `SEALCRATE_TEST_ENGINE` names one, `task` gets that engine.
/// Otherwise it gets a private one, which lives until `task` returns.
pub fn with(
    interrupts: &Interrupts,
    task: impl FnOnce(&str) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    if let Ok(address) = env::var("SEALCRATE_TEST_ENGINE") {
        return task(&address);
    }
    let engine = PrivateEngine::start(interrupts, SCRIPT, &[dockerd()?.into()])?;
    let result = task(&engine.address());
    engine.stop()?;
    result
}

/// Calls `task` with the address of a private engine of another suite, and with that suite's programs.
/// Both live until `task` returns.
///
/// # Errors
/// The engine does not start or stop; `task` fails.
pub(crate) fn with_suite(
    interrupts: &Interrupts,
    folder: &suites::Folder,
    store: Store,
    task: impl FnOnce(&str, &suites::Programs) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let system = [folder.path().into(), store.snapshotter().into()];
    let arguments = [&system[..], &suites::Programs::shared_folders()?].concat();
    let engine = PrivateEngine::start(interrupts, suites::SCRIPT, &arguments)?;
    let result = suites::Programs::write(folder, engine.folder.path())
        .and_then(|programs| task(&engine.address(), &programs));
    engine.stop()?;
    result
}

struct PrivateEngine {
    folder: TempDir,
    script: Child,
}

impl PrivateEngine {
    /// Starts a script with a new folder, the group that may use the socket, and further arguments.
    fn start(
        interrupts: &Interrupts,
        script: &str,
        arguments: &[OsString],
    ) -> anyhow::Result<Self> {
        root::authenticate()?;
        let folder = folder_for_sockets()?;
        let group = fs::metadata(folder.path())?.gid();
        let script = root::command("sh")
            .args(["-c", script, "sh"])
            .arg(folder.path())
            .arg(group.to_string())
            .args(arguments)
            .stdin(Stdio::piped())
            // Out of the terminal's group: Ctrl-C ends the tests, and then we end the engine.
            .process_group(0)
            .spawn()
            .context("cannot start the engine")?;
        let mut engine = Self { folder, script };
        match engine.wait_until_it_answers(interrupts) {
            Ok(()) => Ok(engine),
            Err(error) => {
                let log = engine.log_tail();
                // It may have ended by itself, so a failure to stop says nothing new.
                let _ = engine.stop();
                Err(error.context(format!("the engine's log ends with:\n{log}")))
            }
        }
    }

    /// Returns the address, as `DOCKER_HOST` takes it.
    fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    fn wait_until_it_answers(&mut self, interrupts: &Interrupts) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while !answers(&self.socket()) {
            if let Some(status) = self.script.try_wait()? {
                bail!("the engine ended ({status})");
            }
            ensure!(Instant::now() < deadline, "the engine does not answer");
            ensure!(!interrupts.arrived(), "interrupted");
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn stop(mut self) -> anyhow::Result<()> {
        drop(self.script.stdin.take());
        let deadline = Instant::now() + STOP_TIMEOUT;
        loop {
            if let Some(status) = self.script.try_wait()? {
                ensure!(status.success(), "the engine failed ({status}):\n{}", self.log_tail());
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("the engine in {} does not stop", self.folder.keep().display());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Creates a folder whose path leaves room for the socket's name, in `TMPDIR` if that does.
fn folder_for_sockets() -> anyhow::Result<TempDir> {
    let create = |parent: &Path| {
        tempfile::Builder::new()
            .prefix("sealcrate-engine-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .with_context(|| format!("cannot create a folder in {}", parent.display()))
    };
    let folder = create(&env::temp_dir())?;
    if folder.path().join("sock").as_os_str().len() <= LONGEST_SOCKET_PATH {
        return Ok(folder);
    }
    create(Path::new("/tmp"))
}

fn dockerd() -> anyhow::Result<&'static str> {
    ["/usr/sbin/dockerd", "/usr/bin/dockerd"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .context("dockerd is not installed")
}

fn answers(socket: &Path) -> bool {
    let ping = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ping().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}
