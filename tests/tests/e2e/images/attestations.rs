//! BuildKit's attestations, which tell of the build in clear.

use sealcrate_test_kit::{Layout, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::stored::{digest, layers, manifest};
use sealcrate_tests::fixtures::{FAST, Machine, platform, secret};
use serde_json::{Value, json};

const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Makes the layout `built` as BuildKit does: an index of an image and of its attestations.
fn with_attestation(statement: &str) -> (Machine, Layout) {
    let machine = Machine::new();
    let layout = Layout::create(machine.path("built"));
    let image = layout.add_image(platform(), &["public", "private"], Value::Null);
    let config = json!({
        "architecture": "unknown", "os": "unknown", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [sealcrate_test_kit::digest_of(statement.as_bytes())] },
    });
    let attestation = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layout.add(OCI_CONFIG, config.to_string().as_bytes()),
        "layers": [layout.add(IN_TOTO, statement.as_bytes())],
    });
    let mut attestation = layout.add(OCI_MANIFEST, attestation.to_string().as_bytes());
    attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    attestation["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": image["digest"],
    });
    layout.name(&layout.add_index(&[image, attestation]));
    (machine, layout)
}

fn push<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let push = ["push", name, "--from=oci:built", "--encrypt-layer=1", "--pass-file=key", FAST];
    [&push[..], more].concat()
}

#[test]
fn attestations_are_dropped_with_one_line() {
    let statement = secret();
    let (registry, (machine, layout)) = (Registry::plain(), with_attestation(&statement));
    let name = format!("{}/team/app:1", registry.host());
    let done = machine.succeed(&push(&name, &[]));
    let notes = done.lines("note: attestations are left out");
    assert_eq!(notes.len(), 1, "{}", done.said());
    let index = layout.json(&layout.root());
    let short = &digest(&index["manifests"][1])["sha256:".len()..][..12];
    assert!(notes[0].contains(short) && notes[0].contains("--keep-attestations"), "{notes:?}");
    assert!(manifest(&registry, "team/app", "1").get("manifests").is_none());
    let found = sealcrate_tests::files_containing(&registry.storage_dir(), statement.as_bytes());
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn attestations_that_are_kept_name_the_new_manifest() {
    let statement = secret();
    let (registry, (machine, _)) = (Registry::plain(), with_attestation(&statement));
    let name = format!("{}/team/app:1", registry.host());
    let done = machine.succeed(&push(&name, &["--keep-attestations"]));
    assert!(done.lines("note: ").is_empty(), "{}", done.said());
    let index = manifest(&registry, "team/app", "1");
    assert_eq!(index["mediaType"], OCI_INDEX);
    let [image, attestation] = index["manifests"].as_array().unwrap().as_slice() else {
        panic!("{index}");
    };
    let (os, architecture) = platform().split_once('/').unwrap();
    assert_eq!(image["platform"], json!({ "os": os, "architecture": architecture }));
    assert_eq!(attestation["annotations"]["vnd.docker.reference.digest"], image["digest"]);
    let stored = |descriptor: &Value| -> Value {
        serde_json::from_slice(&registry.blob(digest(descriptor)).unwrap()).unwrap()
    };
    assert_eq!(sealcrate_tests::fixtures::stored::encrypted_layers(&stored(image)), [false, true]);
    let told = registry.blob(digest(&layers(&stored(attestation))[0])).unwrap();
    assert_eq!(told, statement.as_bytes());
    machine.succeed(&["pull", &name, "--pass-file=key", "--to=oci:back"]);
    let back = Layout::open(machine.path("back"));
    assert_eq!(layers(&back.json(&back.root())).len(), 2);
}

#[test]
fn images_without_attestations_are_pushed_without_a_word_of_them() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    machine.layout("built", &["public", "private"]);
    let name = format!("{}/team/app:1", registry.host());
    for more in [&[][..], &["--keep-attestations"]] {
        machine.succeed(&push(&name, more)).does_not_say("attestation");
        assert!(manifest(&registry, "team/app", "1").get("manifests").is_none());
    }
}

#[test]
fn dry_run_tells_what_becomes_of_attestations() {
    let (machine, layout) = with_attestation("statement");
    let done = machine.succeed(&push("127.0.0.1:1/x", &["--dry-run", "--output=json"]));
    let index = layout.json(&layout.root());
    assert_eq!(done.json()["attestations"], json!([index["manifests"][1]["digest"]]));
    let done = machine.succeed(&push("127.0.0.1:1/x", &["--dry-run"]));
    assert!(done.stdout.contains(": left out"), "{}", done.said());
    let done = machine.succeed(&push("127.0.0.1:1/x", &["--dry-run", "--keep-attestations"]));
    assert!(done.stdout.contains(": visible"), "{}", done.said());
}
