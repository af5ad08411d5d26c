//! Outputs: results on standard output, messages on standard error, and nothing sent by a dry run.

use sealcrate_test_kit::FaultProxy;
use sealcrate_tests::fixtures::stored::manifest;
use sealcrate_tests::fixtures::{FAST, Machine, platform};
use sealcrate_tests::{Done, Registry};
use serde_json::json;

fn machine() -> Machine {
    let machine = Machine::new();
    machine.layout("image", &["public", "private"]);
    machine
}

fn push<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let push = ["push", name, "--from=oci:image", "--encrypt-layer=1", "--pass-file=key", FAST];
    [&push[..], more].concat()
}

#[test]
fn dry_run_asks_the_registry_nothing() {
    let (registry, machine) = (Registry::plain(), machine());
    let proxy = FaultProxy::start(registry.host(), Vec::new());
    let name = format!("{}/team/app:1", proxy.host());
    let done = machine.succeed(&push(&name, &["--dry-run"]));
    let lines: Vec<_> = done.stdout.lines().collect();
    assert_eq!(lines[0], format!("would push to {name}"));
    assert!(lines[1].contains("layer   0  visible "), "{lines:?}");
    assert!(lines[2].contains("layer   1  encrypted "), "{lines:?}");
    let expected = format!("visible in the config: platform {}", platform());
    assert!(lines[3].starts_with(&expected), "{lines:?}");
    let seen = machine.succeed(&push(&name, &["--dry-run", "--output=json"])).json();
    assert_eq!((&seen["reference"], &seen["configEncrypted"]), (&json!(name), &json!(true)));
    let layers: Vec<_> = (0..2).map(|place| &seen["layers"][place]["encrypted"]).collect();
    assert_eq!(layers, [false, true]);
    machine.succeed(&["push", &name, "--from=oci:image", "--dry-run", "--type=NONE"]);
    assert!(proxy.requests().is_empty(), "{:?}", proxy.requests());
}

#[test]
fn dry_run_needs_no_passphrase() {
    let machine = machine();
    let push = ["push", "127.0.0.1:1/x", "--from=oci:image", "--all-layers", "--dry-run"];
    machine.succeed(&push);
    let push = ["push", "127.0.0.1:1/x", "--from=oci:image", "--dry-run"];
    machine.fail(1, &push).says("was not built with the label");
}

#[test]
fn push_ends_with_the_reference_and_digest_that_were_written() {
    let (registry, machine) = (Registry::plain(), machine());
    let name = format!("{}/team/app:1", registry.host());
    let done = machine.succeed(&push(&name, &[]));
    let is = registry.tag_digest("team/app", "1").unwrap();
    assert_eq!(done.stdout, format!("{name}@{is}\n"));
    let by_digest = done.stdout.trim_end();
    machine.succeed(&["pull", by_digest, "--pass-file=key", "--to=oci:back"]);
}

#[test]
fn programs_are_told_what_the_registry_has() {
    let (registry, machine) = (Registry::plain(), machine());
    let name = format!("{}/team/app:1", registry.host());
    let seen = machine.succeed(&push(&name, &["--output=json"])).json();
    let is = registry.tag_digest("team/app", "1").unwrap();
    let pushed = manifest(&registry, "team/app", "1");
    assert_eq!(seen["digest"], is);
    assert_eq!(seen["reference"], format!("{name}@{is}"));
    assert_eq!(seen["mediaType"], pushed["mediaType"]);
    assert_eq!(seen["size"], registry.manifest("team/app", "1").unwrap().len());
    assert_eq!(seen["config"], pushed["config"]["digest"]);
    let pull = ["pull", &name, "--pass-file=key", "--to=oci:back", "--output=json"];
    let pulled = machine.succeed(&pull).json();
    let back = sealcrate_test_kit::Layout::open(machine.path("back"));
    assert_eq!(pulled["digest"], back.root_digest());
    let copy = ["copy", "oci:back", "oci-archive:back.tar", "--output=json"];
    assert_eq!(machine.succeed(&copy).json()["digest"], back.root_digest());
}

#[test]
fn talk_goes_to_standard_error_a_line_a_blob() {
    let (registry, machine) = (Registry::plain(), machine());
    let name = format!("{}/team/app:1", registry.host());
    let done = machine.succeed(&push(&name, &[]));
    assert_eq!(done.stdout.lines().count(), 1, "{}", done.said());
    let uploads = done.stderr.lines().filter(|line| line.contains(": uploaded ")).count();
    assert_eq!(uploads, 2, "{}", done.said());
    assert!(!done.stderr.contains('\u{1b}') && !done.stderr.contains('\r'), "{}", done.said());
    let again = machine.succeed(&push(&name, &[]));
    assert_eq!(again.stderr.matches(": already there").count(), 2, "{}", again.said());
}

#[test]
fn quiet_runs_say_nothing_but_the_result() {
    let (registry, machine) = (Registry::plain(), machine());
    let name = format!("{}/team/app:1", registry.host());
    let there = format!("docker://{name}");
    for arguments in [
        &push(&name, &["--quiet"])[..],
        &["-q", "pull", &name, "--pass-file=key", "--to=oci:back"],
        &["copy", &there, "oci:copied", "-q"],
        &["inspect", &name, "-q"],
    ] {
        let done = machine.succeed(arguments);
        assert_eq!(done.stderr, "", "{arguments:?}");
        assert!(!done.stdout.is_empty(), "{arguments:?}");
    }
    let wrong = ["-q", "pull", &name, "--pass-file=other-key", "--to=oci:none"];
    machine.fail(3, &wrong).says("wrong passphrase");
    machine.fail_usage(&["pull", &name, "-q", "-v"]);
}

#[test]
fn reader_that_goes_away_is_no_failure() {
    let machine = machine();
    for arguments in [
        &["inspect", "oci:image"][..],
        &["inspect", "oci:image", "--output=json"],
        &["completions", "bash"],
    ] {
        // The reader is gone before the binary writes anything.
        let script = "mkfifo pipe; exec 3<> pipe 4> pipe 3<&-; \"$@\" >&4";
        let done = Done::of(&mut machine.under_bash(script, arguments)).with_status(0);
        assert_eq!(done.stderr, "", "{arguments:?}");
        std::fs::remove_file(machine.path("pipe")).unwrap();
    }
}
