//! How an image is protected: not at all, in either shape, and at what cost.

use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::stored::{encrypted_layers, layers, manifest};
use sealcrate_tests::fixtures::{FAST, Machine, PASSPHRASE, secret};

#[test]
fn type_none_ignores_a_passphrase() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    machine.layout("image", &["text"]);
    let name = format!("{}/team/app", registry.host());
    let push = ["push", &name, "--from=oci:image", "--type=NONE", "--pass-file=key"];
    machine.succeed(&push);
    let pushed = manifest(&registry, "team/app", "latest");
    assert_eq!(encrypted_layers(&pushed), [false]);
    assert_eq!(pushed["config"].get("crypto"), None);
}

#[test]
fn type_none_contradicts_a_choice_of_layers() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    machine.layout("image", &["text"]);
    let name = format!("{}/team/app", registry.host());
    for choice in ["--all-layers", "--encrypt-layer=0", "--base=oci:image"] {
        let push = ["push", &name, "--from=oci:image", "--type=NONE", choice];
        machine.fail(2, &push).says("--type NONE encrypts none");
    }
    assert!(registry.blobs().is_empty());
}

#[test]
fn compatible_shape_keeps_key_data_in_urls_and_reads_back() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    let layout = machine.layout("image", &["public", "private"]);
    let name = format!("{}/team/app", registry.host());
    let push = ["push", &name, "--from=oci:image", "--pass-file=key", FAST, "--compat"];
    machine.succeed(&[&push[..], &["--encrypt-layer=1"]].concat());
    let pushed = manifest(&registry, "team/app", "latest");
    assert_eq!(encrypted_layers(&pushed), [false, false]);
    for descriptor in [&pushed["config"], &layers(&pushed)[1]] {
        let url = descriptor["urls"][0].as_str().unwrap();
        let beginning = "https://crypto.senetas.com/?algos=PBKDF2-AES256-GCM&iters=100000&key=";
        assert!(url.starts_with(beginning), "{url}");
        assert_eq!(descriptor["urls"].as_array().unwrap().len(), 1);
    }
    assert_eq!(layers(&pushed)[0].get("urls"), None);

    machine.succeed(&["pull", &name, "--pass-file=key", "--to=oci:back"]);
    let back = sealcrate_test_kit::Layout::open(machine.path("back"));
    let config =
        |layout: &sealcrate_test_kit::Layout| layout.json(&layout.root())["config"].clone();
    assert_eq!(config(&back)["digest"], config(&layout)["digest"]);
}

#[test]
fn too_few_rounds_are_refused_and_nothing_is_pushed() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    machine.layout("image", &["text"]);
    let name = format!("{}/team/app", registry.host());
    for rounds in ["--iterations=99999", "--iterations=10000001"] {
        let push = ["push", &name, "--from=oci:image", "--pass-file=key", "--all-layers", rounds];
        machine.fail(2, &push).says("is not in 100000..=10000000");
        machine.fail(2, &[&push[..], &["--dry-run"]].concat()).says("100000..=10000000");
    }
    assert!(registry.blobs().is_empty() && registry.tags("team/app").is_empty());
}

#[test]
fn wrong_number_of_rounds_is_no_number_at_all() {
    let machine = Machine::new();
    machine.fail_usage(&["push", "127.0.0.1:1/x", "--iterations=-1"]);
    machine.fail_usage(&["push", "127.0.0.1:1/x", "--iterations=many"]);
}

#[test]
fn nothing_secret_is_stored_in_clear() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    let (private, public) = (secret(), secret());
    let layout = sealcrate_test_kit::Layout::create(machine.path("image"));
    let token = secret();
    let config = serde_json::json!({ "config": { "Env": [format!("TOKEN={token}")] } });
    let image =
        layout.add_image(sealcrate_tests::fixtures::platform(), &[&public, &private], config);
    layout.name(&image);
    let name = format!("{}/team/app", registry.host());
    let push = ["push", &name, "--from=oci:image", "--pass-file=key", FAST];
    machine.succeed(&[&push[..], &["--encrypt-layer=1"]].concat());
    // Layers are compressed, so the test looks for forbidden bytes in their compressed form.
    let original = layout.json(&image);
    let layer_digest = |place: usize| layers(&original)[place]["digest"].as_str().unwrap();
    assert!(registry.blob(layer_digest(0)).is_some(), "the public layer goes up as it is");
    assert_eq!(registry.blob(layer_digest(1)), None);
    for needle in [token.as_bytes(), PASSPHRASE.as_bytes(), &layout.blob(layer_digest(1))] {
        let found = sealcrate_tests::files_containing(&registry.storage_dir(), needle);
        assert!(found.is_empty(), "{found:?}");
    }
}
