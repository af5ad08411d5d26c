//! Indexes: every platform's image is encrypted, opened and rewrapped, and the rest of the index
//! stays as it is.

use sealcrate_test_kit::{Layout, OCI_INDEX};
use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::stored::{digest, layers, manifest};
use sealcrate_tests::fixtures::{FAST, Machine, platform};
use serde_json::{Value, json};

use crate::keys::age_recipients::keygen;
use crate::keys::recipients::machine;

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

pub(crate) fn children(index: &Value) -> &[Value] {
    index["manifests"].as_array().unwrap()
}

pub(crate) fn json_in(registry: &Registry, descriptor: &Value) -> Value {
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
