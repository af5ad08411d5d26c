//! Key providers that encrypt and open images: other programs, which the environment names.

use std::os::unix::fs::PermissionsExt as _;
use std::{fs, process};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_test_kit::Layout;
use sealcrate_tests::fixtures::Machine;
use sealcrate_tests::{Done, files_containing};
use serde_json::{Value, json};

use crate::keys::age_recipients::keygen;
use crate::keys::keyprovider::ITEM;

/// Writes the file that lists the providers, `providers.json`.
pub(crate) fn configure(machine: &Machine, providers: &Value) {
    machine.write("providers.json", json!({ "key-providers": providers }).to_string());
}

/// The binary under test as a provider.
pub(crate) fn own(machine: &Machine, arguments: &[&str]) -> Value {
    let binary = machine.sandbox.sealcrate().get_program().to_owned();
    let arguments = [&["keyprovider"], arguments].concat();
    json!({ "cmd": { "path": binary.to_str().unwrap(), "args": arguments } })
}

/// Prepares a run with the providers of `providers.json`.
pub(crate) fn with_providers(machine: &Machine, arguments: &[&str]) -> process::Command {
    let mut command = machine.sealcrate(arguments);
    command.env("OCICRYPT_KEYPROVIDER_CONFIG", machine.path("providers.json"));
    command
}

#[track_caller]
fn run(machine: &Machine, arguments: &[&str]) -> Done {
    let done = Done::of(&mut with_providers(machine, arguments));
    machine.sandbox.assert_nothing_is_left();
    done
}

/// A provider that is a script.
fn script(machine: &Machine, text: &str) -> Value {
    machine.write("provider.sh", format!("#!/bin/sh\n{text}\n"));
    let path = machine.path("provider.sh");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    json!({ "cmd": { "path": path, "args": null } })
}

/// The script of a provider that "wraps" by returning its input.
const ECHOES: &str =
    r#"sed -n 's/.*"optsdata":"\([^"]*\)".*/{"keywrapresults":{"annotation":"\1"}}/p'"#;

fn annotations(machine: &Machine, layout: &str) -> Value {
    let layout = Layout::open(machine.path(layout));
    layout.json(&layout.root())["layers"][0]["annotations"].clone()
}

#[test]
fn images_are_encrypted_and_opened_through_providers_of_any_name() {
    let machine = Machine::new();
    let recipient = keygen(&machine, "identity");
    machine.layout("image", &["private"]);
    let own = |arguments: &[&str]| own(&machine, arguments);
    configure(
        &machine,
        &json!({ "sealcrate": own(&["-i=identity"]), "other": own(&["-i=identity", "-r", &recipient]) }),
    );
    let parameter = format!("provider:sealcrate:{recipient}");
    let copy = ["copy", "--all-layers", "oci:image:latest"];
    run(&machine, &[&copy[..], &["oci:one:1", "-r", &parameter]].concat()).with_status(0);
    run(&machine, &[&copy[..], &["oci:two:1", "-r=provider:other"]].concat()).with_status(0);
    // Our provider wraps the key as an item of ours, which its identity opens by itself.
    assert!(annotations(&machine, "one")[ITEM].is_string());
    machine.succeed(&["copy", "-i=identity", "--require-binding", "oci:one:1", "oci:one-back:1"]);
    let of_other = annotations(&machine, "two");
    assert!(of_other["org.opencontainers.image.enc.keys.provider.other"].is_string(), "{of_other}");
    machine.fail(3, &["copy", "-i=identity", "oci:two:1", "oci:no:1"]).says("provider.other");
    for (from, key) in [("oci:one:1", "provider:sealcrate"), ("oci:two:1", "provider:other")] {
        let to = format!("{from}-back");
        run(&machine, &["copy", "-i", key, "--require-binding", from, &to]).with_status(0);
    }
    run(&machine, &["copy", "-i=provider:sealcrate", "oci:two:1", "oci:no:1"]).failed(3);
    let inspected = run(&machine, &["inspect", "-i=provider:other", "oci:two:1"]).with_status(0);
    assert!(inspected.stdout.contains("provider.other"), "{}", inspected.said());
}

