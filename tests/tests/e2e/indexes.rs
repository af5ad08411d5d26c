//! Indexes: every platform's image is encrypted, opened and rewrapped, and the rest of the index
//! stays as it is.

use std::io::Read;

use sealcrate_tests::Registry;
use serde_json::{Value, json};

use crate::age_recipients::keygen;
use crate::recipients::machine;
use sealcrate_tests::fixtures::layout::{Layout, OCI_INDEX, platform};
use sealcrate_tests::fixtures::machine::{FAST, Machine};
use sealcrate_tests::fixtures::stored::{digest, layers, manifest};

/// A machine whose layout `several` holds images for two platforms, and an attestation of the first.
fn with_several() -> (Machine, Layout) {
    let machine = machine();
    let layout = Layout::create(machine.path("several"));
    let here = layout.add_image(platform(), &["public", "here"], Value::Null);
    let there = layout.add_image("linux/s390x", &["public", "there"], Value::Null);
    let mut about = layout.add_image("unknown/unknown", &["statement"], Value::Null);
    about["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": here["digest"],
    });
    layout.name(&layout.add_index(&[here, there, about]));
    (machine, layout)
}

fn children(index: &Value) -> &[Value] {
    index["manifests"].as_array().unwrap()
}

fn json_in(registry: &Registry, descriptor: &Value) -> Value {
    serde_json::from_slice(&registry.blob(digest(descriptor)).unwrap()).unwrap()
}

#[test]
fn every_platform_is_encrypted_and_comes_back() {
    let (machine, layout) = with_several();
    let registry = Registry::plain();
    let to = format!("docker://{}/app:1", registry.host());
    let plain = layout.json(&layout.root());
    for (encrypt, open) in [
        (&["-r=jwe:rsa.pub.pem"][..], "-i=rsa.pem"),
        (&["-r=jwe:ec.pub.pem", "--new-pass-file=key"], "--pass-file=key"),
        (&["--new-pass-file=key", FAST], "--pass-file=key"),
    ] {
        let copy = ["copy", "oci:several", &to, "--encrypt-layer=1"];
        let done = machine.succeed(&[&copy[..], encrypt].concat());
        assert_eq!(done.lines("note: attestations are left out").len(), 1, "{}", done.said());
        let index = manifest(&registry, "app", "1");
        assert_eq!(index["mediaType"], OCI_INDEX);
        assert_eq!(children(&index).len(), 2);
        for (child, original) in children(&index).iter().zip(children(&plain)) {
            assert_eq!(child["platform"], original["platform"]);
            assert_ne!(child["digest"], original["digest"]);
            let (image, original) = (json_in(&registry, child), layout.json(original));
            assert_eq!(digest(&layers(&image)[0]), digest(&layers(&original)[0]));
            assert_ne!(digest(&layers(&image)[1]), digest(&layers(&original)[1]));
        }
        let back = machine.path("back");
        machine.succeed(&["copy", &to, "oci:back", open, "--require-binding"]);
        let opened = Layout::open(back.clone());
        for (child, original) in children(&opened.json(&opened.root())).iter().zip(children(&plain))
        {
            let (image, original) = (opened.json(child), layout.json(original));
            let diff_ids = |of: &Layout, image: &Value| {
                of.json(&image["config"])["rootfs"]["diff_ids"].clone()
            };
            assert_eq!(diff_ids(&opened, &image), diff_ids(&layout, &original));
        }
        std::fs::remove_dir_all(&back).unwrap();
        // One of its images, chosen by its platform, is a single image.
        let pull = ["pull", &to["docker://".len()..], "--to=oci:back", open];
        machine.succeed(&[&pull[..], &["--platform=linux/s390x"]].concat());
        std::fs::remove_dir_all(&back).unwrap();
    }
    machine.fail(3, &["copy", &to, "oci:back", "--pass-file=other-key"]);
    assert!(!machine.path("back").exists());
}

