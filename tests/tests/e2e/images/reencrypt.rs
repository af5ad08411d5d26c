//! Copies that decrypt, encrypt, and encrypt anew.

use std::collections::BTreeSet;

use sealcrate_test_kit::Layout;
use sealcrate_tests::fixtures::stored::{data_keys, digest, encrypted_layers, layers, manifest};
use sealcrate_tests::fixtures::{FAST, Machine, PASSPHRASE};
use sealcrate_tests::{Done, Registry};
use serde_json::Value;

/// A machine with the layout `image`, and a registry with it as `a:1`, its upper layer encrypted.
fn with_encrypted() -> (Machine, Registry, Layout) {
    let (machine, registry) = (Machine::new(), Registry::plain());
    let layout = machine.layout("image", &["public", "private"]);
    let name = format!("{}/a:1", registry.host());
    let push = ["push", &name, "--from=oci:image", "--encrypt-layer=1", "--pass-file=key", FAST];
    machine.succeed(&push);
    (machine, registry, layout)
}

fn key_members(manifest: &Value, member: &str) -> Vec<String> {
    let all = [&manifest["config"]].into_iter().chain(layers(manifest));
    all.filter_map(|descriptor| Some(descriptor["crypto"].get(member)?.to_string())).collect()
}

#[test]
fn copy_changes_the_passphrase_and_all_keys() {
    let (machine, registry, layout) = with_encrypted();
    let (from, to) =
        (format!("docker://{}/a:1", registry.host()), format!("docker://{}/b:1", registry.host()));
    let copy = ["copy", &from, &to, "--pass-file=key", "--new-pass-file=other-key", FAST];
    machine.succeed(&copy);
    let (old, new) = (manifest(&registry, "a", "1"), manifest(&registry, "b", "1"));
    assert_eq!(encrypted_layers(&new), [false, true], "what was private stays private");
    assert_eq!(layers(&new)[0], layers(&old)[0]);
    assert_ne!(digest(&layers(&new)[1]), digest(&layers(&old)[1]));
    assert_ne!(digest(&new["config"]), digest(&old["config"]));
    for member in ["nonce", "salt"] {
        let (old, new) = (key_members(&old, member), key_members(&new, member));
        assert_eq!((old.len(), new.len()), (2, 2), "{member}");
        assert!(old.iter().all(|value| !new.contains(value)), "{member}: {old:?} {new:?}");
    }
    let (old, new) = (data_keys(&old, PASSPHRASE), data_keys(&new, "another horse battery"));
    assert_eq!((old.len(), new.len()), (2, 2));
    assert!(old.iter().all(|key| !new.contains(key)), "data keys are used again");
    let name = format!("{}/b:1", registry.host());
    let pull = |key| ["pull", &name, "--to=oci:back", key];
    machine.fail(3, &pull("--pass-file=key")).says("wrong passphrase");
    machine.succeed(&pull("--pass-file=other-key"));
    let back = Layout::open(machine.path("back"));
    let config = |layout: &Layout| layout.json(&layout.root())["config"]["digest"].clone();
    assert_eq!(config(&back), config(&layout));
}

#[test]
fn layers_can_be_chosen_anew() {
    let (machine, registry, _) = with_encrypted();
    let (from, to) =
        (format!("docker://{}/a:1", registry.host()), format!("docker://{}/b:1", registry.host()));
    let copy = ["copy", &from, &to, "--pass-file=key", "--new-pass-file=key", FAST, "--all-layers"];
    machine.succeed(&copy);
    assert_eq!(encrypted_layers(&manifest(&registry, "b", "1")), [true, true]);
}

#[test]
fn data_keys_are_fresh_in_every_push_that_uses_nothing_again() {
    let (machine, registry, _) = with_encrypted();
    let name = format!("{}/again:1", registry.host());
    let push = ["push", &name, "--from=oci:image", "--encrypt-layer=1", "--pass-file=key", FAST];
    machine.succeed(&[&push[..], &["--no-cache"]].concat());
    let (old, new) = (manifest(&registry, "a", "1"), manifest(&registry, "again", "1"));
    let distinct = |member| {
        let all = [key_members(&old, member), key_members(&new, member)].concat();
        all.into_iter().collect::<BTreeSet<_>>().len()
    };
    assert_eq!(distinct("nonce"), 4);
    assert_eq!(distinct("salt"), 2, "one key derivation an image");
    let keys = [data_keys(&old, PASSPHRASE), data_keys(&new, PASSPHRASE)].concat();
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>().len(), 4);
    assert_ne!(digest(&layers(&old)[1]), digest(&layers(&new)[1]));
}

#[test]
fn plain_source_with_a_passphrase_is_refused() {
    let (machine, ..) = with_encrypted();
    for more in [&[][..], &["--new-pass-file=other-key", "--all-layers"]] {
        let copy = [&["copy", "oci:image", "oci:back", "--pass-file=key"], more].concat();
        machine.fail(4, &copy).says("the image is not encrypted");
        assert!(!machine.path("back").exists());
    }
    machine.succeed(&[
        "copy",
        "oci:image",
        "oci:back",
        "--pass-file=key",
        "--new-pass-file=other-key",
        "--all-layers",
        "--allow-unencrypted",
        FAST,
    ]);
    let back = Layout::open(machine.path("back"));
    assert_eq!(encrypted_layers(&back.json(&back.root())), [true, true]);
}

#[test]
fn encrypted_source_without_its_passphrase_is_not_encrypted_again() {
    let (machine, registry, _) = with_encrypted();
    let from = format!("docker://{}/a:1", registry.host());
    let copy = ["copy", &from, "oci:back", "--new-pass-file=key", "--all-layers", FAST];
    let done = machine.fail(1, &copy).says("the image is encrypted already");
    assert!(
        done.lines("hint: ")[0].contains("--pass-file for the old passphrase"),
        "{}",
        done.said()
    );
    let name = format!("{}/b", registry.host());
    let push = ["push", &name, "--from", &from, "--pass-file=key", "--all-layers", FAST];
    machine.fail(1, &push).says("the image is encrypted already");
    assert!(!machine.path("back").exists() && registry.tags("b").is_empty());
}

#[test]
fn layers_chosen_without_a_new_passphrase_are_a_mistake() {
    let machine = Machine::new();
    machine.layout("image", &["text"]);
    for choice in ["--all-layers", "--encrypt-layer=0", "--base=oci:image"] {
        let copy = ["copy", "oci:image", "oci:back", choice];
        machine.fail(2, &copy).says("no --new-pass-file");
    }
}

#[test]
fn environment_does_not_decrypt_a_copy_unless_asked() {
    let (machine, registry, _) = with_encrypted();
    let from = format!("docker://{}/a:1", registry.host());
    let copy = |more: &[&str]| {
        let arguments = [&["copy", &from, "oci:back"], more].concat();
        let mut command = machine.sealcrate(&arguments);
        let done = Done::of(command.env("SEALCRATE_PASS", PASSPHRASE));
        done.with_status(0);
        let back = Layout::open(machine.path("back"));
        let copied = encrypted_layers(&back.json(&back.root()));
        std::fs::remove_dir_all(machine.path("back")).unwrap();
        copied
    };
    assert_eq!(copy(&[]), [false, true]);
    assert_eq!(copy(&["--decrypt"]), [false, false]);
}
