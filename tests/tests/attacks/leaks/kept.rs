//! The words of an image beside its blobs: they are sealed and come back, and no stranger reads
//! them.

use sealcrate_test_kit::{Layout, OCI_MANIFEST};
use sealcrate_tests::fixtures::stored::layers;
use sealcrate_tests::fixtures::{FAST, secret};
use serde_json::{Value, json};

use crate::shop::{KEY, OTHER, OWNER, Shop};

/// Rewrites the manifest of the layout `image`, and returns it.
fn described(shop: &Shop, change: impl FnOnce(&Layout, &mut Value)) -> (Layout, Value) {
    let layout = Layout::open(shop.machine.path("image"));
    let mut manifest = layout.json(&layout.root());
    change(&layout, &mut manifest);
    layout.name(&layout.add(OCI_MANIFEST, manifest.to_string().as_bytes()));
    (layout, manifest)
}

#[test]
fn words_of_an_image_come_back_and_are_read_by_no_stranger() {
    for (format, key) in [(&[OWNER][..], KEY), (&["--pass-file=key", FAST], "--pass-file=key")] {
        let shop = Shop::new();
        let hidden = secret();
        let (_, plain) = described(&shop, |layout, manifest| {
            manifest["annotations"] = json!({ "org.example.token": hidden });
            manifest["artifactType"] = format!("application/vnd.{hidden}").into();
            let mut subject = layout.add(OCI_MANIFEST, hidden.as_bytes());
            subject["annotations"] = json!({ "org.example.subject": hidden });
            manifest["subject"] = subject;
            manifest["layers"][1]["annotations"] = json!({
                "buildkit/createdby": format!("RUN {hidden}"),
                "containerd.io/snapshot/stargz/toc.digest": "sha256:00",
                "containerd.io/uncompressed": "sha256:00",
            });
            manifest["layers"][0]["annotations"] = json!({ "org.example.public": "public" });
        });
        let name = shop.name("1");
        let push = ["push", &name, "--from=oci:image", "--encrypt-layer=1"];
        shop.machine.succeed(&[&push[..], format].concat());
        let found =
            sealcrate_tests::files_containing(&shop.registry.storage_dir(), hidden.as_bytes());
        assert!(found.is_empty(), "{found:?}");
        shop.machine.succeed(&["pull", &name, "--to=oci:back", key, "--require-binding=2"]);
        let back = Layout::open(shop.machine.path("back"));
        let opened = back.json(&back.root());
        for member in ["annotations", "artifactType", "subject"] {
            assert_eq!(opened[member], plain[member], "{member}");
        }
        for (layer, original) in layers(&opened).iter().zip(layers(&plain)) {
            assert_eq!(layer["annotations"], original["annotations"]);
            assert_eq!(layer["digest"], original["digest"]);
        }
        // New readers change none of them.
        let change: &[&str] = match key {
            KEY => &["--add", OTHER],
            _ => &["--new-pass-file=other-key", FAST],
        };
        for more in [&[][..], &["--reencrypt", "--add=jwe:ec.pub.pem"]] {
            if key != KEY && !more.is_empty() {
                continue;
            }
            shop.machine.succeed(&[&["rewrap", &name, key], change, more].concat());
            let key = if key == KEY { KEY } else { "--pass-file=other-key" };
            std::fs::remove_dir_all(shop.machine.path("back")).unwrap();
            shop.machine.succeed(&["pull", &name, "--to=oci:back", key]);
            let back = Layout::open(shop.machine.path("back"));
            assert_eq!(back.json(&back.root())["annotations"], plain["annotations"]);
        }
    }
}

#[test]
fn bytes_of_a_manifest_come_back_where_nothing_had_to_change() {
    let shop = Shop::new();
    let (layout, _) = described(&shop, |_, manifest| {
        manifest["annotations"] = json!({ "org.example.a": "b" });
        manifest["layers"][1]["annotations"] = json!({ "org.example.c": "d" });
        // No writer orders or spaces members so, and nobody knows this one.
        manifest["unknown"] = json!({ "z": 1, "a": [1, 2] });
    });
    let text = format!("{}\n", layout.json(&layout.root()));
    let text = text.replace(":{", ": {").replace(",\"", ",\n  \"");
    layout.name(&layout.add(OCI_MANIFEST, text.as_bytes()));
    shop.push("image", "1", &["--keep-history"]);
    let (_, back) = shop.pull("1", &["--require-binding=2"]);
    assert_eq!(back.root_digest(), layout.root_digest());
    assert_eq!(back.blob(&back.root_digest()), text.as_bytes());
    shop.machine.succeed(&["rewrap", &shop.name("1"), KEY, "--add", OTHER]);
    let (_, back) = shop.pull("1", &[]);
    assert_eq!(back.root_digest(), layout.root_digest());
    // Under a passphrase the config comes back whole, and so does the manifest.
    let name = shop.name("2");
    let push = ["push", &name, "--from=oci:image", "--encrypt-layer=1", "--pass-file=key", FAST];
    shop.machine.succeed(&push);
    std::fs::remove_dir_all(shop.machine.path("back")).unwrap();
    shop.machine.succeed(&["pull", &name, "--to=oci:back", "--pass-file=key"]);
    let back = Layout::open(shop.machine.path("back"));
    assert_eq!(back.root_digest(), layout.root_digest());
    // A history that was scrubbed makes it another image.
    shop.push("image", "3", &[]);
    let (_, back) = shop.pull("3", &[]);
    assert_ne!(back.root_digest(), layout.root_digest());
    assert!(back.json(&back.root()).get("unknown").is_none());
}