#[test]
fn every_platform_is_pushed_encrypted_and_pulled() {
    let (machine, layout) = with_several();
    let registry = Registry::plain();
    let name = format!("{}/app:1", registry.host());
    let push = ["push", &name, "--from=oci:several", "--encrypt-layer=1"];
    for (encrypt, open) in [
        (&["-r=jwe:rsa.pub.pem"][..], "-i=rsa.pem"),
        (&["--pass-file=key", FAST], "--pass-file=key"),
    ] {
        let done = machine.succeed(&[&push[..], encrypt].concat());
        assert_eq!(done.lines("note: attestations are left out").len(), 1, "{}", done.said());
        let first = manifest(&registry, "app", "1");
        assert_eq!((&first["mediaType"], children(&first).len()), (&json!(OCI_INDEX), 2));
        let blobs = |index: &Value| -> Vec<Value> {
            let all = children(index).iter().map(|child| json_in(&registry, child));
            all.flat_map(|image| layers(&image).to_vec()).map(|it| it["digest"].clone()).collect()
        };
        machine.succeed(&[&push[..], encrypt].concat());
        let second = manifest(&registry, "app", "1");
        assert!(first != second && blobs(&first) == blobs(&second), "layers are used again");

        machine.succeed(&["pull", &name, "--to=oci:back", open]);
        let opened = Layout::open(machine.path("back"));
        let (back, plain) = (opened.json(&opened.root()), layout.json(&layout.root()));
        assert_eq!(children(&back).len(), 2);
        for (child, original) in children(&back).iter().zip(children(&plain)) {
            assert_eq!(child["platform"], original["platform"]);
            let config = |of: &Layout, child: &Value| of.json(&of.json(child)["config"]);
            let (config, original) = (config(&opened, child), config(&layout, original));
            assert_eq!(config["rootfs"]["diff_ids"], original["rootfs"]["diff_ids"]);
        }
        std::fs::remove_dir_all(machine.path("back")).unwrap();
        machine.fail(3, &["pull", &name, "--to=oci:back", "--pass-file=other-key"]);
        assert!(!machine.path("back").exists());
    }
    let said = machine.succeed(&[&push[..], &["--dry-run"]].concat());
    assert_eq!(said.stdout.matches("would push to").count(), 2, "{}", said.stdout);
    let clear = ["push", &name, "--from=oci:several", "--type=NONE"];
    machine.fail(2, &clear).says("--allow-exposing");
    machine.succeed(&[&clear[..], &["--allow-exposing"]].concat());
    assert_eq!(manifest(&registry, "app", "1"), layout.json(&layout.root()));
    machine.succeed(&[&push[..], &["--pass-file=key", FAST, "--platform=linux/s390x"]].concat());
    assert_ne!(manifest(&registry, "app", "1")["mediaType"], OCI_INDEX);
}

#[test]
fn one_platform_alone_is_an_image() {
    let (machine, _) = with_several();
    let copy = ["copy", "oci:several", "oci:enc", "--all-layers", "-r=jwe:rsa.pub.pem"];
    machine.succeed(&[&copy[..], &["--platform=linux/s390x"]].concat());
    let one = Layout::open(machine.path("enc"));
    assert_eq!(layers(&one.json(&one.root())).len(), 2);
    let base = ["copy", "oci:several", "oci:enc2", "--base=oci:several", "-r=jwe:rsa.pub.pem"];
    machine.fail(2, &base).says("choose it with --platform");
}

#[test]
fn clear_child_that_nobody_sealed_is_refused_when_readers_change() {
    let (machine, layout) = with_several();
    let registry = Registry::plain();
    let theirs = keygen(&machine, "theirs");
    let copy = ["copy", "oci:several", "oci:enc:latest", "--encrypt-layer=1", "-r=jwe:rsa.pub.pem"];
    machine.succeed(&copy);
    // An index with a plain child and an attestation beside the encrypted children.
    let enc = Layout::open(machine.path("enc"));
    let mut all = children(&enc.json(&enc.root())).to_vec();
    let plain = enc.add_image("linux/arm64", &["plain"], Value::Null);
    let mut about = enc.add_image("unknown/unknown", &["statement"], Value::Null);
    about["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": all[0]["digest"],
    });
    all.extend([plain, about]);
    enc.name(&enc.add_index(&all));
    let name = format!("{}/app:1", registry.host());
    machine.succeed(&["copy", "oci:enc:latest", &format!("docker://{name}")]);
    // No seal says that the plain child may be in clear.
    let home = format!("--home={}/app", registry.host());
    let rewrap = ["rewrap", &name, "-i=rsa.pem", "--add", &theirs, &home];
    machine.fail(4, &rewrap).says("not encrypted");
    drop(layout);
}

#[test]
fn readers_of_an_index_change_together_and_its_bytes_come_back() {
    let (machine, registry) = (machine(), Registry::plain());
    let (mine, theirs) = (keygen(&machine, "mine"), keygen(&machine, "theirs"));
    let layout = Layout::create(machine.path("several"));
    let labelled = |platform| layout.add_image(platform, &["public", platform], Value::Null);
    layout.name(&layout.add_index(&[labelled("linux/amd64"), labelled("linux/arm64")]));
    let name = format!("{}/app:1", registry.host());
    let pushed = format!("docker://{name}");
    let push = ["push", &name, "--from=oci:several", "--encrypt-layer=1", "--keep-history"];
    machine.succeed(&[&push[..], &["-r", &mine]].concat());
    let index = || manifest(&registry, "app", "1");
    let before = children(&index()).to_vec();
    machine.succeed(&["rewrap", &name, "-i=mine", "--add", &theirs]);
    let after = children(&index()).to_vec();
    assert_eq!(before.len(), after.len());
    assert!(before.iter().zip(&after).all(|(old, new)| old["digest"] != new["digest"]));
    machine.succeed(&["copy", &pushed, "oci:back", "-i=theirs", "--require-binding=2"]);
    let back = Layout::open(machine.path("back"));
    assert_eq!(children(&back.json(&back.root())), children(&layout.json(&layout.root())));
}

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
    const AMD64: u16 = 62;
    const ARM64: u16 = 183;
    let machine = machine();
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
    let machine = machine();
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
