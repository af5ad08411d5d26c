//! The prompt: for a passphrase, or for the answer of somebody who has the key.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use age::secrecy::ExposeSecret as _;
use age::x25519;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};
use sealcrate_agefile::X25519Key;
use sealcrate_agefile::x25519::Identity;
use sealcrate_packfile::challenge::{Challenge, buffer_len};
use sealcrate_packfile::response::Response;

use crate::packed::{PASSPHRASE, Packed, passphrase, payload_with, sealed};

const PATIENCE: Duration = Duration::from_secs(30);

/// A packed program at a terminal of its own.
struct Typist {
    terminal: File,
    /// The program's side. While nobody has it open, the other side can not be read.
    held: File,
    before: Termios,
    child: Child,
    seen: Vec<u8>,
}

impl Typist {
    fn start(packed: &Packed) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let before = tcgetattr(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let held = OpenOptions::new().read(true).write(true).open(name).unwrap();
        // Standard input becomes the controlling terminal. `exec`, so that the child is the program.
        let child = Command::new("setsid")
            .args(["--ctty", "--wait", "sh", "-c", "exec \"$0\" it runs </dev/null"])
            .arg(packed.path())
            .stdin(held.try_clone().unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { terminal: terminal.into(), held, before, child, seen: Vec::new() }
    }

    /// Waits until the terminal shows something.
    fn wait_for(&mut self, text: &str) {
        while !self.seen.ends_with(text.as_bytes()) {
            let mut byte = [0];
            self.terminal.read_exact(&mut byte).expect("the program prompts before it ends");
            self.seen.push(byte[0]);
        }
        let deadline = Instant::now() + PATIENCE;
        while tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ECHO) {
            assert!(Instant::now() < deadline, "the terminal keeps echoing");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn enter(&mut self, bytes: &[u8]) {
        self.terminal.write_all(bytes).unwrap();
    }

    /// Waits for the end, and returns status, output, standard error, and the text on the terminal.
    fn end(mut self) -> (Option<i32>, String, String, String) {
        let output = bounded(self.child);
        let after = tcgetattr(&self.terminal).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes, "the terminal is set back");
        assert_eq!(after.input_modes, self.before.input_modes, "the terminal is set back");
        drop(self.held);
        // After the last byte, Linux returns an error, because nobody holds the other side.
        let _ = self.terminal.read_to_end(&mut self.seen);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr), text(self.seen))
    }
}

