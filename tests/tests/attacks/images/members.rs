//! Members beside the verified ones: names in another case, members that occur twice, and words that
//! nobody vouched for.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use sealcrate_test_kit::{Layout, OCI_MANIFEST};
use sealcrate_tests::fixtures::stored::layers;
use sealcrate_tests::fixtures::{FAST, PASSPHRASE};
use serde_json::{Value, json};

use crate::shop::{KEY, OTHER, Shop, children};

/// Puts a member with this name and value before or behind all others of an object.
fn beside(object: &Value, name: &str, value: &Value, first: bool) -> String {
    let (object, name) = (object.to_string(), Value::from(name));
    let inner = &object[1..object.len() - 1];
    if first {
        format!("{{{name}:{value},{inner}}}")
    } else {
        format!("{{{inner},{name}:{value}}}")
    }
}

#[test]
fn layers_and_configs_under_names_in_another_case_reach_nobody() {
    let shop = Shop::new();
    shop.push("image", "1", &[]);
    let (ours, evil) = (shop.manifest("1"), shop.json(&shop.put_plain("linux/amd64", "evil")));
    let from = format!("docker://{}", shop.name("1"));
    for name in ["Layers", "layer\u{17f}", "layers", "Config", "config", "MediaType", "Annotations"]
    {
        let member = match name.to_lowercase().chars().next() {
            Some('l') => evil["layers"].clone(),
            Some('c') => evil["config"].clone(),
            Some('m') => OCI_MANIFEST.into(),
            _ => json!({}),
        };
        for first in [true, false] {
            shop.put_text("1", &beside(&ours, name, &member, first));
            shop.reading_fails(5, "1");
            shop.rewrap_fails(5, "1", &[]);
            // A plain copy would hand it on to readers that understand it differently.
            shop.fails(5, &["copy", &from, "oci:back:it"]);
            shop.fails(5, &["inspect", &from]);
        }
    }
    for (member, name) in [("layers", "Digest"), ("config", "digest"), ("config", "Size")] {
        let mut text = ours.clone();
        let place = if member == "layers" { &mut text["layers"][1] } else { &mut text["config"] };
        let twice = beside(place, name, &evil["config"][name.to_lowercase()], false);
        *place = "PLACE".into();
        shop.put_text("1", &text.to_string().replace("\"PLACE\"", &twice));
        shop.reading_fails(5, "1");
        shop.fails(5, &["copy", &from, "oci:back:it"]);
    }
}

#[test]
fn children_under_names_in_another_case_reach_nobody() {
    let shop = Shop::new();
    shop.push_several("1");
    let (ours, evil) = (shop.manifest("1"), shop.put_plain("linux/amd64", "evil"));
    let from = format!("docker://{}", shop.name("1"));
    for name in ["Manifests", "manife\u{17f}ts", "manifests"] {
        for first in [true, false] {
            shop.put_text("1", &beside(&ours, name, &json!([evil]), first));
            shop.reading_fails(5, "1");
            shop.rewrap_fails(5, "1", &[]);
            shop.pull_fails(5, "1", &["--platform=linux/amd64"]);
            shop.fails(5, &["copy", &from, "oci:back:it"]);
        }
    }
    for (name, value) in [("Digest", &evil["digest"]), ("Platform", &json!({ "os": "evil" }))] {
        let mut text = ours.clone();
        let twice = beside(&text["manifests"][0], name, value, false);
        text["manifests"][0] = "PLACE".into();
        shop.put_text("1", &text.to_string().replace("\"PLACE\"", &twice));
        shop.reading_fails(5, "1");
        shop.fails(5, &["copy", &from, "oci:back:it"]);
    }
}

#[test]
fn config_with_members_in_another_case_or_twice_reaches_nobody() {
    let shop = Shop::new();
    let plain = shop.json(&shop.put_plain("linux/amd64", "plain"));
    let config = shop.json(&plain["config"]);
    let evil = json!({ "Entrypoint": ["/evil"] });
    let mut inner = config.clone();
    inner["config"] = "PLACE".into();
    let inner = |name: &str| {
        let twice = beside(&config["config"], name, &json!(["/evil"]), false);
        inner.to_string().replace("\"PLACE\"", &twice)
    };
    for text in [
        beside(&config, "Config", &evil, false),
        beside(&config, "config", &evil, false),
        beside(&config, "RootFS", &json!({ "diff_ids": [] }), true),
        inner("cmd"),
        inner("Cmd"),
    ] {
        let mut manifest = plain.clone();
        shop.put_blob(&mut manifest["config"], text.as_bytes());
        shop.put("1", &manifest);
        let from = format!("docker://{}", shop.name("1"));
        shop.fails(5, &["copy", &from, "oci:back:it"]);
        shop.pull_fails(5, "1", &["--allow-unencrypted"]);
        let push = ["copy", &from, "oci:back:it", "--all-layers", "-r", OTHER];
        shop.fails(5, &push);
    }
    // Keys of maps may differ by case.
    let mut config = config;
    config["config"]["Labels"] = json!({ "key": "1", "Key": "2" });
    let mut manifest = plain;
    shop.put_blob(&mut manifest["config"], config.to_string().as_bytes());
    manifest["annotations"] = json!({ "key": "1", "Key": "2" });
    shop.put("1", &manifest);
    let from = format!("docker://{}", shop.name("1"));
    shop.machine.succeed(&["copy", &from, "oci:plain:it"]);
}

