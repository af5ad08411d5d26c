//! Providers that are programs, each started once for every request.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use sealcrate_crypt::ocicrypt::provider::{Call, CallError, MAX_ANSWER_BYTES, Operation};
use sealcrate_image::printable;
use zeroize::Zeroizing;

use crate::environment::programs;

/// How many characters of a program's words are shown.
const MAX_TOLD: usize = 500;

/// How many bytes of a program's words are read.
const MAX_SAID: usize = 16 << 10;

/// A program that is started for each request.
pub(super) struct ProviderCommand {
    path: PathBuf,
    args: Vec<String>,
    patience: Duration,
}

impl ProviderCommand {
    /// Names a program, its arguments, and how long it may take. A name without a folder is looked up
    /// in the folders of `PATH`.
    pub(super) fn new(path: &Path, args: &[String], patience: Duration) -> Self {
        Self { path: path.to_owned(), args: args.to_vec(), patience }
    }

    /// Starts the program in a group of its own, so that its children can be ended with it.
    fn start(&self) -> io::Result<Child> {
        programs::command(&self.path, &programs::path())?
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
    }
}

impl Call for ProviderCommand {
    fn call(&self, _: Operation, request: &[u8]) -> Result<Zeroizing<Vec<u8>>, CallError> {
        let unreachable =
            |source| CallError::Unreachable { address: self.path.display().to_string(), source };
        let mut run = Run(self.start().map_err(unreachable)?);
        let deadline = Instant::now() + self.patience;
        let late = || CallError::TimedOut(self.patience.as_secs());
        let request = Zeroizing::new(request.to_vec());
        if let Some(mut input) = run.0.stdin.take() {
            // A program may stop reading when it has seen enough; its answer shows whether it
            // succeeded.
            thread::spawn(move || input.write_all(&request));
        }
        let answer = reading(run.0.stdout.take(), MAX_ANSWER_BYTES);
        let said = reading(run.0.stderr.take(), MAX_SAID);
        let answer = received(&answer, deadline).ok_or_else(late)?;
        let said = received(&said, deadline).ok_or_else(late)?;
        let status = loop {
            match run.0.try_wait().map_err(unreachable)? {
                Some(status) => break status,
                None if Instant::now() >= deadline => return Err(late()),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        if !status.success() {
            return Err(CallError::Refused(match told(&said) {
                text if text.is_empty() => format!("it ends with {status}"),
                text => text,
            }));
        }
        Ok(answer)
    }
}

/// A program that runs. Dropped, it is ended with all programs that it started.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        if let (Ok(None), Some(pid)) = (self.0.try_wait(), Pid::from_raw(self.0.id() as i32)) {
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

/// Reads a pipe to its end, or to one byte more than `most`, while the caller goes on.
fn reading(pipe: Option<impl Read + Send + 'static>, most: usize) -> Receiver<Zeroizing<Vec<u8>>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
        if let Some(pipe) = pipe {
            // The bytes before an error may be the answer all the same.
            let _ = pipe.take(most as u64 + 1).read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

fn received(pipe: &Receiver<Zeroizing<Vec<u8>>>, deadline: Instant) -> Option<Zeroizing<Vec<u8>>> {
    pipe.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

/// Makes one printable line of a program's words.
fn told(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    printable(&lines.join("; "), MAX_TOLD)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn run(script: &str, patience: Duration) -> Result<Vec<u8>, CallError> {
        let args = ["-c".to_owned(), script.to_owned()];
        let command = ProviderCommand::new(Path::new("/bin/sh"), &args, patience);
        command.call(Operation::Wrap, b"request").map(|answer| answer.to_vec())
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn request_and_answer_go_through_pipes() {
        assert_eq!(run("cat", LONG).unwrap(), b"request");
        assert_eq!(run("echo fine >&2; exec echo ready", LONG).unwrap(), b"ready\n");
        let missing = ProviderCommand::new(Path::new("/missing/program"), &[], LONG);
        let error = missing.call(Operation::Wrap, b"").unwrap_err();
        assert_eq!(error.to_string(), "cannot reach /missing/program");
    }

    #[test]
    fn failure_is_told_in_the_programs_words_made_harmless() {
        let refused = |script: &str| match run(script, LONG).unwrap_err() {
            CallError::Refused(text) => text,
            other => panic!("{other}"),
        };
        assert_eq!(refused("printf 'no\\n\\n key\\n' >&2; exit 3"), "no; key");
        assert_eq!(refused("exit 3"), "it ends with exit status: 3");
        let steering = refused("printf 'a\\033[31mb\\007' >&2; exit 1");
        assert!(!steering.contains(char::is_control), "{steering:?}");
        let long = refused("yes x | head -c 1000000 >&2; exit 1");
        assert!(long.chars().count() <= MAX_TOLD + 1, "{}", long.len());
    }

    #[test]
    fn one_that_hangs_is_ended_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let mut patience = Duration::from_millis(500);
        let pid = loop {
            let error = run(&script, patience).unwrap_err();
            assert!(matches!(error, CallError::TimedOut(_)), "{error}");
            // On a busy machine it may not have come so far.
            match fs::read_to_string(&file) {
                Ok(pid) if pid.ends_with('\n') => break pid,
                _ => patience *= 2,
            }
        };
        // The name of a process in /proc may stay a while after its end.
        let stat = format!("/proc/{}/stat", pid.trim());
        let is_there = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        while is_there() {
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn endless_answers_are_cut_off() {
        let answer = run("exec cat /dev/zero", LONG);
        assert!(matches!(answer, Err(CallError::Refused(_))), "{:?}", answer.map(|a| a.len()));
    }
}