#[test]
fn failure_of_a_provider_is_told_in_its_own_words_made_harmless() {
    let machine = Machine::new();
    machine.layout("image", &["private"]);
    let encrypt = ["copy", "--all-layers", "oci:image:latest", "oci:sealed:1", "-r=provider:other"];
    let fails = script(&machine, "printf 'the vault is \\033[31mclosed\\n' >&2; exit 7");
    configure(&machine, &json!({ "other": fails }));
    let done = run(&machine, &encrypt).failed(1).says("the key provider other fails: the vault is");
    assert!(!done.stderr.contains('\u{1b}'), "{}", done.said());
    assert!(!machine.path("sealed").exists());

    // A provider that returns its input instead of a wrapped key, and cannot open it.
    configure(&machine, &json!({ "other": script(&machine, ECHOES) }));
    run(&machine, &encrypt).with_status(0);
    let decrypt = ["copy", "-i=provider:other", "oci:sealed:1", "oci:back:1"];
    for (text, status, says) in [
        ("echo 'no such key' >&2; exit 1", 3, "the key provider other fails: no such key"),
        ("exit 1", 3, "it ends with exit status: 1"),
        ("echo '{}'", 1, "its answer cannot be read"),
        ("yes", 3, "it ends with "),
    ] {
        configure(&machine, &json!({ "other": script(&machine, text) }));
        run(&machine, &decrypt).failed(status).says(says);
        assert!(!machine.path("back").exists());
    }
    configure(&machine, &json!({ "other": { "cmd": { "path": "/missing/program" } } }));
    run(&machine, &decrypt).failed(1).says("cannot reach /missing/program");
    configure(&machine, &json!({ "other": { "grpc": "unix:///missing/socket" } }));
    run(&machine, &decrypt).failed(1).says("cannot reach unix:///missing/socket");
}

#[test]
fn providers_that_nothing_names_are_a_mistake() {
    let machine = Machine::new();
    machine.layout("image", &["private"]);
    let copy = ["copy", "--all-layers", "oci:image:latest", "oci:sealed:1"];
    let encrypt = |recipient| [&copy[..], &["-r", recipient]].concat();
    machine.fail(2, &encrypt("provider:other")).says("OCICRYPT_KEYPROVIDER_CONFIG names no file");
    configure(&machine, &json!({ "far": { "grpc": "192.0.2.1:1" } }));
    run(&machine, &encrypt("provider:other")).failed(2).says("has no key provider other");
    run(&machine, &encrypt("provider:a b")).failed(2).says("the name of a key provider is");
    run(&machine, &encrypt("provider:far")).failed(1).says("would go to \"192.0.2.1:1\" in clear");
    machine.write("providers.json", "[]");
    run(&machine, &encrypt("provider:other")).failed(1).says("providers.json, which OCICRYPT");
}

#[test]
fn providers_do_not_see_the_passphrase_in_the_environment() {
    let machine = Machine::new();
    machine.layout("image", &["private"]);
    let spies = script(&machine, "env > \"$TMPDIR/../work/seen\"; exit 1");
    configure(&machine, &json!({ "other": spies }));
    let encrypt = ["copy", "--all-layers", "oci:image:latest", "oci:sealed:1", "-r=provider:other"];
    let mut command = with_providers(&machine, &encrypt);
    Done::of(command.env("SEALCRATE_PASS", "an unheard-of secret")).failed(1);
    let seen = fs::read_to_string(machine.path("seen")).unwrap();
    assert!(seen.contains("HOME=") && !seen.contains("an unheard-of secret"), "{seen}");
}

#[test]
fn parameter_goes_to_the_provider_alone_and_one_that_looks_like_a_secret_is_warned_about() {
    const WARNING: &str =
        "warning: other users of this machine can read what is behind provider:NAME:";
    let machine = Machine::new();
    machine.layout("image", &["private"]);
    let text = format!(
        "cd \"$TMPDIR/../work\"; tr '\\0' '\\n' < /proc/$$/cmdline > arguments; env > environment; tee request | {ECHOES}"
    );
    configure(&machine, &json!({ "other": script(&machine, &text) }));
    let (secret, encrypt) =
        (sealcrate_tests::fixtures::secret(), ["copy", "--all-layers", "oci:image:latest"]);
    let parameter = format!("vault,token={secret}");
    let recipient = format!("provider:other:{parameter}");
    let done = run(&machine, &[&encrypt[..], &["oci:sealed:1", "-r", &recipient]].concat());
    let done = done.with_status(0).does_not_say(&secret);
    assert_eq!(done.lines(WARNING).len(), 1, "{}", done.said());
    let read = |name: &str| fs::read_to_string(machine.path(name)).unwrap();
    let encoded = STANDARD.encode(&parameter);
    assert!(read("request").contains(&format!(r#""Parameters":{{"other":["{encoded}"]}}"#)));
    for place in ["arguments", "environment"] {
        assert!(!read(place).contains(&secret), "{place}");
    }
    assert!(read("arguments").contains("provider.sh"));
    for needle in [secret.as_bytes(), encoded.as_bytes()] {
        let found = files_containing(&machine.path("sealed"), needle);
        assert!(found.is_empty(), "{found:?}");
    }

    let open = format!("provider:other:{parameter}");
    let done = run(&machine, &["copy", "oci:sealed:1", "oci:back:1", "-i", &open]).failed(1);
    assert_eq!(done.does_not_say(&secret).lines(WARNING).len(), 1);
    let names_a_key = "provider:other:keyid=kbs:///default/key/1";
    let to = ["oci:again:1", "-r", names_a_key];
    run(&machine, &[&encrypt[..], &to].concat()).with_status(0).does_not_say("warning: other");
}