/// Writes a stranger's words into every place of a manifest that has one.
fn scribble(manifest: &mut Value) {
    manifest["evil"] = json!({ "evil": "evil" });
    manifest["artifactType"] = "application/vnd.example.evil".into();
    for place in ["config", "layers"] {
        let all: Vec<&mut Value> = match &mut manifest[place] {
            Value::Array(items) => items.iter_mut().collect(),
            one => vec![one],
        };
        for descriptor in all {
            descriptor["urls"] = json!(["http://127.0.0.1:1/evil"]);
            descriptor["evil"] = "evil".into();
            descriptor["data"] = "ZXZpbA==".into();
            descriptor["artifactType"] = "application/vnd.example.evil".into();
            descriptor["platform"] = json!({ "os": "evil", "architecture": "evil" });
            descriptor["annotations"]["org.example.evil"] = "evil".into();
        }
    }
    manifest["annotations"]["org.example.evil"] = "evil".into();
}

#[test]
fn words_of_strangers_beside_layers_do_not_come_along() {
    let shop = Shop::new();
    shop.push("image", "1", &[]);
    shop.machine.succeed(&["copy", &format!("docker://{}", shop.name("1")), "oci:enc:latest"]);
    let enc = Layout::open(shop.machine.path("enc"));
    let mut manifest = enc.json(&enc.root());
    scribble(&mut manifest);
    enc.name(&enc.add(OCI_MANIFEST, manifest.to_string().as_bytes()));
    let has_evil = |manifest: &Value| manifest.to_string().contains("evil");
    shop.machine.succeed(&["copy", "oci:enc", "oci:back:latest", KEY, "--require-binding=2"]);
    let back = Layout::open(shop.machine.path("back"));
    let opened = back.json(&back.root());
    assert!(!has_evil(&opened), "{opened}");
    // Another reader's copy of it has none of them either.
    let read = shop.skopeo_reads("oci:back:latest", &[]);
    assert!(!has_evil(&read.json(&read.root())));
    fs::remove_dir_all(shop.machine.path("back")).unwrap();
    shop.machine.succeed(&["copy", "oci:enc", "oci:back:latest", KEY, "-r", OTHER]);
    let back = Layout::open(shop.machine.path("back"));
    let again = back.json(&back.root());
    assert!(!has_evil(&again), "{again}");
    for more in [&[][..], &["--reencrypt"]] {
        shop.machine.succeed(&["copy", "oci:enc", "oci:work:latest"]);
        let rewrap = ["rewrap", "oci:work:latest", KEY, "--add", OTHER];
        shop.machine.succeed(&[&rewrap[..], more].concat());
        let work = Layout::open(shop.machine.path("work"));
        let rewrapped = work.json(&work.root());
        assert!(!has_evil(&rewrapped), "{rewrapped}");
    }
    // A copy without keys changes no byte.
    shop.machine.succeed(&["copy", "oci:enc", "oci:same:latest"]);
    assert_eq!(Layout::open(shop.machine.path("same")).root_digest(), enc.root_digest());
}

#[test]
fn manifests_have_members_of_the_specification_alone() {
    let shop = Shop::new();
    shop.push("image", "1", &["-r", OTHER]);
    shop.push_several("2");
    let manifest = shop.manifest("1");
    let names = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut expected = ["annotations", "config", "layers", "mediaType", "schemaVersion"].to_vec();
    assert_eq!(names(&manifest), expected);
    expected.retain(|name| *name == "annotations");
    for descriptor in layers(&manifest).iter().chain([&manifest["config"]]) {
        for name in names(descriptor) {
            assert!(["annotations", "digest", "mediaType", "size"].contains(&&*name), "{name}");
        }
    }
    let index = shop.manifest("2");
    assert_eq!(names(&index), ["manifests", "mediaType", "schemaVersion"]);
    for child in children(&index) {
        assert_eq!(names(child), ["digest", "mediaType", "platform", "size"]);
    }
    // Another reader opens it, and finds the same.
    let key = shop.machine.path("rsa.pem");
    let key = format!("--decryption-key={}", key.display());
    let read = shop.skopeo_reads(&format!("docker://{}", shop.name("1")), &[&key]);
    let (_, back) = shop.pull("1", &[]);
    let digests = |of: &Layout| -> Vec<Value> {
        layers(&of.json(&of.root())).iter().map(|layer| layer["digest"].clone()).collect()
    };
    assert_eq!(digests(&read), digests(&back));
}

