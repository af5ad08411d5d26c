//! Where passphrases come from, without a terminal.

use sealcrate_tests::fixtures::{FAST, Machine, PASSPHRASE};
use sealcrate_tests::{Done, Registry};

/// A machine whose layout `sealed` can be read with [`PASSPHRASE`].
fn with_sealed_layout() -> Machine {
    let machine = Machine::new();
    machine.layout("image", &["private"]);
    machine.succeed(&[
        "copy",
        "oci:image",
        "oci:sealed",
        "--new-pass-file=key",
        "--all-layers",
        FAST,
    ]);
    machine
}

/// Arguments that read `sealed`, to which a test adds those for a passphrase.
const READ: [&str; 3] = ["copy", "oci:sealed", "oci:back"];

fn read_with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&READ[..], more].concat()
}

#[test]
fn one_line_end_after_a_passphrase_in_a_file_is_left_away() {
    let machine = with_sealed_layout();
    for end in ["", "\n", "\r\n"] {
        machine.write("file", format!("{PASSPHRASE}{end}"));
        machine.succeed(&read_with(&["--pass-file=file"]));
    }
    for wrong in ["\n\n", " \n", "\r", "\n\r\n"] {
        machine.write("file", format!("{PASSPHRASE}{wrong}"));
        machine.fail(3, &read_with(&["--pass-file=file"])).says("wrong passphrase");
    }
}

#[test]
fn line_end_is_left_away_when_encrypting_too() {
    let machine = Machine::new();
    machine.layout("image", &["private"]);
    machine.write("windows", "pass\r\n");
    machine.write("bare", "pass");
    let arguments =
        ["copy", "oci:image", "oci:sealed", "--new-pass-file=windows", "--all-layers", FAST];
    machine.succeed(&arguments);
    machine.succeed(&read_with(&["--pass-file=bare"]));
}

#[test]
fn passphrase_comes_from_a_descriptor() {
    let machine = with_sealed_layout();
    let read =
        |script: &str| Done::of(&mut machine.under_bash(script, &read_with(&["--pass-fd", "3"])));
    read("\"$@\" 3< key").with_status(0);
    read(&format!("\"$@\" 3<<< '{PASSPHRASE}'")).with_status(0);
    read(&format!("printf '%s\\r\\n' '{PASSPHRASE}' | \"$@\" 3<&0")).with_status(0);
    read("\"$@\" 3< other-key").failed(3).says("wrong passphrase");
    read("\"$@\"").failed(1).says("cannot read the passphrase from file descriptor 3");
}

#[test]
fn new_passphrase_comes_from_a_descriptor() {
    let machine = Machine::new();
    machine.layout("image", &["private"]);
    let seal = ["copy", "oci:image", "oci:sealed", "--new-pass-fd=4", "--all-layers", FAST];
    Done::of(&mut machine.under_bash("\"$@\" 4< key", &seal)).with_status(0);
    machine.succeed(&read_with(&["--pass-file=key"]));
}

#[test]
fn passphrase_comes_from_standard_input() {
    let machine = with_sealed_layout();
    let mut read = machine.under_bash("\"$@\" < key", &read_with(&["--pass-file=-"]));
    Done::of(&mut read).with_status(0);
}

#[test]
fn environment_counts_when_no_source_is_named() {
    let (registry, machine) = (Registry::plain(), with_sealed_layout());
    let name = format!("{}/team/app", registry.host());
    let push = ["push", &name, "--from=oci:image", "--all-layers", FAST];
    Done::of(machine.sealcrate(&push).env("SEALCRATE_PASS", "by environment")).with_status(0);
    let pull = ["pull", &name, "--to=oci:back"];
    Done::of(machine.sealcrate(&pull).env("SEALCRATE_PASS", "by environment")).with_status(0);
    Done::of(machine.sealcrate(&pull).env("SEALCRATE_PASS", "another")).failed(3);
    let pull = ["pull", &name, "--to=oci:back", "--pass-file=key"];
    Done::of(machine.sealcrate(&pull).env("SEALCRATE_PASS", "by environment"))
        .failed(3)
        .says("wrong passphrase");
}

#[test]
fn one_line_end_in_the_environment_does_not_count() {
    let machine = with_sealed_layout();
    let inspect = ["inspect", "oci:sealed", "--output=json"];
    let with = |value: &str| Done::of(machine.sealcrate(&inspect).env("SEALCRATE_PASS", value));
    assert!(with(PASSPHRASE).with_status(0).json()["secret"].is_object());
    assert!(with(&format!("{PASSPHRASE}\n")).with_status(0).json()["secret"].is_object());
    with(&format!("{PASSPHRASE}\n\n")).failed(3);
    with(&format!(" {PASSPHRASE}")).failed(3);
}

#[test]
fn passphrase_on_the_command_line_is_warned_of_once() {
    let (registry, machine) = (Registry::plain(), with_sealed_layout());
    let name = format!("{}/team/app", registry.host());
    let push =
        ["push", &name, "--from=oci:image", "--pass", "typed-passphrase", "--all-layers", FAST];
    let read = ["pull", &name, "--to=oci:back", "--pass=typed-passphrase", "--quiet"];
    for arguments in [&push[..], &read] {
        let done = machine.succeed(arguments);
        let warnings = done.lines("warning: ");
        assert_eq!(warnings.len(), 1, "{}", done.said());
        assert!(warnings[0].contains("other users"), "{warnings:?}");
    }
}

#[test]
fn two_sources_are_a_mistake() {
    let machine = with_sealed_layout();
    for pair in [
        ["--pass-file=key", "--pass-fd=0"],
        ["--pass-file=key", "--pass=x"],
        ["--pass-fd=0", "--pass=x"],
        ["--pass-file=key", "--pass-file=key"],
        ["--new-pass-file=key", "--new-pass-fd=0"],
    ] {
        machine.fail_usage(&read_with(&pair)).says("cannot be used");
    }
}

#[test]
fn empty_passphrases_are_refused() {
    let (registry, machine) = (Registry::plain(), with_sealed_layout());
    let name = format!("{}/team/app", registry.host());
    let push = ["push", &name, "--from=oci:image", "--all-layers"];
    for content in ["", "\n", "\r\n"] {
        machine.write("empty", content);
        let done = machine.fail(3, &[&push[..], &["--pass-file=empty"]].concat());
        done.says("the passphrase is empty").says("error: empty");
    }
    machine.fail(3, &[&push[..], &["--pass="]].concat()).says("--pass: the passphrase is empty");
    Done::of(machine.sealcrate(&push).env("SEALCRATE_PASS", ""))
        .failed(3)
        .says("SEALCRATE_PASS: the passphrase is empty");
    assert!(registry.blobs().is_empty());
}

#[test]
fn missing_file_is_named() {
    let machine = with_sealed_layout();
    machine.fail(1, &read_with(&["--pass-file=nowhere"])).says("passphrase from nowhere: No such");
}

#[test]
fn without_a_terminal_a_missing_passphrase_is_a_missing_key() {
    let (registry, machine) = (Registry::plain(), with_sealed_layout());
    let name = format!("{}/team/app", registry.host());
    let push = ["push", &name, "--from=oci:image", "--all-layers"];
    let done = machine.fail(3, &push).says("a passphrase is needed, and none was given");
    assert!(done.lines("hint: ")[0].contains("--pass-file"), "{}", done.said());
    machine.fail(3, &read_with(&["--decrypt"])).says("a passphrase is needed");
    assert!(registry.blobs().is_empty());
}
