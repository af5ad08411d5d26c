//! The payload is an age file: Debian's `age` opens ours, and the stub opens what `age` wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealcrate_tests::Done;
use sealcrate_tests::fixtures::key_pair;

use crate::programs::{Kind, MARK, smallest};
use crate::workshop::{Workshop, assert_refused, install, start_with_key};

/// Runs a program of Debian's in the workshop, which must succeed.
#[track_caller]
fn call(workshop: &Workshop, program: &str, arguments: &[&str]) {
    Done::of(workshop.sandbox.command(program).args(arguments)).with_status(0);
}

#[test]
fn age_opens_what_was_packed_to_a_recipient() {
    let workshop = Workshop::new();
    let program = fs::read(Kind::Go.path()).unwrap();
    let recipient = &key_pair().recipient;
    for (compression, decompress) in [("none", None), ("lz4", Some("lz4")), ("zstd", Some("zstd"))]
    {
        let options = ["-r", recipient, "--compress", compression];
        let packed = workshop.pack_with(Kind::Go.path(), &options);
        let age_file = workshop.path(compression);
        let paths = [&packed, &age_file].map(|path| path.to_str().unwrap());
        workshop.succeed(&["unpack", "--raw", paths[0], "-o", paths[1]]);
        call(&workshop, "age", &["-d", "-i", "identity", "-o", "opened", paths[1]]);
        if let Some(decompress) = decompress {
            call(&workshop, "sh", &["-c", &format!("{decompress} -dc < opened > program")]);
        } else {
            fs::rename(workshop.path("opened"), workshop.path("program")).unwrap();
        }
        assert!(fs::read(workshop.path("program")).unwrap() == program, "{compression}");
        let refused = ["-d", "-i", "other-identity", paths[1]];
        let done = Done::of(workshop.sandbox.command("age").args(refused));
        assert_ne!(done.status, Some(0), "{}", done.said());
    }
}

/// Puts another age file in the place of the one that a packed program has.
///
/// Nothing that counts comes after the payload, except the table of sections.
fn with_age_file(packed: &Path, age_file: &Path) -> PathBuf {
    let (mut bytes, age) = (fs::read(packed).unwrap(), fs::read(age_file).unwrap());
    let number = |bytes: &[u8], at: usize, size: usize| {
        let mut number = [0; 8];
        number[..size].copy_from_slice(&bytes[at..at + size]);
        u64::from_le_bytes(number) as usize
    };
    // e_phoff, e_phentsize, e_phnum: the payload's segment is the last one.
    let last = number(&bytes, 32, 8) + number(&bytes, 54, 2) * (number(&bytes, 56, 2) - 1);
    let payload = number(&bytes, last + 8, 8);
    assert!(bytes[payload..].starts_with(b"sealpack"));
    let parameters = payload + 24;
    bytes.truncate(parameters + number(&bytes, payload + 12, 4));
    bytes.extend(&age);
    let length = (age.len() as u64).to_le_bytes();
    bytes[payload + 16..payload + 24].copy_from_slice(&length);
    // p_filesz and p_memsz; then no sections: e_shoff, e_shnum and e_shstrndx.
    let length = ((bytes.len() - payload) as u64).to_le_bytes();
    bytes[last + 32..last + 40].copy_from_slice(&length);
    bytes[last + 40..last + 48].copy_from_slice(&length);
    bytes[40..48].fill(0);
    bytes[60..64].fill(0);
    let output = packed.with_extension("by-age");
    install(&bytes, &output);
    output
}

#[test]
fn stub_opens_what_age_wrote() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let recipient = &key_pair().recipient;
    let go = Kind::Go.path().to_str().unwrap();
    call(&workshop, "lz4", &["-q", go, "lz4"]);
    call(&workshop, "lz4", &["-q", "-9", "-B5", "--no-frame-crc", go, "lz4-9"]);
    call(&workshop, "zstd", &["-q", go, "-o", "zstd"]);
    call(&workshop, "zstd", &["-q", "-19", "--no-check", go, "-o", "zstd-19"]);
    for content in [go, "lz4", "lz4-9", "zstd", "zstd-19"] {
        call(&workshop, "age", &["-e", "-r", recipient, "-o", "written", content]);
        let path = with_age_file(&packed, &workshop.path("written"));
        let done = Done::of(&mut start_with_key(&path)).with_status(0);
        assert_eq!(done.prints(&format!("{MARK}\n")).stderr, "", "{content}");
    }
}

#[test]
fn stub_opens_what_age_wrote_to_several_recipients() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let others: Vec<_> = (0..5).map(|_| generated_recipient()).collect();
    let mut arguments = vec!["-e", "-o", "written"];
    for recipient in others.iter().take(4).chain([&key_pair().recipient, &others[4]]) {
        arguments.extend(["-r", recipient]);
    }
    arguments.push(Kind::Go.path().to_str().unwrap());
    call(&workshop, "age", &arguments);
    let path = with_age_file(&packed, &workshop.path("written"));
    Done::of(&mut start_with_key(&path)).with_status(0).prints(&format!("{MARK}\n"));
}

fn generated_recipient() -> String {
    let file = Done::of(&mut Command::new("age-keygen")).with_status(0).stdout;
    file.split_whitespace().find(|word| word.starts_with("age1")).unwrap().to_owned()
}

/// The holder of a recipient can encrypt anything: it is authentic, and still no program.
#[test]
fn content_that_is_no_program_is_refused() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let recipient = &key_pair().recipient;
    let program = fs::read(Kind::MuslStatic.path()).unwrap();
    workshop.write("script", "#!/bin/sh\necho ran\n");
    workshop.write("empty", "");
    call(&workshop, "lz4", &["-q", "script", "compressed-script"]);
    call(&workshop, "lz4", &["-q", Kind::MuslStatic.path().to_str().unwrap(), "lz4"]);
    let compressed = fs::read(workshop.path("lz4")).unwrap();
    workshop.write("cut-off", &compressed[..compressed.len() - 5]);
    workshop.write("trailing", [&compressed[..], b"more"].concat());
    workshop.write("other", [&b"\x28\xb5\x2f\xfd"[..], &program].concat());
    for content in ["script", "empty", "compressed-script", "cut-off", "trailing", "other"] {
        call(&workshop, "age", &["-e", "-r", recipient, "-o", "written", content]);
        let path = with_age_file(&packed, &workshop.path("written"));
        let done = Done::of(&mut start_with_key(&path));
        assert_eq!(done.status, Some(5), "{content}: {}", done.said());
        assert_refused(done, 5, "");
    }
}