/// Puts an image that crypto-cli wrote, after a change of its config's members in clear.
fn put_of_crypto_cli(shop: &Shop, change: impl FnOnce(&mut Value)) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/crypt/tests/data/crypto-cli/middle");
    let manifest = fs::read(folder.join("manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let blob = |of: &Value| {
        let digest = of["digest"].as_str().unwrap();
        fs::read(folder.join("blobs").join(digest.replace(':', "/"))).unwrap()
    };
    for layer in layers(&manifest).to_vec() {
        shop.put_blob(&mut layer.clone(), &blob(&layer));
    }
    let mut config: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
    change(&mut config);
    shop.put_blob(&mut manifest["config"], config.to_string().as_bytes());
    shop.put("1", &manifest);
}

#[test]
fn clear_config_does_not_merge_into_what_crypto_cli_encrypted() {
    let shop = Shop::new();
    let pull = |shop: &Shop| {
        let name = shop.name("1");
        let _ = fs::remove_dir_all(shop.machine.path("back"));
        let done = shop.machine.run(&["pull", &name, "--to=oci:back", "--pass-file=key"]);
        done.status.filter(|status| *status == 0).map(|_| {
            let back = Layout::open(shop.machine.path("back"));
            back.json(&back.json(&back.root())["config"])
        })
    };
    put_of_crypto_cli(&shop, |_| ());
    let honest = pull(&shop).expect("it opens");
    let evil = json!({ "Entrypoint": ["/evil"], "Env": ["LD_PRELOAD=/evil"], "User": "0" });
    for name in ["config", "container_config", "history", "rootfs", "variant", "moby.x", "Evil"] {
        put_of_crypto_cli(&shop, |config| config[name] = evil.clone());
        if let Some(opened) = pull(&shop) {
            assert_eq!(opened, honest, "{name}");
        } else {
            assert!(!shop.machine.path("back").exists());
        }
    }
    for name in ["Config", "con\u{66}iG", "ho\u{17f}tory", "Enc"] {
        put_of_crypto_cli(&shop, |config| config[name] = evil.clone());
        if let Some(opened) = pull(&shop) {
            assert_eq!(opened, honest, "{name}");
        }
    }
}

#[test]
fn change_of_passphrase_seals_nothing_that_a_stranger_may_have_set() {
    let shop = Shop::new();
    put_of_crypto_cli(&shop, |config| {
        config["author"] = "evil".into();
        config["config"] = json!({ "Entrypoint": ["/evil"] });
    });
    let (name, from) = (shop.name("1"), format!("docker://{}", shop.name("1")));
    let home = format!("--home={}/app", shop.registry.host());
    let rewrap = ["rewrap", &name, "--pass-file=key", "--new-pass-file=other-key", FAST, &home];
    let done = shop.machine.succeed(&rewrap);
    assert_eq!(done.lines("warning: another tool wrote this image").len(), 1, "{}", done.said());
    let key = "--pass-file=other-key";
    let said = shop.machine.succeed(&["inspect", &from, key]).stdout;
    assert!(said.contains("written by another tool") && !said.contains("sealed whole"), "{said}");
    let seen = shop.machine.succeed(&["inspect", &from, key, "--output=json"]).json();
    assert_eq!((&seen["bound"], &seen["sealed"]), (&false.into(), &false.into()));
    assert!(!seen["secret"].to_string().contains("evil"), "{seen}");
    for binding in ["--require-binding", "--require-binding=2"] {
        shop.fails(5, &["pull", &name, "--to=oci:back", key, binding]);
    }
    // A stranger could not have sealed it either.
    let stored = shop.json(&shop.manifest("1")["config"]);
    assert!(URL_SAFE.decode(stored["enc"].as_str().unwrap()).is_ok());
    assert!(!stored.to_string().contains(PASSPHRASE));
}

#[test]
fn new_keys_seal_nothing_that_a_stranger_may_have_set() {
    let shop = Shop::new();
    put_of_crypto_cli(&shop, |config| config["author"] = "evil".into());
    let child = shop.described("1", "linux/amd64");
    shop.join("2", &[child]);
    let home = format!("--home={}/app", shop.registry.host());
    for tag in ["1", "2"] {
        let (name, before) = (shop.name(tag), shop.registry.tag_digest("app", tag));
        let rewrap = ["rewrap", &name, "--pass-file=key", "--new-pass-file=other-key", FAST, &home];
        let anew = [&rewrap[..], &["--reencrypt"]].concat();
        shop.machine.fail(2, &anew).says("a new record would seal");
        assert_eq!(shop.registry.tag_digest("app", tag), before);
    }
    // An image that we wrote gets new keys.
    let name = shop.name("3");
    let push = ["push", &name, "--from=oci:image", "--encrypt-layer=1", "--pass-file=key", FAST];
    shop.machine.succeed(&push);
    let rewrap = ["rewrap", &name, "--pass-file=key", "--new-pass-file=other-key", FAST];
    shop.machine.succeed(&[&rewrap[..], &["--reencrypt"]].concat());
}
