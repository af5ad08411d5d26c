//! A packed program runs as the program itself would run.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};

use rustix::fs::{SealFlags, fcntl_get_seals};
use sealcrate_pack::{Compression, Openers, Packer, Parameters, Program};

use crate::packed::{Done, PASSPHRASE, Packed, make_program};

const SHELL: &str = "/bin/sh";

#[test]
fn arguments_come_through_and_the_first_one_too() {
    let packed = Packed::under_passphrase(SHELL);
    let script = r#"printf '%s|' "$0" "$@""#;
    let done = packed.run(PASSPHRASE, &["-c", script, "zero", "one two", "", "-x"]);
    assert_eq!(done.output(), "zero|one two||-x|");

    // The kernel's list of arguments has the name under which the program was called.
    let mut command = Command::new(packed.path());
    command.arg0("called").args(["-c", "tr '\\0' '|' < /proc/$$/cmdline"]);
    let done = Done::of(command.env("BP", PASSPHRASE));
    assert!(done.output().starts_with("called|-c|"), "{done:?}");
}

#[test]
fn environment_comes_through_without_the_key() {
    let packed = Packed::under_passphrase("/usr/bin/env");
    let file = packed.write("key", PASSPHRASE);
    let mut command = packed.command([""; 0]);
    command.envs([("BP", PASSPHRASE), ("BPX", "1"), ("B", "2"), ("EMPTY", "")]);
    command.env("BP_FILE", &file);
    let done = Done::of(&mut command);
    let mut lines: Vec<&str> = done.output().lines().collect();
    lines.sort_unstable();
    let file = format!("BP_FILE={}", file.display());
    assert_eq!(lines, ["B=2", "BPX=1", &file, "EMPTY=", "PATH=/usr/bin:/bin"]);
}

#[test]
fn status_is_the_programs() {
    let packed = Packed::under_passphrase(SHELL);
    for status in [0, 1, 3, 5, 77] {
        let done = packed.run(PASSPHRASE, &["-c", &format!("exit {status}")]);
        assert_eq!(done.status(), Some(status));
    }
}

#[test]
fn process_files_folder_and_limits_stay() {
    let packed = Packed::under_passphrase(SHELL);
    let script = "echo $$; cat; pwd; ulimit -c; ulimit -n; ls /proc/$$/fd";
    let run = |program: &mut Command| {
        let mut child = program
            .args(["-c", script])
            .current_dir("/usr/lib")
            .env("BP", PASSPHRASE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"typed\n").unwrap();
        let id = child.id();
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let rest = output.strip_prefix(&format!("{id}\n")).expect("the same process");
        rest.to_owned()
    };
    let bare = run(&mut Command::new(SHELL));
    assert!(bare.starts_with("typed\n/usr/lib\n"), "{bare}");
    assert_eq!(run(&mut Command::new(packed.path())), bare);
}

#[test]
fn signals_reach_the_program() {
    let packed = Packed::under_passphrase(SHELL);
    for (script, status) in [
        ("trap 'exit 9' TERM; echo; while :; do :; done", Some(9)),
        ("echo; while :; do :; done", None),
    ] {
        let mut child = Command::new(packed.path())
            .args(["-c", script])
            .env("BP", PASSPHRASE)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let sent = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(sent.success());
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), status);
        assert_eq!(ended.signal().is_none(), status.is_some());
    }
}

#[test]
fn program_in_memory_has_its_name_and_is_sealed() {
    let packed = Packed::under_passphrase(SHELL);
    let mut child = Command::new(packed.path())
        .args(["-c", "echo; read line"])
        .env("BP", PASSPHRASE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let program = format!("/proc/{}/exe", child.id());
    let name = fs::read_link(&program).unwrap();
    let seals = fcntl_get_seals(fs::File::open(program).unwrap()).unwrap();
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(name.to_str().unwrap().starts_with("/memfd:packed"), "{name:?}");
    let all = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    assert!(seals.contains(all), "{seals:?}");
}

#[test]
fn program_whose_loader_is_missing_is_told() {
    let mut program = fs::read(SHELL).unwrap();
    let at = program.windows(4).position(|window| window == b"/ld-").unwrap();
    program[at + 1] = b'x';
    let packed = Packed::of(&program, &crate::packed::passphrase());
    let done = packed.run(PASSPHRASE, &[]);
    assert_eq!(done.failed(1), "cannot execute the program: the loader that it names is not here");
}

#[test]
fn every_compression_of_the_packer_is_run() {
    let folder = tempfile::tempdir().unwrap();
    // Many blocks and chunks: a program of some MiB.
    let mut bytes = fs::read(SHELL).unwrap();
    bytes.extend((0..3_u32 << 20).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 20) as u8));
    let openers = Openers::passphrase(PASSPHRASE.as_bytes(), 14).unwrap();
    let original = folder.path().join("original");
    fs::write(&original, &bytes).unwrap();
    for compression in [Compression::Lz4, Compression::None, Compression::Zstd] {
        let program = Program::read(&fs::File::open(&original).unwrap()).unwrap();
        let mut input = fs::File::open(&original).unwrap();
        let parameters = Parameters::new(4, "BP", b"/nowhere/bp", b"").unwrap();
        let path = folder.path().join(format!("{compression:?}"));
        let written = folder.path().join(format!("{compression:?}-written"));
        let output =
            fs::OpenOptions::new().read(true).write(true).create_new(true).open(&written).unwrap();
        let packer = Packer { parameters, openers: &openers, compression };
        packer.pack(&program, &mut input, &output).unwrap();
        drop(output);
        make_program(&written, &path);

        let mut command = Command::new(&path);
        command.args(["-c", "sha256sum < /proc/$$/exe"]).env("BP", PASSPHRASE);
        let run = Done::of(&mut command);
        let bare = fs::File::open(&original).unwrap();
        let expected = Done::of(Command::new("sha256sum").stdin(bare));
        assert_eq!(run.output(), expected.output(), "{compression:?}");
    }
}
