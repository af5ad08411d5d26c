//! Passphrases that are typed: twice where they encrypt, never echoed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use sealcrate_tests::Registry;

use crate::machine::{Done, FAST, Machine};

const PATIENCE: Duration = Duration::from_secs(30);

/// A run of the binary at a terminal of its own.
struct Typist {
    terminal: File,
    child: Child,
    seen: Vec<u8>,
}

impl Typist {
    fn start(machine: &Machine, arguments: &[&str]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let direct = machine.sealcrate(arguments);
        let mut command = machine.sandbox.command("setsid");
        // The program's standard input becomes its controlling terminal.
        command.arg("--ctty").args(direct.get_args());
        command.stdin(OpenOptions::new().read(true).write(true).open(name).unwrap());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        Self { terminal: terminal.into(), child, seen: Vec::new() }
    }

    /// Waits for a prompt and for the end of the echo, and types a line.
    fn type_at(&mut self, prompt: &str, line: &str) {
        while !self.seen.ends_with(prompt.as_bytes()) {
            let mut byte = [0];
            self.terminal.read_exact(&mut byte).expect("the program prompts before it ends");
            self.seen.push(byte[0]);
        }
        let deadline = Instant::now() + PATIENCE;
        while tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ECHO) {
            assert!(Instant::now() < deadline, "the terminal keeps echoing");
            thread::sleep(Duration::from_millis(5));
        }
        self.terminal.write_all(line.as_bytes()).unwrap();
        self.terminal.write_all(b"\n").unwrap();
    }

    /// Waits for the end, and returns the result with all that was seen on the terminal.
    fn end(mut self) -> (Done, String) {
        let done = self.child.wait_with_output().unwrap().into();
        // After the last byte Linux tells by an error that nobody holds the other side.
        let _ = self.terminal.read_to_end(&mut self.seen);
        (done, String::from_utf8(self.seen).unwrap())
    }
}

fn pushing(machine: &Machine, registry: &Registry) -> Typist {
    machine.layout("image", &["private"]);
    let name = format!("{}/team/app", registry.host());
    Typist::start(machine, &["push", &name, "--from=oci:image", "--all-layers", FAST])
}

#[test]
fn passphrase_is_typed_twice_to_encrypt_and_once_to_decrypt() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    let mut typist = pushing(&machine, &registry);
    typist.type_at("Passphrase: ", "never seen");
    typist.type_at("The same again: ", "never seen");
    let (done, seen) = typist.end();
    done.with_status(0);
    assert!(!seen.contains("never"), "{seen:?}");

    let name = format!("{}/team/app", registry.host());
    let mut typist = Typist::start(&machine, &["pull", &name, "--to=oci:back"]);
    typist.type_at("Passphrase: ", "never seen");
    let (done, seen) = typist.end();
    done.with_status(0);
    assert!(!seen.contains("again") && !seen.contains("never"), "{seen:?}");
    machine.write("typed", "never seen");
    machine.succeed(&["pull", &name, "--to=oci:back", "--pass-file=typed"]);
}

#[test]
fn passphrases_that_differ_encrypt_nothing() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    let mut typist = pushing(&machine, &registry);
    typist.type_at("Passphrase: ", "never seen");
    typist.type_at("The same again: ", "never sean");
    let (done, seen) = typist.end();
    done.failed(1).says("the two passphrases are not the same");
    assert!(!seen.contains("never"), "{seen:?}");
    assert!(registry.blobs().is_empty());
}

#[test]
fn nothing_typed_is_no_passphrase() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    let mut typist = pushing(&machine, &registry);
    typist.type_at("Passphrase: ", "");
    let (done, _) = typist.end();
    done.failed(3).says("the passphrase is empty");
    assert!(registry.blobs().is_empty());
}

#[test]
fn plain_image_is_pulled_without_asking() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    machine.layout("image", &["public"]);
    let name = format!("{}/team/app", registry.host());
    machine.succeed(&["push", &name, "--from=oci:image", "--type=NONE"]);
    let (done, seen) = Typist::start(&machine, &["pull", &name, "--to=oci:back"]).end();
    done.with_status(0);
    assert_eq!(seen, "");
}
