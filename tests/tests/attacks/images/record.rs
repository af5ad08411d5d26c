//! The sealed record: a stranger takes it away, exchanges it, or puts layers side by side that are sealed in
//! different ways.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_tests::Done;
use sealcrate_tests::fixtures::stored::{digest, layers};
use serde_json::{Value, json};

use crate::shop::{KEY, OTHER, OTHER_KEY, OWNER, Shop};

const RECORD: &str = "io.sealcrate.record";

/// A change of a document.
type ChangeOf<'a> = &'a dyn Fn(&mut Value);

/// Changes the record's annotation as JSON.
fn change_record(manifest: &mut Value, change: impl FnOnce(&mut Value)) {
    let text = manifest["annotations"][RECORD].as_str().unwrap();
    let mut record: Value = serde_json::from_str(text).unwrap();
    change(&mut record);
    manifest["annotations"][RECORD] = record.to_string().into();
}

/// Changes a byte of a member in base64.
fn flip(member: &mut Value, at: usize) {
    let mut bytes = STANDARD.decode(member.as_str().unwrap()).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 1;
    *member = STANDARD.encode(bytes).into();
}

#[test]
fn sealed_image_without_its_record_opens_for_nobody() {
    let shop = Shop::new();
    shop.push("image", "1", &[]);
    let ours = shop.manifest("1");
    let changes: [fn(&mut Value); 4] = [
        |manifest| drop(manifest.as_object_mut().unwrap().remove("annotations")),
        |manifest| manifest["annotations"] = json!({}),
        |manifest| manifest["annotations"] = json!({ "io.sealcrate.Record": "x" }),
        |manifest| manifest["annotations"] = Value::Null,
    ];
    for change in changes {
        let mut changed = ours.clone();
        change(&mut changed);
        shop.put("1", &changed);
        shop.reading_fails(5, "1").says("its sealed record is missing");
        shop.rewrap_fails(5, "1", &[]);
        shop.fails(5, &["inspect", &shop.name("1"), KEY]);
    }
}

#[test]
fn record_that_does_not_open_is_damage() {
    let shop = Shop::new();
    shop.push("image", "1", &[]);
    let ours = shop.manifest("1");
    shop.push("image", "2", &[]);
    let again = shop.manifest("2");
    let first = |record: &mut Value| -> Value {
        record["keys"].as_object().unwrap().values().next().unwrap().clone()
    };
    shop.push("image", "3", &["--no-cache"]);
    let other = shop.manifest("3");
    let changes: [ChangeOf<'_>; 11] = [
        &|manifest| manifest["annotations"][RECORD] = "".into(),
        &|manifest| manifest["annotations"][RECORD] = "{}".into(),
        &|manifest| manifest["annotations"][RECORD] = other["annotations"][RECORD].clone(),
        &|manifest| change_record(manifest, |record| record["version"] = 1.into()),
        &|manifest| change_record(manifest, |record| record["version"] = 3.into()),
        &|manifest| change_record(manifest, |record| flip(&mut record["salt"], 5)),
        &|manifest| change_record(manifest, |record| flip(&mut record["record"], 5)),
        &|manifest| change_record(manifest, |record| flip(&mut record["record"], usize::MAX)),
        &|manifest| change_record(manifest, |record| record["keys"] = json!({})),
        &|manifest| {
            change_record(manifest, |record| {
                let mut key = first(record);
                flip(&mut key, 40);
                record["keys"] = json!({ digest(&layers(&ours)[1]): key });
            });
        },
        &|manifest| {
            change_record(manifest, |record| {
                let padding = "A".repeat(3 << 20);
                record["record"] = padding.into();
            });
        },
    ];
    for (which, change) in changes.into_iter().enumerate() {
        let mut changed = ours.clone();
        change(&mut changed);
        shop.put("1", &changed);
        println!("change {which}");
        shop.reading_fails(5, "1");
        shop.rewrap_fails(5, "1", &[]);
    }
    // Layers that are used again keep their keys, so that an earlier record of them still opens. It lists the
    // readers of that time.
    let mut changed = ours.clone();
    changed["annotations"] = again["annotations"].clone();
    shop.put("1", &changed);
    shop.pull("1", &[]);
    shop.rewrap_fails(5, "1", &[]).says("list of readers");
}

