//! Images for several platforms that are locked in the engine.

use std::io::Read;

use sealcrate_test_kit::{Layout, OCI_INDEX};
use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::stored::{digest, layers, manifest};
use serde_json::{Value, json};

use crate::images::indexes::{children, json_in};
use crate::keys::age_recipients::keygen;
use crate::keys::recipients::machine;

/// Reads the machine that the init of a locked image is for. elf(5), `e_machine`.
fn init_machine(registry: &Registry, image: &Value) -> u16 {
    let top = registry.blob(digest(layers(image).last().unwrap())).unwrap();
    let mut tar = tar::Archive::new(flate2::read::MultiGzDecoder::new(top.as_slice()));
    let mut entries = tar.entries().unwrap().map(Result::unwrap);
    let is_init = |entry: &tar::Entry<'_, _>| entry.path_bytes().as_ref() == b".sealcrate/init";
    let mut head = [0; 20];
    entries.find(is_init).unwrap().read_exact(&mut head).unwrap();
    u16::from_le_bytes([head[18], head[19]])
}

#[test]
fn every_platform_is_locked_and_comes_back() {
    sealcrate_tests::assert_provided();
    const AMD64: u16 = 62;
    const ARM64: u16 = 183;
    let machine = machine().with_engine();
    let layout = Layout::create(machine.path("several"));
    let amd64 = layout.add_image("linux/amd64", &["public", "amd64"], Value::Null);
    let arm64 = layout.add_image("linux/arm64", &["public", "arm64"], Value::Null);
    let mut about = layout.add_image("unknown/unknown", &["statement"], Value::Null);
    about["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": amd64["digest"],
    });
    layout.name(&layout.add_index(&[amd64, arm64, about]));
    let plain = layout.json(&layout.root());

    let registry = Registry::plain();
    let recipient = keygen(&machine, "mine");
    let to = format!("docker://{}/app:1", registry.host());
    let lock = ["lock", "--from=oci:several", "--to", &to, "--encrypt-layer=1", "-r", &recipient];
    let done = machine.succeed(&lock);
    let named = format!("{}/app:1@{}", registry.host(), registry.tag_digest("app", "1").unwrap());
    assert_eq!(done.stdout.trim_end(), named);
    assert_eq!(done.lines("note: attestations are left out").len(), 1, "{}", done.said());
    let index = manifest(&registry, "app", "1");
    assert_eq!(index["mediaType"], OCI_INDEX);
    assert_eq!(children(&index).len(), 2);
    for ((child, original), elf) in
        children(&index).iter().zip(children(&plain)).zip([AMD64, ARM64])
    {
        assert_eq!(child["platform"], original["platform"]);
        let (image, original) = (json_in(&registry, child), layout.json(original));
        assert_eq!(digest(&layers(&image)[0]), digest(&layers(&original)[0]), "it is clear");
        let config = json_in(&registry, &image["config"]);
        assert_eq!(config["config"]["Entrypoint"], json!(["/.sealcrate/init"]));
        assert_eq!(init_machine(&registry, &image), elf);
    }

    machine.succeed(&["unlock", "--from", &to, "--to=oci:back", "-i=mine"]);
    let back = Layout::open(machine.path("back"));
    let opened = back.json(&back.root());
    assert_eq!(children(&opened).len(), 2);
    for (child, original) in children(&opened).iter().zip(children(&plain)) {
        let (image, original) = (back.json(child), layout.json(original));
        assert_eq!(digest(&image["config"]), digest(&original["config"]));
    }

    // One of its images, chosen by its platform, is a single image.
    let one = ["--platform=linux/arm64"];
    machine.succeed(&[&["unlock", "--from", &to, "--to=oci:one", "-i=mine"], &one[..]].concat());
    let opened = Layout::open(machine.path("one"));
    let original = layout.json(&children(&plain)[1]);
    assert_eq!(digest(&opened.json(&opened.root())["config"]), digest(&original["config"]));
    machine.succeed(&[&lock[..], &one].concat());
    assert_eq!(init_machine(&registry, &manifest(&registry, "app", "1")), ARM64);

    // If an image cannot be locked, the error names its platform, and no image gets the name.
    let other = layout.add_image("linux/s390x", &["public", "s390x"], Value::Null);
    let both = [children(&plain)[0].clone(), other];
    layout.name(&layout.add_index(&both));
    let before = registry.tag_digest("app", "1");
    machine.fail(1, &lock).says("linux/s390x: cannot lock oci:several: this sealcrate has no init");
    assert_eq!(registry.tag_digest("app", "1"), before);
}

