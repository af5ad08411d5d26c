//! Changes to the payload: none of them lets a part of the program run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sealcrate_tests::fixtures::key_pair;
use sealcrate_tests::{Done, record};

use crate::programs::{Kind, smallest};
use crate::workshop::{FAST, PASSPHRASE, Workshop, assert_refused, install, start, start_with_key};

const MAGIC: &[u8] = b"sealpack";

/// Where the parts of a payload are in a packed file.
struct Parts {
    payload: usize,
    age: usize,
    age_header_end: usize,
    end: usize,
}

impl Parts {
    fn of(packed: &[u8]) -> Self {
        let number = |at: usize, size: usize| {
            let mut bytes = [0; 8];
            bytes[..size].copy_from_slice(&packed[at..at + size]);
            usize::try_from(u64::from_le_bytes(bytes)).unwrap()
        };
        // The stub has the magic in its code as well; the payload begins with the last one that is
        // at the beginning of a page.
        let pages = (0..packed.len()).step_by(0x1000).rev();
        let payload = pages.into_iter().find(|at| packed[*at..].starts_with(MAGIC)).unwrap();
        let age = payload + 24 + number(payload + 12, 4);
        let end = age + number(payload + 16, 8);
        assert!(packed[age..].starts_with(b"age-encryption.org/v1\n"));
        let mac = memchr::memmem::find(&packed[age..], b"\n--- ").unwrap();
        let line = memchr::memchr(b'\n', &packed[age + mac + 1..]).unwrap();
        Self { payload, age, age_header_end: age + mac + line + 2, end }
    }
}