/// Waits for the end of a program, and kills it if it waits for more input.
fn bounded(child: Child) -> Output {
    let (ended, watched) = channel::<()>();
    let id = Pid::from_child(&child);
    thread::spawn(move || {
        if watched.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            // The test sees the signal in the status.
            let _ = kill_process(id, Signal::KILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    output
}

fn echo() -> Vec<u8> {
    fs::read("/bin/echo").unwrap()
}

#[test]
fn passphrase_is_typed_and_not_seen() {
    let age = sealed(&echo(), &passphrase());
    let packed = Packed::with_payload(&payload_with(1, b"Ask Ada.", &age));
    let mut typist = Typist::start(&packed);
    typist.wait_for("Key: ");
    // Mistakes are taken back: one character, and a whole line.
    typist.enter(b"wrong\x15");
    typist.enter(format!("{PASSPHRASE}x\x7f\n").as_bytes());
    let (status, output, said, seen) = typist.end();
    assert_eq!((status, output.as_str(), said.as_str()), (Some(0), "it runs\n", ""));
    assert_eq!(seen, "Ask Ada.\r\nKey: \r\n");
}

#[test]
fn wrong_passphrase_is_told() {
    let packed = Packed::under_passphrase("/bin/echo");
    let mut typist = Typist::start(&packed);
    typist.wait_for("Key: ");
    typist.enter(b"wrong\n");
    let (status, output, said, _) = typist.end();
    assert_eq!((status, output.as_str()), (Some(3), ""));
    assert_eq!(said, "sealcrate: wrong key\n");
}

#[test]
fn prompt_is_ended_by_keys_and_the_terminal_set_back() {
    let packed = Packed::under_passphrase("/bin/echo");
    for key in [b"\x03", b"\x04", b"\x1c"] {
        let mut typist = Typist::start(&packed);
        typist.wait_for("Key: ");
        typist.enter(key);
        let (status, output, said, _) = typist.end();
        assert_eq!((status, output.as_str()), (Some(3), ""), "{key:?}");
        assert_eq!(said, "sealcrate: no key: the prompt was ended\n");
    }
}

#[test]
fn prompt_is_ended_by_a_signal_and_the_terminal_set_back() {
    let packed = Packed::under_passphrase("/bin/echo");
    let mut typist = Typist::start(&packed);
    typist.wait_for("Key: ");
    // Found by its path, which is in a folder that nobody else has.
    let command_line = format!("{} it runs", packed.path().display());
    let found = Command::new("pgrep").args(["--full", "--exact", &command_line]).output().unwrap();
    let pid = String::from_utf8(found.stdout).unwrap();
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
    let (status, output, said, _) = typist.end();
    // The signal ends the program, so there is no exit status.
    assert_eq!((status, output.as_str(), said.as_str()), (None, "", ""));
}

/// Reads the challenge off the terminal, and answers it.
fn answer(typist: &mut Typist, key: &str, file: Option<&str>) -> String {
    typist.wait_for("Response: ");
    let seen = String::from_utf8(typist.seen.clone()).unwrap();
    let line = seen.lines().find(|line| line.starts_with("sealcrate-challenge-1.")).unwrap();
    let mut buffer = vec![0; buffer_len(line)];
    let challenge = Challenge::parse(line, &mut buffer).unwrap();
    assert!(seen.contains(&challenge.fingerprint().to_string()), "{seen}");
    let key = Identity::parse(key).unwrap();
    let file_key = challenge.header().unwrap(&key).unwrap();
    let response = Response::seal(&challenge, &file_key, X25519Key::new([9; 32])).unwrap();
    file.map_or_else(|| response.to_string(), ToOwned::to_owned)
}

#[test]
fn answer_of_who_has_the_key_opens_one_start() {
    let identity = x25519::Identity::generate();
    let key = identity.to_string().expose_secret().to_owned();
    let packed = Packed::of(&echo(), &identity.to_public());

    let mut typist = Typist::start(&packed);
    let response = answer(&mut typist, &key, None);
    typist.enter(format!("  {response}\n").as_bytes());
    let (status, output, said, seen) = typist.end();
    assert_eq!((status, output.as_str(), said.as_str()), (Some(0), "it runs\n", ""));
    assert!(seen.contains(&response), "what is typed is seen");

    // A narrow window breaks the line.
    let mut typist = Typist::start(&packed);
    let response = answer(&mut typist, &key, None);
    let (one, other) = response.split_at(60);
    typist.enter(format!("{one}\n").as_bytes());
    typist.enter(format!("  {}\r{}\n", &other[..9], &other[9..]).as_bytes());
    let (status, output, said, _) = typist.end();
    assert_eq!((status, output.as_str(), said.as_str()), (Some(0), "it runs\n", ""));

    let mut typist = Typist::start(&packed);
    let again = answer(&mut typist, &key, Some(&response));
    typist.enter(format!("{again}\n").as_bytes());
    let (status, output, said, _) = typist.end();
    assert_eq!((status, output.as_str()), (Some(3), ""));
    assert_eq!(said, "sealcrate: wrong key: the response is to another challenge\n");
}

#[test]
fn answers_that_are_none_are_told() {
    let identity = x25519::Identity::generate();
    let packed = Packed::of(&echo(), &identity.to_public());
    for (typed, told) in [
        ("secret", "it is no response: that begins with sealcrate-response-1."),
        // An empty line tells that nothing follows.
        ("sealcrate-response-1.AAAA\n", "the response is damaged: a character is wrong or missing"),
    ] {
        let mut typist = Typist::start(&packed);
        typist.wait_for("Response: ");
        typist.enter(format!("{typed}\n").as_bytes());
        let (status, output, said, _) = typist.end();
        assert_eq!((status, output.as_str()), (Some(3), ""));
        assert_eq!(said, format!("sealcrate: wrong key: {told}\n"));
    }
}
