//! `inspect`: which parts are encrypted, the cost to open them, and the parts that a stranger
//! reads.

use sealcrate_test_kit::Layout;
use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::stored::{digest, layers, manifest};
use sealcrate_tests::fixtures::{FAST, Machine, platform, secret};
use serde_json::json;

/// A machine and a registry with the encrypted image `team/app:1`.
struct Inspected {
    registry: Registry,
    machine: Machine,
    name: String,
    /// A value in the environment of its containers.
    token: String,
}

impl Inspected {
    fn new() -> Self {
        let (registry, machine, token) = (Registry::plain(), Machine::new(), secret());
        let layout = Layout::create(machine.path("image"));
        let config = json!({
            "author": "Jane",
            "config": { "Env": [format!("TOKEN={token}")], "Cmd": ["/bin/run"] },
        });
        layout.name(&layout.add_image(platform(), &["public", "private"], config));
        let name = format!("{}/team/app:1", registry.host());
        let push = ["push", &name, "--from=oci:image", "--pass-file=key", FAST];
        machine.succeed(&[&push[..], &["--encrypt-layer=1"]].concat());
        Self { registry, machine, name, token }
    }
}

#[test]
fn encrypted_image_is_explained_without_its_secrets() {
    let Inspected { registry, machine, name, token } = Inspected::new();
    let done = machine.succeed(&["inspect", &name]);
    let has = |text: &str| assert!(done.stdout.contains(text), "{text:?} not in {}", done.said());
    has("format    crypto-cli, key data in the member \"crypto\"");
    has("KDF       PBKDF2-HMAC-SHA256, 100000 iterations in all, for 1 salt(s)");
    has(registry.tag_digest("team/app", "1").unwrap().as_str());
    has(&format!(
        "a stranger can read: layer 0; the number of layers and their sizes; of the \
                  config platform {}",
        platform()
    ));
    let line = |beginning: &str| {
        done.stdout.lines().find(|line| line.trim_start().starts_with(beginning)).unwrap()
    };
    assert!(line("config ").ends_with(", encrypted"));
    assert!(line("0  ").contains(" plain "));
    assert!(line("1  ").contains(" encrypted "));
    for hidden in [token.as_str(), "/bin/run", "COPY"] {
        assert!(!done.stdout.contains(hidden), "{hidden} is in {}", done.said());
    }
}

#[test]
fn encrypted_image_is_explained_to_programs() {
    let Inspected { registry, machine, name, token } = Inspected::new();
    let said = machine.succeed(&["inspect", &name, "--output=json"]);
    let seen = said.json();
    let pushed = manifest(&registry, "team/app", "1");
    assert_eq!(seen["manifest"], registry.tag_digest("team/app", "1").unwrap());
    assert_eq!(seen["config"], pushed["config"]["digest"]);
    assert_eq!(seen["configEncrypted"], true);
    let kdf = json!({ "algorithm": "PBKDF2-HMAC-SHA256", "salts": 1, "iterations": 100_000 });
    assert_eq!(seen["kdf"], kdf);
    for (place, layer) in layers(&pushed).iter().enumerate() {
        assert_eq!(seen["layers"][place]["digest"], digest(layer));
        assert_eq!(seen["layers"][place]["size"], layer["size"]);
        assert_eq!(seen["layers"][place]["encrypted"], place == 1);
    }
    assert_eq!(seen["readableByAnyone"]["author"], "Jane");
    assert_eq!(seen["readableByAnyone"].get("enc"), None);
    assert!(seen.get("secret").is_none() && !said.stdout.contains(&token));
}

#[test]
fn passphrase_opens_the_secret_part() {
    let Inspected { machine, name, token, registry: _registry } = Inspected::new();
    let inspect = ["inspect", &name, "--pass-file=key"];
    let done = machine.succeed(&inspect);
    for shown in [
        format!("Env: TOKEN={token}"),
        "Cmd: /bin/run".to_owned(),
        "history: COPY 1".to_owned(),
        "sealed whole".to_owned(),
    ] {
        assert!(done.stdout.contains(&shown), "{shown} is not in {}", done.said());
    }
    let seen = machine.succeed(&[&inspect[..], &["--output=json"]].concat()).json();
    assert_eq!(seen["sealed"], true);
    assert_eq!(seen["secret"]["config"]["Env"], json!([format!("TOKEN={token}")]));
    assert_eq!(seen["secret"]["diffIds"].as_array().unwrap().len(), 2);
    assert_eq!(seen["secret"]["history"], json!(["COPY 0", "COPY 1"]));
    let wrong = ["inspect", &name, "--pass-file=other-key"];
    machine.fail(3, &wrong).says("wrong passphrase");
}