#[test]
fn history_with_nothing_to_scrub_keeps_the_bytes() {
    let shop = Shop::new();
    let layout = Layout::create(shop.machine.path("image"));
    layout.name(&layout.add_image("linux/amd64", &["0", "1"], json!({ "history": [] })));
    shop.push("image", "1", &[]);
    let (_, back) = shop.pull("1", &[]);
    assert_eq!(back.root_digest(), layout.root_digest());
}

#[test]
fn endless_words_are_refused_and_long_ones_are_told_of() {
    let shop = Shop::new();
    for (format, refusal) in
        [(&[OWNER][..], "more than 1 MiB"), (&["--pass-file=key", FAST], "more than 1 MiB")]
    {
        let name = shop.name("1");
        let push = ["push", &name, "--from=oci:image", "--encrypt-layer=1"];
        let push = [&push[..], format].concat();
        described(&shop, |_, manifest| {
            manifest["annotations"] = json!({ "org.example.long": "x".repeat(1 << 20) });
        });
        shop.machine.fail(2, &push).says(refusal);
        let copy = ["copy", "oci:image", "oci:back:it", "--encrypt-layer=1"];
        let format: Vec<&str> = format
            .iter()
            .map(|it| if *it == "--pass-file=key" { "--new-pass-file=key" } else { it })
            .collect();
        shop.fails(2, &[&copy[..], &format].concat()).says(refusal);
        assert!(shop.registry.tags("app").is_empty());
    }
    described(&shop, |_, manifest| {
        // The record is shorter than 64 KiB, and its annotation is longer.
        manifest["annotations"] = json!({ "org.example.long": "x".repeat(50 << 10) });
    });
    let warning = "warning: the annotation with the image's sealed record is ";
    let done = shop.push("image", "1", &[]);
    assert_eq!(done.lines(warning).len(), 1, "{}", done.said());
    let done = shop.machine.succeed(&["rewrap", &shop.name("1"), KEY, "--add", OTHER]);
    assert_eq!(done.lines(warning).len(), 1, "{}", done.said());
    shop.pull("1", &[]);
    described(&shop, |_, manifest| {
        manifest["annotations"] = json!({ "org.example.long": "x".repeat(40 << 10) });
    });
    let done = shop.push("image", "2", &[]);
    assert!(done.lines(warning).is_empty(), "{}", done.said());
}

#[test]
fn reader_who_came_and_went_leaves_another_manifest() {
    let shop = Shop::new();
    shop.push("image", "1", &[]);
    let (name, before) = (shop.name("1"), shop.registry.tag_digest("app", "1"));
    let rewrap = |change: &[&str]| {
        shop.machine.succeed(&[&["rewrap", &name, KEY], change].concat());
    };
    rewrap(&["--add", OTHER]);
    let with = shop.registry.tag_digest("app", "1");
    rewrap(&["--remove", OTHER]);
    let after = shop.registry.tag_digest("app", "1");
    assert!(before != after && with != after && before != with);
}

#[test]
fn words_come_back_where_the_bytes_of_layers_cannot() {
    for (format, key) in
        [(&[OWNER, "--keep-history"][..], KEY), (&["--pass-file=key", FAST], "--pass-file=key")]
    {
        let shop = Shop::new();
        let (_, plain) = described(&shop, |layout, manifest| {
            let mut layers = Vec::new();
            for name in ["0", "1"] {
                let tar = sealcrate_tests::fixtures::tar_of(name, name.as_bytes());
                layers.push(layout.add("application/vnd.oci.image.layer.v1.tar", &tar));
            }
            let mut config = layout.json(&manifest["config"]);
            let ids: Vec<Value> = layers.iter().map(|layer| layer["digest"].clone()).collect();
            config["rootfs"]["diff_ids"] = ids.into();
            manifest["config"] =
                layout.add(sealcrate_test_kit::OCI_CONFIG, config.to_string().as_bytes());
            manifest["layers"] = layers.into();
            manifest["annotations"] = json!({ "org.example.a": "b" });
        });
        let name = shop.name("1");
        let push = ["push", &name, "--from=oci:image", "--encrypt-layer=1"];
        shop.machine.succeed(&[&push[..], format].concat());
        shop.machine.succeed(&["pull", &name, "--to=oci:back", key, "--require-binding=2"]);
        let back = Layout::open(shop.machine.path("back"));
        let opened = back.json(&back.root());
        assert_eq!(opened["annotations"], plain["annotations"]);
        for (layer, original) in layers(&opened).iter().zip(layers(&plain)) {
            assert_ne!(layer["digest"], original["digest"], "it was compressed");
            back.blob(layer["digest"].as_str().unwrap());
        }
    }
}
