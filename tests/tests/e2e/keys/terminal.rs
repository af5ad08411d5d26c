//! Passphrases that a user types: twice where they encrypt, never echoed.

use sealcrate_tests::fixtures::{FAST, Machine};
use sealcrate_tests::{Registry, Typist};

fn start(machine: &Machine, arguments: &[&str]) -> Typist {
    let mut direct = machine.sandbox.sealcrate();
    direct.args(arguments);
    Typist::start(&machine.sandbox, &direct)
}
fn pushing(machine: &Machine, registry: &Registry) -> Typist {
    machine.layout("image", &["private"]);
    let name = format!("{}/team/app", registry.host());
    start(machine, &["push", &name, "--from=oci:image", "--all-layers", FAST])
}

#[test]
fn passphrase_is_typed_twice_to_encrypt_and_once_to_decrypt() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    let mut typist = pushing(&machine, &registry);
    typist.type_at("Passphrase: ", "never seen");
    typist.type_at("The same again: ", "never seen");
    let (done, seen) = typist.end();
    done.with_status(0);
    assert!(!seen.contains("never"), "{seen:?}");

    let name = format!("{}/team/app", registry.host());
    let mut typist = start(&machine, &["pull", &name, "--to=oci:back"]);
    typist.type_at("Passphrase: ", "never seen");
    let (done, seen) = typist.end();
    done.with_status(0);
    assert!(!seen.contains("again") && !seen.contains("never"), "{seen:?}");
    machine.write("typed", "never seen");
    machine.succeed(&["pull", &name, "--to=oci:back", "--pass-file=typed"]);
}

#[test]
fn passphrases_that_differ_encrypt_nothing() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    let mut typist = pushing(&machine, &registry);
    typist.type_at("Passphrase: ", "never seen");
    typist.type_at("The same again: ", "never sean");
    let (done, seen) = typist.end();
    done.failed(1).says("the two passphrases are not the same");
    assert!(!seen.contains("never"), "{seen:?}");
    assert!(registry.blobs().is_empty());
}

#[test]
fn nothing_typed_is_no_passphrase() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    let mut typist = pushing(&machine, &registry);
    typist.type_at("Passphrase: ", "");
    let (done, _) = typist.end();
    done.failed(3).says("the passphrase is empty");
    assert!(registry.blobs().is_empty());
}

#[test]
fn plain_image_is_refused_without_asking() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    machine.layout("image", &["public"]);
    let name = format!("{}/team/app", registry.host());
    machine.succeed(&["push", &name, "--from=oci:image", "--type=NONE"]);
    let (done, seen) = start(&machine, &["pull", &name, "--to=oci:back"]).end();
    done.failed(4).says("--allow-unencrypted");
    assert!(!seen.contains("Passphrase"), "{seen}");
    assert!(!machine.path("back").exists());
}
