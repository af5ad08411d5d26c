//! A program at a terminal of its own, and a user who reads and types there.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::secrets::noted::{SHORTEST, note_secret, note_secrets_of};
use crate::secrets::transcript::record_printed;
use crate::{Done, Sandbox};

const PATIENCE: Duration = Duration::from_secs(30);

/// After so long a program is killed that waits for more than was typed.
const LONGEST: Duration = Duration::from_secs(120);

/// A run of a program at a terminal of its own.
#[derive(Debug)]
pub struct Typist {
    terminal: File,
    child: Child,
    seen: Vec<u8>,
}

impl Typist {
    /// Starts a program, whose standard output and standard error are not the terminal.
    ///
    /// It takes its arguments and variables from `direct`.
    ///
    /// # Panics
    /// If there is no terminal to be had, or the program cannot be run.
    pub fn start(sandbox: &Sandbox, direct: &Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).expect("a terminal can be made");
        grantpt(&terminal).expect("a terminal can be made");
        unlockpt(&terminal).expect("a terminal can be made");
        let name = ptsname(&terminal, Vec::new()).expect("the terminal has a name");
        let name = name.into_string().expect("terminals have ASCII names");
        let other_side = OpenOptions::new().read(true).write(true).open(name);
        let mut command = sandbox.command("setsid");
        // The program's standard input becomes its controlling terminal.
        command.arg("--ctty").arg(direct.get_program()).args(direct.get_args());
        for (name, value) in direct.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.stdin(other_side.expect("the terminal can be opened"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        note_secrets_of(direct);
        // Only before the program runs is it certain that the terminal echoes.
        assert!(echoes(&terminal), "the terminal is as usual");
        let child = command.spawn().expect("the program can be run");
        Self { terminal: terminal.into(), child, seen: Vec::new() }
    }

    /// Waits for a text, and returns all that was seen on the terminal so far.
    ///
    /// # Panics
    /// If the program ends before, or waits for something itself.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let patience = Timespec::try_from(PATIENCE).expect("it is not long");
        while !self.seen.ends_with(text.as_bytes()) {
            let mut readable = [PollFd::new(&self.terminal, PollFlags::IN)];
            let ready =
                poll(&mut readable, Some(&patience)).expect("the terminal can be waited for");
            assert!(ready > 0, "{text:?} was not seen in {:?}", self.seen());
            let mut byte = [0];
            let read = self.terminal.read_exact(&mut byte);
            assert!(read.is_ok(), "{text:?} was not seen in {:?}", self.seen());
            self.seen.push(byte[0]);
        }
        self.seen()
    }

    /// Waits for a prompt and for the end of the echo, and types a line.
    ///
    /// # Panics
    /// If either does not come.
    #[track_caller]
    pub fn type_at(&mut self, prompt: &str, line: &str) {
        self.wait_for(prompt);
        self.wait_until_typing_is_hidden();
        if line.len() >= SHORTEST {
            note_secret("typed passphrase", line);
        }
        self.press(line);
        self.press("\n");
    }

    /// Waits until the terminal hides typing.
    ///
    /// # Panics
    /// If it stays visible.
    #[track_caller]
    pub fn wait_until_typing_is_hidden(&self) {
        let deadline = Instant::now() + PATIENCE;
        while echoes(&self.terminal) {
            assert!(Instant::now() < deadline, "the terminal keeps echoing");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the terminal shows typing, as it usually does.
    ///
    /// # Panics
    /// If it stays hidden.
    #[track_caller]
    pub fn wait_until_typing_is_shown(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !echoes(&self.terminal) {
            assert!(Instant::now() < deadline, "the terminal does not echo");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Presses keys, without waiting for anything.
    ///
    /// # Panics
    /// If the terminal takes nothing.
    pub fn press(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).expect("the terminal takes what is typed");
    }

    /// Waits for the end, which comes within two minutes, and returns the result with all that was seen on the terminal.
    ///
    /// # Panics
    /// If the output is not UTF-8.
    pub fn end(self) -> (Done, String) {
        let Self { mut terminal, child, mut seen } = self;
        let output = bounded(child);
        // After the last byte Linux reports an error: nobody holds the other side any more.
        let _ = terminal.read_to_end(&mut seen);
        record_printed(&[&seen, &output.stdout, &output.stderr]);
        (output.into(), String::from_utf8(seen).expect("the terminal shows UTF-8"))
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}

/// Waits for the end of a program, and kills it if it does not end.
fn bounded(child: Child) -> Output {
    let (ended, watched) = channel::<()>();
    let id = Pid::from_child(&child);
    thread::spawn(move || {
        if watched.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
            // The test sees the signal in the status.
            let _ = kill_process(id, Signal::KILL);
        }
    });
    let output = child.wait_with_output().expect("the program can be waited for");
    drop(ended);
    output
}

/// Whether the terminal shows typing now.
fn echoes(terminal: impl AsFd) -> bool {
    let modes = tcgetattr(terminal).expect("the terminal tells its modes");
    modes.local_modes.contains(LocalModes::ECHO)
}
