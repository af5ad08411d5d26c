//! Programs for other machines are packed on this one, and their stubs run in QEMU.
//!
//! QEMU's emulation of a single process does not know `execveat`: what shows there is all of a stub
//! but its last call. That call fails, and the stub says so, only after the whole payload has been
//! authenticated, decompressed and sealed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealcrate_tests::Done;

use crate::workshop::{FAST, Workshop, assert_refused, install, key_pair, start};

/// Another machine: its name in `--list-targets`, the prefix of its tools, its emulator.
const MACHINES: [(&str, &str, &str); 3] = [
    ("arm64", "aarch64-linux-gnu", "qemu-aarch64-static"),
    ("armv7", "arm-linux-gnueabihf", "qemu-arm-static"),
    ("i386", "i686-linux-gnu", "qemu-i386-static"),
];

/// What is said when all went well up to the last call.
const OPENED: &str = "cannot execute the program";

/// Makes a program for a machine, of some MiB, so that it has many chunks and blocks.
fn program(workshop: &Workshop, tools: &str) -> PathBuf {
    let source = ".globl _start\n_start: .long 0\n.data\n.rept 300000\n.quad 7\n.endr\n";
    let source = workshop.write("program.s", source);
    let (object, program) = (workshop.path("program.o"), workshop.path("program"));
    let made = |tool: &str, arguments: &[&Path]| {
        Done::of(Command::new(format!("{tools}-{tool}")).args(arguments)).with_status(0);
    };
    made("as", &[Path::new("-o"), &object, &source]);
    made("ld", &[Path::new("-o"), &program, &object]);
    program
}

/// Prepares a start of a packed program in an emulator.
fn start_in(emulator: &str, packed: &Path) -> Command {
    let mut command = start(Path::new(emulator));
    command.arg(packed).env("PATH", "/usr/bin:/bin");
    command
}

#[test]
fn this_build_packs_for_every_machine() {
    let listed = Workshop::new().succeed(&["pack", "--list-targets"]).stdout;
    let listed: Vec<&str> = listed.lines().collect();
    for (name, ..) in MACHINES {
        assert!(listed.iter().any(|line| line.contains(name)), "{name}: {listed:?}");
    }
}

#[test]
fn foreign_programs_are_opened_by_passphrase_and_identity() {
    for (name, tools, emulator) in MACHINES {
        let workshop = Workshop::new();
        let program = program(&workshop, tools);
        for compression in ["lz4", "zstd", "none"] {
            let packed = workshop
                .pack_with(&program, &["-r", &key_pair().recipient, "--compress", compression]);
            let run = |key: &str| Done::of(start_in(emulator, &packed).env("BP", key));
            assert_refused(run(&key_pair().identity), 1, OPENED);
            assert_refused(run("another horse battery"), 3, "wrong key");
            let told = workshop.succeed(&[
                "unpack",
                packed.to_str().unwrap(),
                "-o",
                "back",
                "-i",
                "identity",
                "--force",
            ]);
            let back = fs::read(workshop.path("back")).unwrap();
            assert!(back == fs::read(&program).unwrap(), "{name}: {}", told.said());
        }
        let packed = workshop.pack_under_passphrase(&program);
        let file = workshop.path("key");
        let opened = Done::of(start_in(emulator, &packed).env("BP_FILE", file));
        assert_refused(opened, 1, OPENED);
        assert_refused(Done::of(start_in(emulator, &packed).env("BP", "wrong")), 3, "wrong key");
        let told = "looked at the variables BP and BP_FILE";
        assert_refused(Done::of(&mut start_in(emulator, &packed)), 3, told);
    }
}

#[test]
fn foreign_payloads_that_were_changed_are_told() {
    for (_, tools, emulator) in MACHINES {
        let workshop = Workshop::new();
        let packed = workshop.pack_with(&program(&workshop, tools), &["--pass-file", "key", FAST]);
        let mut bytes = fs::read(&packed).unwrap();
        let age = bytes.windows(21).rposition(|window| window == b"age-encryption.org/v1").unwrap();
        let mac = age + memchr::memmem::find(&bytes[age..], b"\n--- ").unwrap() + 1;
        let header_end = mac + memchr::memchr(b'\n', &bytes[mac..]).unwrap() + 1;
        // Behind the nonce.
        bytes[header_end + 16] ^= 1;
        let changed = workshop.path("changed");
        install(&bytes, &changed);
        let key: OsString = workshop.path("key").into();
        let told = Done::of(start_in(emulator, &changed).env("BP_FILE", key));
        assert_refused(told, 5, "the payload is damaged");
    }
}
