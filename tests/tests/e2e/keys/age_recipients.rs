//! Images that are encrypted to age recipients and passphrases, in our own item.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_test_kit::Layout;
use sealcrate_tests::fixtures::stored::layers;
use sealcrate_tests::fixtures::{Machine, PASSPHRASE};
use sealcrate_tests::{Done, Registry};
use serde_json::{Value, json};

use crate::keys::recipients::machine;

const ITEM: &str = "org.opencontainers.image.enc.keys.provider.sealcrate";

/// Makes an identity in a file, and returns its recipient.
pub(crate) fn keygen(machine: &Machine, file: &str) -> String {
    let done = machine.succeed(&["keygen", "-o", file]);
    let line = done.lines("Public key: ")[0];
    line["Public key: ".len()..].to_owned()
}

fn manifest_of(machine: &Machine, layout: &str) -> Value {
    let layout = Layout::open(machine.path(layout));
    layout.json(&layout.root())
}

/// The items of a layer.
fn items(layer: &Value) -> Vec<Value> {
    let list = layer["annotations"][ITEM].as_str().unwrap();
    let decoded = list.split(',').map(|item| STANDARD.decode(item).unwrap());
    decoded.map(|json| serde_json::from_slice(&json).unwrap()).collect()
}

#[test]
fn every_recipient_opens_the_image_and_age_itself_the_key() {
    let machine = machine();
    machine.layout("image", &["public", "private"]);
    let (mine, theirs) = (keygen(&machine, "mine"), keygen(&machine, "theirs"));
    machine.write("team", format!("# the team\n\n{theirs}\r\n"));
    let copy = ["copy", "oci:image", "oci:enc:latest", "--encrypt-layer=1", "-r", &mine, "-r=team"];
    machine.succeed(&[&copy[..], &["-r=jwe:rsa.pub.pem"]].concat());
    for key in ["mine", "theirs", "rsa.pem"] {
        let to = format!("oci:by-{key}");
        let back = ["copy", "oci:enc", &to, "-i", key, "--require-binding"];
        machine.succeed(&back).does_not_say("warning");
        let back = manifest_of(&machine, &to["oci:".len()..]);
        assert_eq!(layers(&back), layers(&manifest_of(&machine, "image")));
    }
    keygen(&machine, "stranger");
    machine.fail(3, &["copy", "oci:enc", "oci:back", "-i=stranger"]).says("wrong key");
    let skopeo = ["--insecure-policy", "copy", "--decryption-key=rsa.pem", "oci:enc:latest"];
    machine.call("skopeo", &[&skopeo[..], &["oci:by-skopeo:latest"]].concat());

    let items = items(&layers(&manifest_of(&machine, "enc"))[1]);
    assert_eq!(items.len(), 2);
    assert_eq!((&items[0]["v"], items[0].get("lock")), (&json!(1), None));
    machine.write("wrap", STANDARD.decode(items[0]["wrap"].as_str().unwrap()).unwrap());
    let options = machine.call("age", &["--decrypt", "--identity=mine", "wrap"]);
    let options: Value = serde_json::from_str(&options).unwrap();
    assert_eq!(options["sealcrate"], 2);
    assert!(options["cipheroptions"]["nonce"].is_string() && options["symkey"].is_string());

    let inspect = machine.succeed(&["inspect", "oci:enc", "-i=mine"]);
    assert!(inspect.stdout.contains("wrapped by age, jwe"), "{}", inspect.said());
}

#[test]
fn passphrase_opens_the_image_beside_recipients_or_alone() {
    let (machine, registry) = (machine(), Registry::plain());
    machine.layout("image", &["public", "private"]);
    let mine = keygen(&machine, "mine");
    let name = format!("{}/app:1", registry.host());
    for more in [&["-r", &mine][..], &["--format=oci"]] {
        let push = ["push", &name, "--from=oci:image", "--all-layers", "--pass-file=key"];
        machine.succeed(&[&push[..], more].concat());
        let pushed = sealcrate_tests::fixtures::stored::manifest(&registry, "app", "1");
        let locks =
            layers(&pushed).iter().flat_map(items).filter_map(|item| item.get("lock").cloned());
        let locks: Vec<_> = locks.collect();
        assert_eq!(locks.len(), 2, "one item a layer");
        assert_eq!(locks[0], locks[1], "one derivation an image");
        for more in [&["--pass-file=key"][..], &["--pass-file=key", "-i=rsa.pem"]] {
            let pull = ["pull", &name, "--to=oci:back", "--require-binding"];
            machine.succeed(&[&pull[..], more].concat()).does_not_say("warning");
            std::fs::remove_dir_all(machine.path("back")).unwrap();
        }
        machine
            .fail(3, &["pull", &name, "--to=oci:back", "--pass-file=other-key"])
            .says("wrong key");
        machine.fail(3, &["pull", &name, "--to=oci:back"]).says("a passphrase is needed");
        assert!(!machine.path("back").exists());
        let inspect = machine.succeed(&["inspect", &name, "--pass-file=key"]);
        for text in ["passphrase", "sealed whole"] {
            assert!(inspect.stdout.contains(text), "{text}: {}", inspect.said());
        }
    }
}

#[test]
fn passphrase_in_the_environment_is_not_added_to_recipients() {
    let machine = machine();
    machine.layout("image", &["private"]);
    let mine = keygen(&machine, "mine");
    let copy = ["copy", "oci:image", "oci:enc", "--all-layers", "-r", &mine];
    Done::of(machine.sealcrate(&copy).env("SEALCRATE_PASS", PASSPHRASE)).with_status(0);
    let items = items(&layers(&manifest_of(&machine, "enc"))[0]);
    assert!(items.len() == 1 && items[0].get("lock").is_none(), "{items:?}");
    let back = ["copy", "oci:enc", "oci:back", "--pass-file=key"];
    machine.fail(3, &back).says("a passphrase does not open it");
}

#[test]
fn what_is_no_recipient_is_refused_and_not_repeated() {
    let machine = machine();
    machine.layout("image", &["private"]);
    keygen(&machine, "mine");
    let secret = std::fs::read_to_string(machine.path("mine")).unwrap();
    let secret = secret.lines().last().unwrap();
    machine.write("broken", "age1\n");
    machine.write("empty", "# nobody\n");
    for (recipient, text) in [
        (secret, "a recipient is written age1"),
        ("age1nobody", "it is no age recipient"),
        ("absent", "a recipient is written age1"),
        ("broken", "line 1"),
        ("empty", "there is no recipient in it"),
        ("mine", "it is no age recipient"),
    ] {
        let done =
            machine.fail(2, &["copy", "oci:image", "oci:enc", "--all-layers", "-r", recipient]);
        let done = done.says(text);
        assert!(!done.stderr.contains(secret), "{}", done.said());
        assert!(!machine.path("enc").exists());
    }
    machine.write("mistyped", format!("{}x\n", &secret[..secret.len() - 1]));
    machine.succeed(&["copy", "oci:image", "oci:enc", "--all-layers", "-r=jwe:rsa.pub.pem"]);
    let done = machine.fail(3, &["copy", "oci:enc", "oci:back", "-i=mistyped"]);
    done.says("no age identity").does_not_say("AGE-SECRET-KEY-1Q");
}