#[test]
fn every_platform_keeps_the_payload_of_layers_that_have_not_changed() {
    sealcrate_tests::assert_provided();
    let machine = machine().with_engine();
    let several = |name: &str, upper: &str| {
        let layout = Layout::create(machine.path(name));
        let children = ["amd64", "arm64"].map(|of| {
            let texts = ["public", &format!("kept for {of}"), &format!("{upper} for {of}")];
            layout.add_image(&format!("linux/{of}"), &texts, Value::Null)
        });
        layout.name(&layout.add_index(&children));
        layout
    };
    let (_first, second) = (several("first", "one"), several("second", "another"));
    let registry = Registry::plain();
    let recipient = keygen(&machine, "mine");
    std::fs::write(machine.path("pass"), "a passphrase of some length").unwrap();
    let stored = |tag: &str| -> Vec<Vec<String>> {
        let index = manifest(&registry, "app", tag);
        let images = children(&index).iter().map(|child| json_in(&registry, child));
        let digests =
            |image: &Value| layers(image).iter().map(|it| digest(it).to_owned()).collect();
        images.map(|image| digests(&image)).collect()
    };
    let lock = |from: &str, tag: &str, options: &[&str]| {
        let to = format!("docker://{}/app:{tag}", registry.host());
        let lock = ["lock", "--from", from, "--to", &to, "--encrypt-layer=1", "--encrypt-layer=2"];
        machine.succeed(&[&lock[..], options].concat())
    };
    let under_passphrase = ["--pass-file=pass", "--work-factor=14"];
    let to_recipient = ["-r", &recipient];
    for (protection, open) in
        [(&under_passphrase[..], "--pass-file=pass"), (&to_recipient, "-i=mine")]
    {
        // Layers that are compressed again would have other bytes.
        lock("oci:first", "1", &[protection, &["--compression-level=9"]].concat());
        // For a recipient, the test names the index by its own digest, which proves every image in
        // it.
        let (cache, opener) = match open {
            "-i=mine" => (
                format!("{}/app@{}", registry.host(), registry.tag_digest("app", "1").unwrap()),
                &["-i", "mine"][..],
            ),
            _ => (format!("{}/app:1", registry.host()), &[][..]),
        };
        let again = [protection, opener, &["--cache-from", &cache]].concat();
        lock("oci:second", "2", &again).does_not_say("used again");
        let (before, after) = (stored("1"), stored("2"));
        assert_eq!((before.len(), after.len()), (2, 2));
        for (old, new) in before.iter().zip(&after) {
            let kept: Vec<bool> = old.iter().zip(new).map(|(old, new)| old == new).collect();
            assert_eq!(kept, [true, true, false, false], "{open}: {old:?} {new:?}");
        }
        assert_ne!(after[0][1], after[1][1], "each has its own");

        let from = format!("docker://{}/app:2", registry.host());
        machine.succeed(&["unlock", "--from", &from, "--to=oci:back", open]);
        let back = Layout::open(machine.path("back"));
        let (opened, plain) = (back.json(&back.root()), second.json(&second.root()));
        for (child, original) in children(&opened).iter().zip(children(&plain)) {
            let (image, original) = (back.json(child), second.json(original));
            assert_eq!(digest(&image["config"]), digest(&original["config"]));
        }
        std::fs::remove_dir_all(machine.path("back")).unwrap();
    }
}