/// Starts changed copies of a packed program, on all cores.
fn starts(
    folder: &Path,
    packed: &[u8],
    changes: impl IntoIterator<Item = (usize, u8)>,
    key: &str,
    check: impl Fn(usize, &Output) + Sync,
) -> usize {
    let count = AtomicUsize::new(0);
    let changes: Vec<_> = changes.into_iter().collect();
    let changes = Mutex::new(changes.into_iter());
    thread::scope(|scope| {
        for worker in 0..thread::available_parallelism().unwrap().get() {
            let (count, changes, check) = (&count, &changes, &check);
            scope.spawn(move || {
                let path = folder.join(format!("changed-{worker}"));
                loop {
                    let Some((at, bits)) = changes.lock().unwrap().next() else { break };
                    let mut changed = packed.to_vec();
                    changed[at] ^= bits;
                    write_program(&path, &changed);
                    check(at, &output_of(start(&path).env("BP", key)));
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner()
}

fn write_program(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Starts a program that this process has just written: as long as a child that another test starts
/// at this moment holds it open too, the system does not ("text file busy").
fn output_of(command: &mut Command) -> Output {
    loop {
        let output = command.output().unwrap();
        if output.status.code() != Some(126) {
            record(command, &[&output.stdout, &output.stderr]);
            return output;
        }
        thread::yield_now();
    }
}

#[track_caller]
fn assert_nothing_ran(at: usize, output: &Output, statuses: &[i32]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said = format!("byte {at}: {:?}: {stderr}", output.status);
    assert!(output.stdout.is_empty(), "{said}");
    assert!(output.status.code().is_some_and(|code| statuses.contains(&code)), "{said}");
    assert!(stderr.starts_with("sealcrate: ") && stderr.lines().count() == 1, "{said}");
}

fn packed(program: &Path, options: &[&str]) -> (Workshop, PathBuf, Vec<u8>) {
    let workshop = Workshop::new();
    let path = workshop.pack_with(program, options);
    let bytes = fs::read(&path).unwrap();
    (workshop, path, bytes)
}

#[test]
fn no_byte_of_the_encrypted_program_can_be_changed() {
    let (workshop, path, bytes) = packed(smallest(), &["-r", &key_pair().recipient]);
    Done::of(&mut start_with_key(&path)).with_status(9).prints("ran\n");
    let parts = Parts::of(&bytes);
    let changes = (parts.age_header_end..parts.end).flat_map(|at| [(at, 1), (at, 0x80)]);
    let key = &key_pair().identity;
    let count = starts(&workshop.path(""), &bytes, changes, key, |at, output| {
        assert_nothing_ran(at, output, &[5]);
    });
    assert!(count > 2 * smallest().metadata().unwrap().len() as usize / 2, "{count}");
}

#[test]
fn no_byte_of_the_wrapped_key_can_be_changed() {
    let (workshop, _, bytes) = packed(smallest(), &["-r", &key_pair().recipient]);
    let parts = Parts::of(&bytes);
    let changes = (parts.age..parts.age_header_end).flat_map(|at| [(at, 1), (at, 0x20)]);
    let key = &key_pair().identity;
    starts(&workshop.path(""), &bytes, changes, key, |at, output| {
        assert_nothing_ran(at, output, &[3, 5]);
    });
}

#[test]
fn no_byte_of_the_key_under_a_passphrase_can_be_changed() {
    let (workshop, _, bytes) = packed(smallest(), &["--pass-file", "key", FAST]);
    let parts = Parts::of(&bytes);
    let changes = (parts.age..parts.age_header_end).map(|at| (at, 1));
    starts(&workshop.path(""), &bytes, changes, PASSPHRASE, |at, output| {
        assert_nothing_ran(at, output, &[3, 5]);
    });
}

#[test]
fn no_byte_of_the_payloads_frame_can_be_changed() {
    let (workshop, _, bytes) = packed(smallest(), &["-r", &key_pair().recipient]);
    let parts = Parts::of(&bytes);
    let frame = parts.payload..parts.payload + 24;
    let changes = frame.flat_map(|at| (0..8).map(move |bit| (at, 1 << bit)));
    let key = &key_pair().identity;
    let count = starts(&workshop.path(""), &bytes, changes, key, |at, output| {
        assert_nothing_ran(at, output, &[5]);
    });
    assert_eq!(count, 24 * 8);
}

/// Parameters are not authenticated: a change may make the stub look elsewhere for the key, but not
/// make it fall over.
#[test]
fn changed_parameters_run_the_program_or_are_refused() {
    let workshop = Workshop::new();
    let banner = workshop.write("banner", "who asks?\n");
    let options = ["-r", &key_pair().recipient, "--banner", banner.to_str().unwrap()];
    let path = workshop.pack_with(smallest(), &options);
    let bytes = fs::read(path).unwrap();
    let parts = Parts::of(&bytes);
    let parameters = parts.payload + 24..parts.age;
    assert!(memchr::memmem::find(&bytes[parameters.clone()], b"who asks?").is_some());
    let changes = parameters.flat_map(|at| [(at, 1), (at, 0x80), (at, 0xff)]);
    let key = &key_pair().identity;
    starts(&workshop.path(""), &bytes, changes, key, |at, output| {
        let said = format!("byte {at}: {output:?}");
        assert_eq!(output.status.signal(), None, "{said}");
        if output.stdout != b"ran\n" {
            assert_nothing_ran(at, output, &[1, 3, 5]);
        }
    });
}

#[test]
fn damage_anywhere_in_a_large_program_is_found_before_it_runs() {
    for compression in ["none", "lz4", "zstd"] {
        let recipient = &key_pair().recipient;
        let (workshop, _, bytes) =
            packed(Kind::Go.path(), &["-r", recipient, "--compress", compression]);
        let parts = Parts::of(&bytes);
        // Each chunk of the age file, its tag, and the last bytes of all.
        let chunks = (parts.age_header_end..parts.end).step_by(64 * 1024);
        let places = chunks.flat_map(|at| [at, at + 15, at + 16]).chain(parts.end - 20..parts.end);
        let changes = places.filter(|at| *at < parts.end).map(|at| (at, 0x10));
        let key = &key_pair().identity;
        starts(&workshop.path(""), &bytes, changes, key, |at, output| {
            assert_nothing_ran(at, output, &[5]);
        });
    }
}

#[test]
fn truncated_payload_runs_nothing() {
    let (workshop, _, bytes) = packed(Kind::MuslStatic.path(), &["-r", &key_pair().recipient]);
    let parts = Parts::of(&bytes);
    let path = workshop.path("changed");
    // As the format itself can be cut: the length says so, and the file has it.
    for shorter in [1, 15, 16, 17, 1000, parts.end - parts.age] {
        let mut changed = bytes.clone();
        let length = (parts.end - parts.age - shorter) as u64;
        changed[parts.payload + 16..parts.payload + 24].copy_from_slice(&length.to_le_bytes());
        write_program(&path, &changed);
        assert_nothing_ran(shorter, &output_of(&mut start_with_key(&path)), &[5]);
    }
}

#[test]
fn chunks_in_another_order_run_nothing() {
    let recipient = &key_pair().recipient;
    let (workshop, _, bytes) = packed(Kind::Go.path(), &["-r", recipient, "--compress", "none"]);
    let parts = Parts::of(&bytes);
    let first = parts.age_header_end + 16;
    let chunk = 64 * 1024 + 16;
    let mut changed = bytes;
    changed.copy_within(first..first + chunk, first + chunk);
    let path = workshop.path("changed");
    install(&changed, &path);
    assert_refused(Done::of(&mut start_with_key(&path)), 5, "damaged");
}

#[test]
fn unpack_finds_the_damage_as_well() {
    let (workshop, _, mut bytes) = packed(Kind::MuslStatic.path(), &["-r", &key_pair().recipient]);
    let end = Parts::of(&bytes).end;
    bytes[end - 1] ^= 1;
    workshop.write("changed", &bytes);
    let arguments = ["unpack", "changed", "-i", "identity", "-o", "unpacked"];
    Done::of(&mut workshop.sealcrate(&arguments)).failed(5);
    assert!(!workshop.path("unpacked").exists());
    workshop.sandbox.assert_nothing_is_left();
}
