//! A key provider that runs as a service, and a client for it that others wrote.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Done;
use crate::secrets::noted::note_secrets_of;
use crate::secrets::transcript::record_printed;

const PROTO: &str = include_str!("../../../crates/cli/proto/keyprovider.proto");
const CLIENT: &str = include_str!("../../programs/keyprovider_client.py");

/// How long it may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running key provider; dropped, it ends.
#[derive(Debug)]
pub struct KeyProviderService {
    process: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl KeyProviderService {
    /// Starts `command`, and waits until it says that it serves.
    ///
    /// # Panics
    /// If it does not.
    pub fn start(command: &mut Command) -> Self {
        note_secrets_of(command);
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = started.spawn().expect("the provider can be started");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = process.stderr.take().expect("it is piped");
        let reader = Some(thread::spawn({
            let log = log.clone();
            move || copy(lines, &log)
        }));
        let mut service = Self { process, log, reader };
        service.wait_for("serving at ");
        service
    }

    /// Waits until the log has `text` in it, and returns the rest of that line.
    ///
    /// # Panics
    /// If it ends before, or does not log that text.
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some((_, rest)) = self.log().split_once(text)
                && let Some((line, _)) = rest.split_once('\n')
            {
                return line.to_owned();
            }
            let ended = self.process.try_wait().expect("a child can be waited for");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{text:?} is not in {:?}",
                self.log()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks it to end, and returns its exit status.
    ///
    /// # Panics
    /// If it does not.
    pub fn end(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().expect("a child can be waited for") {
                if let Some(reader) = self.reader.take() {
                    reader.join().expect("the log can be read");
                }
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end: {:?}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let _ = kill_process(pid.expect("processes have numbers"), signal);
    }
}

impl Drop for KeyProviderService {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.signal(Signal::KILL);
            let _ = self.process.wait();
        }
        record_printed(&[self.log().as_bytes()]);
    }
}

fn copy(lines: ChildStderr, log: &Mutex<String>) {
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}

/// gRPC's own client in Python, generated from the service's definition.
#[derive(Debug)]
pub struct GeneratedClient {
    folder: TempDir,
}

impl GeneratedClient {
    /// Generates it.
    ///
    /// # Panics
    /// If protoc cannot.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("the folder can be written");
        };
        write("keyprovider.proto", PROTO);
        write("client.py", CLIENT);
        let mut protoc = Command::new("protoc");
        protoc.current_dir(folder.path()).args([
            "--python_out=.",
            "--grpc_python_out=.",
            "--plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin",
            "keyprovider.proto",
        ]);
        Done::of(&mut protoc).with_status(0);
        Self { folder }
    }

    /// Prepares a call of `method` at `address`, with the request in a file.
    pub fn call(&self, address: &str, method: &str, request: &Path) -> Command {
        // The distribution's Python has the library.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(self.script()).args([address, method]);
        command.stdin(fs::File::open(request).expect("the request is there"));
        command
    }

    fn script(&self) -> PathBuf {
        self.folder.path().join("client.py")
    }
}

impl Default for GeneratedClient {
    fn default() -> Self {
        Self::new()
    }
}
