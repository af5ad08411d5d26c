//! `inspect` and the dry run show the parts of an image that a stranger reads, and the facts that
//! no key shows.

use sealcrate_test_kit::{OCI_INDEX, OCI_MANIFEST};
use sealcrate_tests::fixtures::FAST;
use serde_json::{Value, json};

use crate::shop::{KEY, OTHER, OTHER_KEY, OWNER, Shop, children};

#[test]
fn all_that_a_stranger_reads_is_told_before_and_afterwards() {
    let shop = Shop::new();
    let layout = shop.push_several("0");
    let mut plain = layout.json(&layout.root());
    for child in plain["manifests"].as_array_mut().unwrap() {
        let mut manifest = layout.json(child);
        manifest["annotations"] = json!({ "org.example.of": "the manifest" });
        manifest["layers"][0]["annotations"] = json!({ "org.example.of": "the clear layer" });
        manifest["layers"][1]["annotations"] = json!({ "org.example.of": "the private layer" });
        let new = layout.add(OCI_MANIFEST, manifest.to_string().as_bytes());
        (child["digest"], child["size"]) = (new["digest"].clone(), new["size"].clone());
        child["annotations"] = json!({ "org.example.of": "the child" });
    }
    plain["annotations"] = json!({ "org.example.of": "the index" });
    layout.name(&layout.add(OCI_INDEX, plain.to_string().as_bytes()));
    let name = shop.name("1");
    let push = ["push", &name, "--from=oci:several", "--platform=linux/amd64"];
    let dry =
        |more: &[&str]| shop.machine.succeed(&[&push[..], &["--dry-run"], more].concat()).stdout;
    let config = layout.json(&layout.json(&children(&plain)[0])["config"]);
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap().clone();
    let everything =
        ["the index", "the child", "the manifest", "the clear layer", "the private layer"];
    let nothing = dry(&["--type=NONE", "--allow-exposing"]);
    assert!(everything.iter().all(|it| nothing.contains(it)), "{nothing}");
    let oci = dry(&["--encrypt-layer=1", "-r", OTHER]);
    let told = |said: &str| everything.map(|it| said.contains(it));
    assert_eq!(told(&oci), [false, false, false, true, false], "{oci}");
    let has_ids = |said: &str| diff_ids.iter().all(|id| said.contains(id.as_str().unwrap()));
    assert!(has_ids(&oci) && oci.contains("test guesses"), "{oci}");
    let hidden = dry(&["--encrypt-layer=1"]);
    assert!(!has_ids(&hidden), "{hidden}");
    // After the push, the image is as the dry run said.
    shop.machine.succeed(&[&push[..], &["--encrypt-layer=1", "-r", OTHER]].concat());
    let from = format!("docker://{name}");
    let said = shop.machine.succeed(&["inspect", &from]).stdout;
    assert_eq!(told(&said), [false, false, false, true, false], "{said}");
    assert!(has_ids(&said), "{said}");
    let sealed = shop.machine.succeed(&["inspect", &from, OTHER_KEY]).stdout;
    assert!(sealed.contains("sealed annotation: org.example.of=the manifest"), "{sealed}");
    let said = shop.machine.succeed(&["inspect", "oci:several", "--platform=linux/amd64"]).stdout;
    assert!(everything.iter().all(|it| said.contains(it)), "{said}");
    let seen = ["inspect", "oci:several", "--platform=linux/amd64", "--output=json"];
    let seen = shop.machine.succeed(&seen).json();
    let places: Vec<&Value> =
        seen["visible"]["annotations"].as_array().unwrap().iter().map(|it| &it["of"]).collect();
    assert_eq!(places, ["index", "child", "manifest", "layer 0", "layer 1"]);
    assert_eq!(seen["visible"]["diffIds"], Value::from(diff_ids));
}

