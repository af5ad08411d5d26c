//! Indexes: a stranger adds, drops, exchanges and relabels their children.

use sealcrate_tests::fixtures::stored::{digest, layers};
use serde_json::{Value, json};

use crate::shop::{KEY, OTHER, OTHER_KEY, OWNER, Shop, children, children_mut, marked};

/// A change of an index's children.
type ChangeOf<'a> = &'a dyn Fn(&mut Vec<Value>);

#[test]
fn plain_image_marked_as_attestation_gets_past_nobody() {
    let shop = Shop::new();
    shop.push_several("1");
    let index = shop.manifest("1");
    let evil = shop.put_plain("linux/amd64", "evil");
    let evil = marked(evil, &children(&index)[0]);
    let changes: [ChangeOf<'_>; 3] =
        [&|all| all.push(evil.clone()), &|all| all.insert(0, evil.clone()), &|all| {
            all[0].clone_from(&evil);
        }];
    for change in changes {
        let mut index = index.clone();
        change(children_mut(&mut index));
        shop.put("1", &index);
        shop.reading_fails(4, "1");
        shop.pull_fails(4, "1", &["--keep-attestations"]);
        shop.rewrap_fails(4, "1", &["--keep-attestations"]);
        let one = &["--platform=linux/amd64"];
        if children(&index)[0]["annotations"].is_null() {
            // The image that is chosen is the right one.
            let (_, back) = shop.pull("1", one);
            let config = back.json(&back.json(&back.root())["config"]);
            assert!(!config.to_string().contains("evil"), "{config}");
        } else {
            shop.pull_fails(4, "1", one);
        }
    }
    // Where nothing binds the children, another tool must not select the stranger's image from the
    // result.
    let one = children(&index)[1].clone();
    let unknown = marked(shop.put_plain("unknown/unknown", "evil"), &one);
    shop.join("2", &[one, children(&index)[0].clone(), unknown.clone()]);
    shop.pull_fails(5, "2", &[]);
    shop.push("image", "3", &[]);
    let alone = shop.described("3", "linux/amd64");
    shop.join("4", &[alone, unknown]);
    let (_, back) = shop.pull("4", &[]);
    assert!(back.json(&back.root()).get("manifests").is_none(), "it is taken along");
}

#[test]
fn clear_child_is_carried_through_by_no_command() {
    let shop = Shop::new();
    shop.push_several("1");
    let mut index = shop.manifest("1");
    children_mut(&mut index).push(shop.put_plain("linux/s390x", "evil"));
    shop.put("1", &index);
    for binding in [&[][..], &["--require-binding"], &["--require-binding=2"]] {
        shop.pull_fails(4, "1", binding);
        shop.rewrap_fails(4, "1", binding);
        let from = format!("docker://{}", shop.name("1"));
        shop.fails(4, &[&["copy", &from, "oci:back", KEY], binding].concat());
        let again = ["copy", &from, "oci:back", KEY, OWNER];
        shop.fails(4, &[&again[..], binding].concat());
    }
    shop.pull_fails(4, "1", &["--platform=linux/s390x"]);
}

#[test]
fn index_without_an_encrypted_image_is_not_taken_for_one() {
    let shop = Shop::new();
    let plain = ["amd64", "arm64"].map(|of| shop.put_plain(&format!("linux/{of}"), of));
    shop.join("1", &plain);
    shop.reading_fails(4, "1");
    shop.rewrap_fails(4, "1", &[]);
    let statement = shop.put_plain("unknown/unknown", "statement");
    shop.join("2", &[marked(statement, &plain[0])]);
    shop.rewrap_fails(4, "2", &["--keep-attestations"]);
}

#[test]
fn clear_child_that_was_sealed_cannot_be_exchanged() {
    let shop = Shop::new();
    shop.push("image", "1", &[]);
    let private = shop.described("1", "linux/amd64");
    let clear = shop.put_plain("linux/s390x", "clear on purpose");
    shop.join("2", &[private, clear]);
    let (from, to) =
        (format!("docker://{}", shop.name("2")), format!("docker://{}", shop.name("3")));
    let seal = ["copy", &from, &to, KEY, OWNER];
    shop.fails(4, &seal);
    shop.machine.succeed(&[&seal[..], &["--allow-unencrypted"]].concat());
    // The table names it: it passes everywhere.
    let (_, back) = shop.pull("3", &["--require-binding=2"]);
    let back = back.json(&back.root());
    assert_eq!(children(&back).len(), 2);
    shop.pull("3", &["--platform=linux/s390x"]);
    shop.machine.succeed(&["rewrap", &shop.name("3"), KEY, "--add", OTHER]);
    let index = shop.manifest("3");
    let evil = shop.put_plain("linux/s390x", "evil");
    let mut changed = index.clone();
    children_mut(&mut changed)[1] = evil.clone();
    shop.put("3", &changed);
    shop.reading_fails(4, "3");
    shop.rewrap_fails(4, "3", &[]);
    shop.pull_fails(4, "3", &["--platform=linux/s390x"]);
    shop.pull("3", &["--platform=linux/amd64"]);
    // Beside the one that is sealed, it is no better.
    let mut changed = index;
    children_mut(&mut changed).insert(0, evil);
    shop.put("3", &changed);
    shop.reading_fails(4, "3");
    shop.pull_fails(4, "3", &["--platform=linux/s390x"]);
}

#[test]
fn broken_image_does_not_hide_who_vouches_for_a_clear_child() {
    let shop = Shop::new();
    let each = shop.push_each();
    let clear = shop.put_plain("linux/s390x", "clear on purpose");
    shop.join("1", &[&each[..], &[clear]].concat());
    let (from, to) =
        (format!("docker://{}", shop.name("1")), format!("docker://{}", shop.name("2")));
    shop.machine.succeed(&["copy", &from, &to, KEY, OWNER, "--allow-unencrypted"]);
    let mut index = shop.manifest("2");
    let one = &["--platform=linux/s390x"];
    for (place, status) in [(0, None), (1, Some(4))] {
        // Nobody's key opens it any more.
        let broken = &mut children_mut(&mut index)[place];
        shop.change_child(broken, |manifest| {
            let keys = &mut manifest["layers"][1]["annotations"];
            keys["org.opencontainers.image.enc.keys.jwe"] = "AAAA".into();
        });
        shop.put("2", &index);
        match status {
            None => drop(shop.pull("2", one)),
            Some(status) => drop(shop.pull_fails(status, "2", one)),
        }
    }
}

#[test]
fn emptied_index_is_not_taken_for_an_encrypted_one() {
    let shop = Shop::new();
    shop.push_several("1");
    let image = children(&shop.manifest("1"))[0].clone();
    let statement = marked(shop.put_plain("unknown/unknown", "statement"), &image);
    let mut empty = shop.put_child(&json!({
        "schemaVersion": 2, "mediaType": sealcrate_test_kit::OCI_INDEX, "manifests": [],
    }));
    empty["platform"] = image["platform"].clone();
    for children in [vec![], vec![statement], vec![empty]] {
        shop.join("1", &children);
        shop.reading_fails(4, "1");
        shop.pull_fails(4, "1", &["--platform=linux/amd64"]);
        // If the user accepts a plain image, the index has none for the platform.
        shop.pull_fails(1, "1", &["--allow-unencrypted"]).says("the index has no image");
    }
}

#[test]
fn image_for_another_platform_is_not_passed_off() {
    let shop = Shop::new();
    shop.push_several("1");
    // Nothing binds these images to each other, so that only their configs tell the platform.
    let each = shop.push_each();
    shop.join("2", &each);
    for tag in ["1", "2"] {
        let mut index = shop.manifest(tag);
        let platform = |of: &Value| of["platform"].clone();
        let [one, other] = &mut children_mut(&mut index)[..] else { panic!("two children") };
        let (first, second) = (platform(one), platform(other));
        (one["platform"], other["platform"]) = (second, first);
        shop.put(tag, &index);
        for more in [&["--platform=linux/amd64"][..], &["--platform=linux/arm64"], &[]] {
            shop.pull_fails(5, tag, more);
        }
        shop.reading_fails(5, tag).says("the image that it is for");
        shop.rewrap_fails(5, tag, &[]);
        shop.rewrap_fails(5, tag, &["--reencrypt"]);
    }
    // Other names of one platform are no mismatch.
    let mut index = shop.manifest("2");
    let all = children_mut(&mut index);
    all[0]["platform"] = json!({ "os": "linux", "architecture": "x86_64", "os.version": "1" });
    all[1]["platform"] = json!({ "os": "linux", "architecture": "arm64", "variant": "v8" });
    shop.put("2", &index);
    shop.pull("2", &[]);
}

#[test]
fn index_that_says_the_wrong_platform_is_not_sealed() {
    let shop = Shop::new();
    let layout = shop.push_several("1");
    let mut plain = layout.json(&layout.root());
    let [one, other] = &mut children_mut(&mut plain)[..] else { panic!("two children") };
    std::mem::swap(&mut one["platform"], &mut other["platform"]);
    layout.name(&layout.add(sealcrate_test_kit::OCI_INDEX, plain.to_string().as_bytes()));
    let (name, to) = (shop.name("2"), format!("docker://{}", shop.name("2")));
    let push = ["push", &name, "--from=oci:several", "--encrypt-layer=1", OWNER];
    shop.fails(5, &push).says("the image that it is for");
    shop.fails(5, &["copy", "oci:several", &to, "--encrypt-layer=1", OWNER]);
    shop.fails(5, &["copy", "oci:several", "oci:back", "--encrypt-layer=1", OWNER]);
    assert_eq!(shop.registry.tags("app"), ["1"]);
}

#[test]
fn children_cannot_be_missing_added_exchanged_or_of_another_sealing() {
    let shop = Shop::new();
    shop.push_several("1");
    let index = shop.manifest("1");
    shop.push("several", "2", &[]);
    let again = shop.manifest("2");
    // The layers are the same, the sealing is another one.
    assert_eq!(
        layers(&shop.json(&children(&index)[0]))[1]["digest"],
        layers(&shop.json(&children(&again)[0]))[1]["digest"]
    );
    shop.push("image", "3", &[]);
    let alone = shop.described("3", "linux/amd64");
    let mut foreign = alone.clone();
    foreign["platform"]["architecture"] = "s390x".into();
    let changes: [ChangeOf<'_>; 6] = [
        &|all| drop(all.pop()),
        &|all| all.push(all[0].clone()),
        &|all| all.swap(0, 1),
        &|all| all[1].clone_from(&children(&again)[1]),
        // A child from an image that has no table.
        &|all| all[0].clone_from(&alone),
        &|all| all.push(foreign.clone()),
    ];
    for (which, change) in changes.into_iter().enumerate() {
        let mut changed = index.clone();
        change(children_mut(&mut changed));
        shop.put("1", &changed);
        println!("change {which}");
        if children(&changed).len() > 1 {
            shop.reading_fails(5, "1");
        }
        shop.rewrap_fails(5, "1", &[]);
    }
    // The reader of one child sees the list of all platforms.
    for change in [0, 5] {
        let mut changed = index.clone();
        changes[change](children_mut(&mut changed));
        shop.put("1", &changed);
        shop.pull_fails(5, "1", &["--platform=linux/amd64"]).says("platforms");
    }
    // A child that is named alone is an image like any other.
    let name = format!("{}/app@{}", shop.registry.host(), digest(&children(&index)[1]));
    shop.machine.succeed(&["pull", &name, "--to=oci:alone", KEY, "--require-binding=2"]);
    shop.put("1", &index);
    shop.pull("1", &["--require-binding=2"]);
}

#[test]
fn words_of_an_index_are_neither_read_nor_written_by_strangers() {
    let shop = Shop::new();
    let layout = shop.push_several("1");
    let secret = "the-name-of-the-customer";
    let mut plain = layout.json(&layout.root());
    plain["annotations"] = json!({ "org.example.customer": secret });
    plain["artifactType"] = "application/vnd.example.thing".into();
    let about = children(&plain)[0].clone();
    plain["subject"] = json!({
        "mediaType": about["mediaType"], "digest": about["digest"], "size": about["size"],
    });
    for (place, child) in children_mut(&mut plain).iter_mut().enumerate() {
        child["annotations"] = json!({ "org.example.place": format!("{secret}-{place}") });
    }
    children_mut(&mut plain).reverse();
    layout.name(&layout.add(sealcrate_test_kit::OCI_INDEX, plain.to_string().as_bytes()));
    for (tag, format, key) in [
        ("1", &[OWNER][..], KEY),
        ("2", &["--pass-file=key", sealcrate_tests::fixtures::FAST], "--pass-file=key"),
    ] {
        let name = shop.name(tag);
        let push = ["push", &name, "--from=oci:several", "--encrypt-layer=1"];
        shop.machine.succeed(&[&push[..], format].concat());
        let mut index = shop.manifest(tag);
        let said = index.to_string();
        assert!(!said.contains(secret) && index.get("subject").is_none(), "{said}");
        assert!(index.get("artifactType").is_none(), "{said}");
        // Words that a stranger writes there do not come along.
        index["annotations"] = json!({ "org.example.evil": "evil" });
        index["artifactType"] = "application/vnd.example.evil".into();
        children_mut(&mut index)[0]["annotations"] = json!({ "org.example.evil": "evil" });
        children_mut(&mut index)[0]["urls"] = json!(["http://127.0.0.1:1/evil"]);
        shop.put(tag, &index);
        let _ = std::fs::remove_dir_all(shop.machine.path("back"));
        shop.machine.succeed(&["pull", &name, "--to=oci:back", key, "--require-binding=2"]);
        let back = sealcrate_test_kit::Layout::open(shop.machine.path("back"));
        let opened = back.json(&back.root());
        for member in ["annotations", "artifactType", "subject"] {
            assert_eq!(opened[member], plain[member], "{member}");
        }
        for (child, original) in children(&opened).iter().zip(children(&plain)) {
            assert_eq!(child["annotations"], original["annotations"]);
            assert_eq!(child["platform"], original["platform"]);
            assert!(child.get("urls").is_none());
        }
    }
    // The stranger's words are not sealed either when layers are encrypted anew.
    let from = format!("docker://{}", shop.name("1"));
    let holds = |location: &str, key: &str| {
        let _ = std::fs::remove_dir_all(shop.machine.path("back"));
        shop.machine.succeed(&["copy", location, "oci:back", key, "--require-binding=2"]);
        let back = sealcrate_test_kit::Layout::open(shop.machine.path("back"));
        let opened = back.json(&back.root());
        assert_eq!(opened["annotations"], plain["annotations"]);
        for (child, original) in children(&opened).iter().zip(children(&plain)) {
            assert_eq!(child["annotations"], original["annotations"]);
        }
    };
    shop.machine.succeed(&["copy", &from, "oci:again:latest", KEY, "-r", OTHER]);
    holds("oci:again:latest", OTHER_KEY);
    shop.machine.succeed(&["rewrap", &shop.name("1"), KEY, "--add", OTHER]);
    holds(&from, OTHER_KEY);
    let anew = ["rewrap", &shop.name("1"), KEY, "--reencrypt", "--add=jwe:ec.pub.pem"];
    shop.machine.succeed(&anew);
    holds(&from, KEY);
    // The format for recipients gives the children's bytes back, too.
    let (_, back) = shop.pull("1", &[]);
    let opened = back.json(&back.root());
    let digests = |of: &Value| children(of).iter().map(|it| it["digest"].clone()).collect();
    let (after, before): (Vec<Value>, Vec<Value>) = (digests(&opened), digests(&plain));
    // Histories of private layers are scrubbed.
    assert_ne!(after, before);
    shop.push("several", "3", &["--keep-history"]);
    let (_, back) = shop.pull("3", &[]);
    let opened = back.json(&back.root());
    assert_eq!(digests(&opened), before);
    assert_eq!(opened, plain);
}
