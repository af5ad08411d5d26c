//! A packed program sees the same of its start as the bare program.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use sealcrate_tests::Done;
use sealcrate_tests::fixtures::key_pair;

use crate::programs::Kind;
use crate::workshop::{Workshop, install, start, start_with_key};

/// Prepares a start with arguments, variables, descriptors, limits and signals that are not usual.
///
/// `sh` and `env` leave the variables as they are.
fn start_unusually(workshop: &Workshop, program: &Path) -> Command {
    const SCRIPT: &str = "ulimit -n 321; ulimit -c 0; ulimit -s 4096
        exec 7< folder/given 9<> folder/other
        exec env --block-signal=USR2 --ignore-signal=HUP \"$@\"";
    fs::create_dir_all(workshop.path("folder")).unwrap();
    workshop.write("folder/given", "");
    workshop.write("folder/other", "");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT, "sh"]).arg(program);
    command.args(["report", "", "two words", "naïve", "-x", "BP=not a variable"]);
    command.current_dir(workshop.path(".")).env_clear().envs([
        ("PATH", "/usr/bin:/bin"),
        ("EMPTY", ""),
        ("BPX", "another name"),
        ("XBP", "and another"),
        ("BP_FILE", "/named/and/never/read"),
        ("LAST", "one"),
    ]);
    // Not to pipes, each of which has a name of its own.
    let create = |name| File::create(workshop.path(name)).unwrap();
    command.stdin(Stdio::null()).stdout(create("output")).stderr(create("errors"));
    command
}

/// Starts it, and returns its report.
fn told(workshop: &Workshop, command: &mut Command) -> String {
    Done::of(command).with_status(0);
    assert_eq!(fs::read_to_string(workshop.path("errors")).unwrap(), "");
    fs::read_to_string(workshop.path("output")).unwrap()
}

fn sees_what_the_bare_program_sees(kind: Kind) {
    let workshop = Workshop::new();
    // One path for both, since it is the first argument.
    let program = workshop.path("program");
    install(&fs::read(kind.path()).unwrap(), &program);
    let bare = told(&workshop, &mut start_unusually(&workshop, &program));
    fs::rename(workshop.pack(kind.path()), &program).unwrap();
    let mut command = start_unusually(&workshop, &program);
    let packed = told(&workshop, command.env("BP", &key_pair().identity));

    assert_eq!(packed, bare, "{kind:?}");
    // The report has all lines.
    for line in [
        format!("argument 0: {}", program.display()),
        "argument 3: two words".into(),
        "argument 4: naïve".into(),
        "variable: BP_FILE=/named/and/never/read".into(),
        "descriptor 7: ".to_owned() + workshop.path("folder/given").to_str().unwrap(),
        format!("folder: {}", workshop.path("").to_str().unwrap().trim_end_matches('/')),
        "SigBlk:\t0000000000000800".into(),
        "Max core file size        0                    0                    bytes     ".into(),
    ] {
        assert!(bare.lines().any(|told| told == line), "no {line:?} in {bare}");
    }
    assert!(!packed.contains("variable: BP="));
}

#[test]
fn program_in_c_sees_the_same() {
    sees_what_the_bare_program_sees(Kind::CStatic);
}

#[test]
fn dynamic_program_in_c_sees_the_same() {
    sees_what_the_bare_program_sees(Kind::CPie);
}

#[test]
fn program_with_musl_sees_the_same() {
    sees_what_the_bare_program_sees(Kind::MuslStatic);
}

#[test]
fn program_in_go_sees_the_same() {
    sees_what_the_bare_program_sees(Kind::Go);
}

#[test]
fn program_in_rust_sees_the_same() {
    sees_what_the_bare_program_sees(Kind::Rust);
}

#[test]
fn static_program_in_rust_sees_the_same() {
    sees_what_the_bare_program_sees(Kind::RustStatic);
}

#[test]
fn name_that_the_program_is_called_by_stays() {
    let workshop = Workshop::new();
    let packed = workshop.pack(Kind::MuslStatic.path());
    for name in ["", "called by another name"] {
        let mut command = Command::new(&packed);
        command.arg0(name).arg("report").env_clear().env("BP", &key_pair().identity);
        let done = Done::of(&mut command).with_status(0);
        assert!(done.stdout.starts_with(&format!("argument 0: {name}\n")), "{}", done.said());
    }
}

#[test]
fn variable_of_another_name_is_removed_as_well() {
    let workshop = Workshop::new();
    let options = ["-r", &key_pair().recipient, "--env", "START_KEY"];
    let packed = workshop.pack_with(Kind::MuslStatic.path(), &options);
    let mut command = start(&packed);
    command.arg("report").env("START_KEY", &key_pair().identity).env("BP", "stays");
    let done = Done::of(&mut command).with_status(0);
    let variables: Vec<_> =
        done.stdout.lines().filter(|line| line.starts_with("variable: ")).collect();
    assert_eq!(variables, ["variable: BP=stays"]);
}

#[test]
fn key_is_nowhere_in_the_variables_that_the_system_shows() {
    let workshop = Workshop::new();
    let packed = workshop.pack(Kind::MuslStatic.path());
    let mut child = start_with_key(&packed)
        .env("OTHER", "seen")
        .arg("serve")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let shown = fs::read(format!("/proc/{}/environ", child.id())).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
    assert_eq!(String::from_utf8_lossy(&shown), "OTHER=seen\0");
}

fn keeps_its_number_and_hears_signals(kind: Kind) {
    let workshop = Workshop::new();
    let packed = workshop.pack(kind.path());
    let mut child = start_with_key(&packed).arg("serve").stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(output.next(), Some(format!("serving as {}", child.id())));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(output.next().as_deref(), Some("asked to end"));
    assert_eq!(child.wait().unwrap().code(), Some(42));
}

#[test]
fn program_in_c_keeps_its_number_and_hears_signals() {
    keeps_its_number_and_hears_signals(Kind::CPie);
}

#[test]
fn program_in_go_keeps_its_number_and_hears_signals() {
    keeps_its_number_and_hears_signals(Kind::Go);
}

#[test]
fn death_by_a_signal_is_seen_from_outside() {
    let workshop = Workshop::new();
    let packed = workshop.pack(Kind::CStatic.path());
    let mut command = Command::new(packed);
    command.arg("abort").env("BP", &key_pair().identity).stderr(Stdio::null());
    assert_eq!(command.status().unwrap().signal(), Some(Signal::ABORT.as_raw()));
}
