//! Images that crypto-cli itself pushed, served by a real registry.

use std::fs;
use std::path::PathBuf;

use sealcrate_tests::fixtures::Machine;
use sealcrate_tests::fixtures::stored::{digest, layers, put_blob, put_manifest};
use sealcrate_tests::{Builder, Engine, Registry, busybox};
use serde_json::Value;

struct Fixture {
    folder: PathBuf,
    expected: Value,
}

impl Fixture {
    fn named(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../crates/crypt/tests/data/crypto-cli")
            .join(name);
        let expected = fs::read(folder.join("expected.json")).unwrap();
        Self { folder, expected: serde_json::from_slice(&expected).unwrap() }
    }

    /// Puts the image into a registry as `fixture:1`, byte for byte.
    fn put_into(&self, registry: &Registry) {
        let bytes = fs::read(self.folder.join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&bytes).unwrap();
        for descriptor in [&manifest["config"]].into_iter().chain(layers(&manifest)) {
            let digest = digest(descriptor);
            let hex = digest.strip_prefix("sha256:").unwrap();
            let blob = fs::read(self.folder.join("blobs/sha256").join(hex)).unwrap();
            put_blob(registry, "fixture", digest, &blob);
        }
        put_manifest(registry, "fixture", "1", &bytes);
    }
}

/// Pulls an image of crypto-cli into the engine, and compares the engine's image with the original.
fn assert_pulled(fixture: &str, secret: &str) {
    let (engine, registry, machine) =
        (Engine::from_env(), Registry::plain(), Machine::new().with_engine());
    let fixture = Fixture::named(fixture);
    let expected = &fixture.expected;
    fixture.put_into(&registry);
    let name = format!("{}/fixture:1", registry.host());
    let _pulled = engine.remove_on_drop(&name);
    machine.write("fixture-key", expected["passphrase"].as_str().unwrap());
    machine.fail(3, &["pull", &name, "--pass-file=other-key"]).says("wrong passphrase");
    machine.succeed(&["pull", &name, "--pass-file=fixture-key"]);
    let seen: Value = serde_json::from_str(&engine.run(&["image", "inspect", &name])).unwrap();
    let seen = &seen[0];
    assert_eq!(seen["RootFS"]["Layers"], expected["diff_ids"]);
    for (member, wanted) in
        [("Env", "env"), ("Cmd", "cmd"), ("Entrypoint", "entrypoint"), ("Labels", "labels")]
    {
        assert_eq!(seen["Config"][member], expected[wanted], "{member}");
    }
    assert_eq!(seen["Architecture"], expected["architecture"]);

    // The images have no program of their own that runs.
    let dockerfile = format!("FROM {name}\nCOPY busybox /\nENTRYPOINT [\"/busybox\"]\n");
    let runnable = engine.build(Builder::Classic, &dockerfile, &[("busybox", &busybox())]);
    assert_eq!(engine.run_container(runnable.name(), &["cat", "/secret.txt"]), secret);

    let inspect = ["inspect", &name, "--pass-file=fixture-key", "--output=json"];
    let told = machine.succeed(&inspect).json();
    let encrypted: Vec<_> = (0..expected["diff_ids"].as_array().unwrap().len())
        .filter(|place| told["layers"][place]["encrypted"] == true)
        .collect();
    assert_eq!(serde_json::json!(encrypted), expected["encrypted_layers"]);
    assert_eq!(
        (&told["sealed"], &told["secret"]["diffIds"]),
        (&false.into(), &expected["diff_ids"])
    );
}

#[test]
fn image_of_crypto_cli_with_private_layers_in_the_middle_is_pulled() {
    assert_pulled("middle", "super-secret-text");
}

#[test]
fn image_of_crypto_cli_in_the_compatible_shape_is_pulled() {
    assert_pulled("middle-compat", "super-secret-text");
}

#[test]
fn image_of_crypto_cli_with_private_layers_at_the_end_is_pulled() {
    assert_pulled("tail", "tail secret");
}
