//! Programs for other machines are packed on this one, and run in QEMU as the kernel starts it: as it
//! runs them in containers for another machine than the host's.
//!
//! QEMU's emulation of a single process does not know `execveat`, so they are executed by the name of
//! their memory in `/proc`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealcrate_tests::Done;
use sealcrate_tests::fixtures::key_pair;

use crate::programs::smallest;
use crate::workshop::{FAST, Workshop, assert_refused, install, start, start_with_key};

/// Another machine.
struct OtherMachine {
    /// Its name in `--list-targets`.
    name: &'static str,
    /// The prefix of its tools.
    tools: &'static str,
    /// Its emulator.
    emulator: &'static str,
    /// Class and number in the header of its programs. ELF, `EI_CLASS` and `e_machine`.
    class: u8,
    number: u8,
    /// How it ends with the status 9.
    end: &'static str,
}

const OTHER_MACHINES: [OtherMachine; 3] = [
    OtherMachine {
        name: "arm64",
        tools: "aarch64-linux-gnu",
        emulator: "qemu-aarch64-static",
        class: 2,
        number: 183,
        end: "mov x0, 9; mov x8, 93; svc 0",
    },
    OtherMachine {
        name: "armv7",
        tools: "arm-linux-gnueabihf",
        emulator: "qemu-arm-static",
        class: 1,
        number: 40,
        end: "mov r0, #9; mov r7, #1; svc 0",
    },
    OtherMachine {
        name: "i386",
        tools: "i686-linux-gnu",
        emulator: "qemu-i386-static",
        class: 1,
        number: 3,
        end: "mov $9, %ebx; mov $1, %eax; int $0x80",
    },
];

/// Makes a program for a machine, of some MiB, so that it has many chunks and blocks.
fn program(workshop: &Workshop, machine: &OtherMachine) -> PathBuf {
    let code = format!(".globl _start\n_start: {}\n", machine.end);
    let source = workshop.write("program.s", code + ".data\n.rept 300000\n.quad 7\n.endr\n");
    let (object, program) = (workshop.path("program.o"), workshop.path("program"));
    let made = |tool: &str, arguments: &[&Path]| {
        let tool = format!("{}-{tool}", machine.tools);
        Done::of(Command::new(tool).args(arguments)).with_status(0);
    };
    made("as", &[Path::new("-o"), &object, &source]);
    made("ld", &[Path::new("-o"), &program, &object]);
    program
}

/// Prepares a start of a packed program where the kernel starts the emulator for such programs.
///
/// Since Linux 6.7 user namespaces have a list of formats of their own (binfmt_misc).
fn start_in(machine: &OtherMachine, packed: &Path) -> Command {
    const SCRIPT: &str = "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && \
                          printf %s \"$1\" > /proc/sys/fs/binfmt_misc/register && exec \"$0\"";
    let header = format!("\\x7fELF\\x{:02x}\\x01\\x01", machine.class);
    let rest = format!("\\x02\\x00\\x{:02x}\\x00", machine.number);
    let magic = format!("{header}{}{rest}", "\\x00".repeat(9));
    let mask = format!("{}{}{}", "\\xff".repeat(7), "\\x00".repeat(9), "\\xff".repeat(4));
    let format = format!(":foreign:M::{magic}:{mask}:/usr/bin/{}:F", machine.emulator);
    let mut command = start(Path::new("unshare"));
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT]);
    command.arg(packed).arg(format).env("PATH", "/usr/bin:/bin");
    command
}

#[test]
fn this_build_packs_for_every_machine() {
    sealcrate_tests::assert_provided();
    let listed = Workshop::new().succeed(&["pack", "--list-targets"]).stdout;
    let listed: Vec<&str> = listed.lines().collect();
    for OtherMachine { name, .. } in OTHER_MACHINES {
        let size = listed.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
        let size = size.and_then(|size| size.parse::<u64>().ok());
        assert!(size.is_some_and(|size| size > 0), "{name}: {listed:?}");
    }
}

#[test]
fn foreign_programs_are_opened_by_passphrase_and_identity() {
    sealcrate_tests::assert_provided();
    for machine in &OTHER_MACHINES {
        let (workshop, name) = (Workshop::new(), machine.name);
        let program = program(&workshop, machine);
        for compression in ["lz4", "zstd", "none"] {
            let packed = workshop
                .pack_with(&program, &["-r", &key_pair().recipient, "--compress", compression]);
            let run = |key: &str| Done::of(start_in(machine, &packed).env("BP", key));
            run(&key_pair().identity).with_status(9).prints("");
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
        let opened = Done::of(start_in(machine, &packed).env("BP_FILE", file));
        opened.with_status(9).prints("");
        assert_refused(Done::of(start_in(machine, &packed).env("BP", "wrong")), 3, "wrong key");
        let told = "looked at the variables BP and BP_FILE";
        assert_refused(Done::of(&mut start_in(machine, &packed)), 3, told);
    }
}

#[test]
fn foreign_payloads_that_were_changed_are_told() {
    sealcrate_tests::assert_provided();
    for machine in &OTHER_MACHINES {
        let workshop = Workshop::new();
        let packed =
            workshop.pack_with(&program(&workshop, machine), &["--pass-file", "key", FAST]);
        let mut bytes = fs::read(&packed).unwrap();
        let age = bytes.windows(21).rposition(|window| window == b"age-encryption.org/v1").unwrap();
        let mac = age + memchr::memmem::find(&bytes[age..], b"\n--- ").unwrap() + 1;
        let header_end = mac + memchr::memchr(b'\n', &bytes[mac..]).unwrap() + 1;
        // Behind the nonce.
        bytes[header_end + 16] ^= 1;
        let changed = workshop.path("changed");
        install(&bytes, &changed);
        let key: OsString = workshop.path("key").into();
        let told = Done::of(start_in(machine, &changed).env("BP_FILE", key));
        assert_refused(told, 5, "the payload is damaged");
    }
}

/// An emulator that is told what to run, and not by the kernel.
#[test]
fn program_runs_in_an_emulator_of_this_machine() {
    sealcrate_tests::assert_provided();
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let mut command = start_with_key(Path::new("qemu-x86_64-static"));
    command.arg(&packed).env("PATH", "/usr/bin:/bin");
    Done::of(&mut command).with_status(9).prints("ran\n");
}
