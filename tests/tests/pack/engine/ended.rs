//! The first process of a container, and signals.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, Command, Stdio};

use sealcrate_tests::Done;

use crate::programs::Kind;
use crate::starts::ended::bounded;
use crate::workshop::{PASSPHRASE, Workshop, assert_refused};

/// Returns the only child of a process, once it has one and that has become another program.
fn child_of(parent: &Child, name: &str) -> String {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut id = parent.id().to_string();
    loop {
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        if let Some(child) = children.unwrap_or_default().split_whitespace().next() {
            id = child.to_owned();
        }
        // A child has its parent's name until it becomes another program.
        let called = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        if called.trim() == name {
            return id;
        }
        assert!(std::time::Instant::now() < deadline, "there is no {name}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn first_process_of_a_container_heeds_signals_while_it_derives() {
    sealcrate_tests::assert_provided();
    let workshop = Workshop::new();
    // A derivation that takes longer than what the test does meanwhile.
    let options = ["--pass-file", "key", "--work-factor=18"];
    let packed = workshop.pack_with(Kind::MuslStatic.path(), &options);
    for (signal, status) in [("TERM", 143), ("INT", 130), ("HUP", 129), ("QUIT", 131)] {
        let pipe = workshop.path(&format!("pipe-{signal}"));
        Done::of(Command::new("mkfifo").arg(&pipe)).with_status(0);
        let mut command = bounded("unshare");
        command.args(["--map-root-user", "--pid", "--fork", "--kill-child"]);
        command.arg(&packed).arg("serve").env("BP_FILE", &pipe);
        let parent = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let name = packed.file_name().unwrap().to_str().unwrap();
        let first = child_of(&parent, name);
        // It is open when somebody reads, and closed before anything is derived.
        File::create(&pipe).unwrap().write_all(PASSPHRASE.as_bytes()).unwrap();
        Done::of(Command::new("kill").args([&format!("-{signal}"), &first])).with_status(0);
        let done: Done = parent.wait_with_output().unwrap().into();
        assert_refused(done, status, "ended by a signal");
    }
}