#[test]
fn rare_members_that_a_stranger_reads_are_told() {
    let shop = Shop::new();
    let layout = shop.several();
    let mut plain = layout.json(&layout.root());
    let about = |name: &str| layout.add(OCI_MANIFEST, name.as_bytes());
    let (of_index, of_manifest) = (about("of the index"), about("of the manifest"));
    let mut manifest = layout.json(&children(&plain)[0]);
    manifest["artifactType"] = "application/vnd.example.manifest".into();
    manifest["subject"] = of_manifest.clone();
    manifest["layers"][0]["urls"] = json!(["https://x.example/clear"]);
    manifest["layers"][1]["urls"] = json!(["https://x.example/private"]);
    let mut child = layout.add(OCI_MANIFEST, manifest.to_string().as_bytes());
    child["platform"] = plain["manifests"][0]["platform"].clone();
    plain["manifests"][0] = child;
    plain["artifactType"] = "application/vnd.example.index".into();
    plain["subject"] = of_index.clone();
    layout.name(&layout.add(OCI_INDEX, plain.to_string().as_bytes()));
    let digest = |of: &Value| of["digest"].as_str().unwrap().to_owned();
    let expected = [
        ("index", "artifact type", "application/vnd.example.index".to_owned()),
        ("index", "subject", digest(&of_index)),
        ("manifest", "artifact type", "application/vnd.example.manifest".to_owned()),
        ("manifest", "subject", digest(&of_manifest)),
        ("layer 0", "URL", "https://x.example/clear".to_owned()),
        ("layer 1", "URL", "https://x.example/private".to_owned()),
    ];
    let one = "--platform=linux/amd64";
    let name = shop.name("1");
    let dry = ["push", &name, "--from=oci:several", "--type=NONE", "--dry-run", one];
    let inspect = ["inspect", "oci:several", one];
    for command in [&dry[..], &inspect] {
        let said = shop.machine.succeed(command);
        for (place, member, text) in &expected {
            let line = format!("{member} of the {place}: {text}");
            let told = said.stdout.lines().filter(|it| it.ends_with(&line)).count();
            assert_eq!(told, 1, "{line}: {}", said.said());
        }
        let seen = shop.machine.succeed(&[command, &["--output=json"]].concat()).json();
        let members: Vec<Value> = expected
            .iter()
            .map(|(of, member, text)| json!({ "of": of, "member": member, "text": text }))
            .collect();
        assert_eq!(seen["visible"]["members"], Value::from(members));
    }
    // An encrypted image has none of them.
    let private = ["push", &name, "--from=oci:several", "--encrypt-layer=1", OWNER, one];
    let before = shop.machine.succeed(&[&private[..], &["--dry-run"]].concat()).stdout;
    shop.machine.succeed(&private);
    let after = shop.machine.succeed(&["inspect", &name]).stdout;
    for (_, member, text) in &expected {
        for said in [&before, &after] {
            let told = said.contains(text) || said.contains(&format!("{member} of the"));
            assert!(!told, "{said}");
        }
    }
}

#[test]
fn facts_that_no_key_tells_are_told_of_encrypted_images() {
    let shop = Shop::new();
    let words = "nothing tells whether an older image was put back under the tag";
    let told = |more: &[&str]| {
        let done = shop.machine.succeed(&[&["inspect"], more].concat());
        assert!(done.stdout.lines().filter(|line| line.starts_with(words)).count() < 2);
        done.stdout.contains(words) && done.stdout.contains("handed the image on")
    };
    assert!(!told(&["oci:image"]));
    let name = shop.name("1");
    for (format, key) in [
        (&[OWNER][..], KEY),
        (&["--pass-file=key", FAST], "--pass-file=key"),
        (&["--pass-file=key", FAST, "--compat"], "--pass-file=key"),
    ] {
        let push = ["push", &name, "--from=oci:image", "--encrypt-layer=1"];
        shop.machine.succeed(&[&push[..], format].concat());
        assert!(told(&[&name]));
        // A key changes nothing of that.
        assert!(told(&[&name, key]));
        // A URL that holds key data does not count.
        let seen = shop.machine.succeed(&["inspect", &name, "--output=json"]).json();
        assert_eq!(seen["visible"]["members"], json!([]));
    }
}