#[test]
fn layers_that_are_sealed_in_different_ways_are_damage() {
    let shop = Shop::new();
    let keys = |file: &str| format!("jwe:{}", shop.machine.path(file).display());
    // The lower layer comes from another tool's image, and from one of version 1, under the same key.
    let mut copy = shop.machine.sandbox.command("skopeo");
    copy.args(["--insecure-policy", "copy", "--encryption-key", &keys("rsa.pub.pem")]);
    Done::of(copy.args(["oci:image:latest", "oci:theirs:1"])).with_status(0);
    let old =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/crypt/tests/data/version-1/ocicrypt");
    let old = format!("oci:{}:1", old.display());
    let push = ["push", &shop.name("1"), "--from=oci:image", "--encrypt-layer=1", "-r", OTHER];
    shop.machine.succeed(&push);
    let ours = shop.manifest("1");
    for (from, layer) in [("oci:theirs:1", 0), (&*old, 1)] {
        let to = format!("docker://{}", shop.name("other"));
        shop.machine.succeed(&["copy", from, &to]);
        let theirs = shop.manifest("other");
        let mut changed = ours.clone();
        changed["layers"][0] = layers(&theirs)[layer].clone();
        shop.put("1", &changed);
        let name = shop.name("1");
        let pull = ["pull", &name, "--to=oci:back", OTHER_KEY];
        shop.fails(5, &pull).says("sealed in different ways");
        let rewrap = ["rewrap", &name, OTHER_KEY, "--add=jwe:ec.pub.pem"];
        shop.machine.fail(5, &rewrap).says("sealed in different ways");
        // With our record's annotation they count as unbound, or as version 1, and no more.
        let mut theirs = theirs;
        theirs["annotations"] = ours["annotations"].clone();
        shop.put("2", &theirs);
        let name = shop.name("2");
        let _ = fs::remove_dir_all(shop.machine.path("back"));
        let pull = ["pull", &name, "--to=oci:back", OTHER_KEY];
        let done = shop.machine.succeed(&pull);
        assert_eq!(done.lines("note: the image has a sealed record of another one").len(), 1);
        shop.fails(5, &[&pull[..], &["--require-binding=2"]].concat());
    }
}

#[test]
fn record_that_another_tool_left_behind_vouches_for_nothing() {
    let shop = Shop::new();
    shop.push("image", "1", &["-r", OTHER]);
    let from = format!("docker://{}", shop.name("1"));
    let key = format!("--decryption-key={}", shop.machine.path("rsa.pem").display());
    let to = format!("--encryption-key=jwe:{}", shop.machine.path("ec.pub.pem").display());
    let copy = ["--insecure-policy", "copy", "--src-tls-verify=false"];
    let open = [&key, &from, "oci:plain:latest"];
    shop.machine.call("skopeo", &[&copy[..], &open].concat());
    let again = [&to, "oci:plain:latest", "oci:again:latest"];
    shop.machine.call("skopeo", &[&copy[..], &again].concat());
    let note = "note: the image has a sealed record of another one";
    for (layout, tag) in [("again", "2"), ("plain", "3")] {
        let to = format!("docker://{}", shop.name(tag));
        shop.machine.succeed(&["copy", &format!("oci:{layout}:latest"), &to]);
        assert!(shop.manifest(tag)["annotations"][RECORD].is_string(), "nothing is left over");
    }
    let (done, back) = shop.pull("2", &[]);
    assert_eq!(done.lines(note).len(), 1, "{}", done.said());
    assert_eq!(done.lines("warning: another tool wrote this image").len(), 1, "{}", done.said());
    let opened = back.json(&back.root());
    assert!(opened.get("annotations").is_none_or(|of| of.get(RECORD).is_none()), "{opened}");
    shop.pull_fails(5, "2", &["--require-binding"]);
    shop.pull_fails(5, "2", &["--require-binding=2"]);
    shop.pull_fails(4, "3", &[]);
    let (done, _) = shop.pull("3", &["--allow-unencrypted"]);
    assert_eq!(done.lines(note).len(), 1, "{}", done.said());
    shop.fails(
        5,
        &[
            "pull",
            &shop.name("3"),
            "--to=oci:back",
            KEY,
            "--allow-unencrypted",
            "--require-binding",
        ],
    );
    // Encrypted again, it has one record, its own.
    shop.machine.succeed(&[
        "copy",
        "oci:plain:latest",
        "oci:new:latest",
        "--encrypt-layer=1",
        OWNER,
    ]);
    let done =
        shop.machine.succeed(&["copy", "oci:new:latest", "oci:opened", KEY, "--require-binding=2"]);
    assert!(done.lines(note).is_empty(), "{}", done.said());
}