#[test]
fn compatible_shape_is_recognised() {
    let machine = Machine::new();
    machine.layout("image", &["private"]);
    let seal = ["copy", "oci:image", "oci:sealed", "--new-pass-file=key", "--all-layers", FAST];
    machine.succeed(&[&seal[..], &["--compat"]].concat());
    let done = machine.succeed(&["inspect", "oci:sealed"]);
    assert!(done.stdout.contains("in the member \"urls\" (compat)"), "{}", done.said());
    assert!(done.stdout.contains("a stranger can read: no layer; "), "{}", done.said());
}

#[test]
fn plain_image_is_shown_as_open_to_everyone() {
    let machine = Machine::new();
    machine.layout("image", &["public"]);
    let done = machine.succeed(&["inspect", "oci:image"]);
    for shown in ["format    not encrypted", ", plain\n", "everything: platform", "Env: PATH=/bin"]
    {
        assert!(done.stdout.contains(shown), "{shown} is not in {}", done.said());
    }
    let seen = machine.succeed(&["inspect", "oci:image", "--output=json"]).json();
    assert_eq!((&seen["configEncrypted"], &seen["kdf"]), (&json!(false), &json!(null)));
}

#[test]
fn images_that_sealcrate_cannot_open_are_named_by_their_format() {
    let machine = Machine::new();
    machine.layout("image", &["private"]);
    machine.call("openssl", &["genrsa", "-out", "private.pem", "2048"]);
    machine.call("openssl", &["rsa", "-in", "private.pem", "-pubout", "-out", "public.pem"]);
    let copy = ["--insecure-policy", "copy", "--encryption-key=jwe:public.pem"];
    machine.call("skopeo", &[&copy[..], &["oci:image:latest", "oci:foreign:latest"]].concat());
    let done = machine.succeed(&["inspect", "oci:foreign"]);
    assert!(done.stdout.contains("format    OCI image encryption"), "{}", done.said());
}

#[test]
fn hostile_texts_do_not_steer_the_terminal() {
    let machine = Machine::new();
    let layout = Layout::create(machine.path("hostile"));
    // CSI, OSC, the C1 control sequence introducer, carriage return, backspace and bell.
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\r\u{8}\nfake: line";
    let config = json!({
        "author": evil,
        "config": {
            "Env": [format!("A={evil}")],
            "Cmd": [evil],
            "Labels": { evil: evil },
            "User": evil,
            "WorkingDir": evil,
        },
        "history": [{ "created_by": evil }, { "created_by": evil, "empty_layer": true }],
    });
    let mut image = layout.add_image(platform(), &["public"], config);
    layout.name(&image);
    let assert_harmless = |text: &str, what: &str| {
        let harmful: Vec<_> = text.chars().filter(|c| c.is_control() && *c != '\n').collect();
        assert!(harmful.is_empty(), "{what}: {harmful:?}");
        assert!(!text.lines().any(|line| line.starts_with("fake: ")), "{what}: {text}");
    };
    let seal = ["copy", "oci:hostile", "oci:sealed", "--new-pass-file=key", "--all-layers", FAST];
    machine.succeed(&seal);
    for arguments in [
        &["inspect", "oci:hostile"][..],
        &["inspect", "oci:hostile", "--output=json"],
        &["inspect", "oci:sealed"],
        &["inspect", "oci:sealed", "--output=json"],
        &["inspect", "oci:sealed", "--pass-file=key"],
        &["inspect", "oci:sealed", "--pass-file=key", "--output=json"],
        &["push", "127.0.0.1:1/x", "--from=oci:hostile", "--all-layers", "--dry-run"],
        &["push", "127.0.0.1:1/x", "--from=oci:hostile", "--pass-file=key"],
    ] {
        let done = machine.run(arguments);
        assert!(done.stdout.len() + done.stderr.len() > 40, "{}", done.said());
        assert_harmless(&done.stdout, &format!("stdout of {arguments:?}"));
        assert_harmless(&done.stderr, &format!("stderr of {arguments:?}"));
    }

    let label = format!("LABEL com.senetas.crypto.enabled={evil}");
    let history = json!({ "history": [{ "created_by": label, "empty_layer": true }] });
    image = layout.add_image(platform(), &["public"], history);
    layout.name(&image);
    let push = ["push", "127.0.0.1:1/x", "--from=oci:hostile", "--pass-file=key"];
    assert_harmless(&machine.fail(1, &push).stderr, "an error");
    image["platform"]["os"] = evil.into();
    layout.name(&layout.add_index(&[image.clone(), image]));
    let done = machine.fail(1, &["inspect", "oci:hostile"]);
    assert_harmless(&done.stderr, "an error about platforms");
}
