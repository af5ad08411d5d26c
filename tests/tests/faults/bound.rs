//! Attacks of a stranger on an image that is encrypted to recipients. Every change is refused with the
//! code that fits it, and leaves nothing in engine, layout and temporary folder. Nothing binds an image
//! that another tool wrote, and a note says so.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sealcrate_test_kit::digest_of;
use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::{
    Machine, Pushed, Target, TestImage, failed, image_of, parsed, random_bytes, run, succeeded,
    tar_of,
};
use serde_json::{Value, json};

const PUBLIC_OPTIONS: &str = "org.opencontainers.image.enc.pubopts";
const JWE: &str = "org.opencontainers.image.enc.keys.jwe";

pub(crate) fn key(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/crypt/tests/data/ocicrypt/keys")
        .join(name)
}

/// Pushes `image` to a key of the form `scheme`, its upper layers encrypted.
fn push(machine: &Machine, image: &TestImage, name: &str, (scheme, public): (&str, &str)) {
    let mut push = machine.sandbox.sealcrate();
    push.args(["push", name, "--from", &image.location(), "--encrypt-layer=1"]);
    push.args(["--encrypt-layer=2", "--recipient"]);
    push.arg(format!("{scheme}:{}", key(public).display()));
    succeeded(&run(&mut push));
}

fn three_layers() -> TestImage {
    // Layers that the engine has from one test must not be there in another.
    let files = ["low", "middle", "high"].map(|name| (name, random_bytes(2000)));
    TestImage::of(&files.each_ref().map(|(name, bytes)| (*name, &bytes[..])))
}

fn pushed() -> Pushed {
    pushed_to(("jwe", "rsa.pub.pem"))
}

/// An image whose upper layers are encrypted to a key of a form.
pub(crate) fn pushed_to(recipient: (&str, &str)) -> Pushed {
    let (registry, machine, image) =
        (Registry::plain(), Machine::with_own_passphrase(), three_layers());
    push(&machine, &image, &format!("{}/app:1", registry.host()), recipient);
    Pushed { registry, machine, image }
}

fn pull_into(pushed: &Pushed, name: &str, target: &Target) -> Command {
    pull_with(pushed, "rsa.pem", name, target)
}

pub(crate) fn pull_with(pushed: &Pushed, identity: &str, name: &str, target: &Target) -> Command {
    let mut pull = pushed.machine.sandbox.sealcrate();
    pull.args(["pull", name, "--identity"]).arg(key(identity));
    match target {
        Target::Engine(image) => {
            pull.args(["--as", image.name()]).env("DOCKER_HOST", image.engine().address())
        }
        Target::Layout(folder) => pull.arg("--to").arg(format!("oci:{}:it", folder.display())),
    };
    pull
}

/// Serves the manifest after a change, and holds that it is refused with `code` and these words.
fn refused(pushed: &Pushed, code: i32, words: &str, change: impl FnOnce(&mut Value)) {
    refused_with(pushed, "rsa.pem", code, words, change);
}

/// Does the same for an image that another identity opens.
pub(crate) fn refused_with(
    pushed: &Pushed,
    identity: &str,
    code: i32,
    words: &str,
    change: impl FnOnce(&mut Value),
) {
    let original = pushed.manifest();
    let mut manifest = original.clone();
    change(&mut manifest);
    assert_ne!(manifest, original, "nothing was changed");
    let dishonest = pushed.serving(manifest.to_string().as_bytes());
    let name = format!("{}/app:1", dishonest.host());
    for target in pushed.machine.targets() {
        let pull = &mut pull_with(pushed, identity, &name, &target);
        let said = failed(&run(pull), &[code]);
        let error = said.lines().find(|line| line.starts_with("error: ")).expect("it failed");
        assert!(error.contains(words), "{words:?} is not in {error}");
        pushed.machine.assert_nothing_is_left_of(&pushed.image, &target);
    }
}

fn put_config(pushed: &Pushed, manifest: &mut Value, change: impl FnOnce(&mut Value)) {
    let mut config = parsed(&pushed.blob(&pushed.config()));
    change(&mut config);
    put_blob(pushed, &mut manifest["config"], config.to_string().as_bytes());
}

/// Serves other bytes as the blob of a descriptor, and makes the descriptor name them.
fn put_blob(pushed: &Pushed, descriptor: &mut Value, bytes: &[u8]) {
    descriptor["digest"] = pushed.add_blob(bytes).into();
    descriptor["size"] = bytes.len().into();
}

fn layers(manifest: &mut Value) -> &mut Vec<Value> {
    manifest["layers"].as_array_mut().expect("it is a list")
}

fn diff_ids(config: &mut Value) -> &mut Vec<Value> {
    config["rootfs"]["diff_ids"].as_array_mut().expect("it is a list")
}

/// Changes the bytes that an annotation of a layer holds in base64.
pub(crate) fn change_bytes(layer: &mut Value, name: &str, change: impl FnOnce(&[u8]) -> Vec<u8>) {
    let text = layer["annotations"][name].as_str().expect("it is a text");
    let changed = change(&STANDARD.decode(text).expect("it is base64"));
    layer["annotations"][name] = STANDARD.encode(changed).into();
}

/// Changes the JSON that an annotation of a layer holds in base64.
fn change_annotation(layer: &mut Value, name: &str, change: impl FnOnce(&mut Value)) {
    change_bytes(layer, name, |bytes| {
        let mut value = parsed(bytes);
        change(&mut value);
        value.to_string().into_bytes()
    });
}

/// Changes a member of the protected header of a layer's JWE.
fn change_header(layer: &mut Value, change: impl FnOnce(&mut Value)) {
    change_annotation(layer, JWE, |jwe| {
        let header = jwe["protected"].as_str().expect("it is a text");
        let header = URL_SAFE_NO_PAD.decode(header).expect("it is base64url");
        let mut header = parsed(&header);
        change(&mut header);
        jwe["protected"] = URL_SAFE_NO_PAD.encode(header.to_string()).into();
    });
}

#[test]
fn image_that_nobody_has_changed_is_pulled_into_both() {
    let pushed = pushed();
    for target in pushed.machine.targets() {
        let said = succeeded(&run(&mut pull_into(&pushed, &pushed.name(), &target)));
        assert!(!said.contains("warning"), "{said}");
    }
}

#[test]
fn layers_and_config_cannot_be_given_to_each_other_anew() {
    let pushed = pushed();
    let tampered = "tampered with";
    refused(&pushed, 5, tampered, |manifest| layers(manifest).swap(1, 2));
    refused(&pushed, 5, tampered, |manifest| {
        layers(manifest).swap(1, 2);
        put_config(&pushed, manifest, |config| {
            diff_ids(config).swap(1, 2);
            config["config"]["Cmd"] = json!(["steal"]);
        });
    });
    refused(&pushed, 5, tampered, |manifest| {
        put_config(&pushed, manifest, |config| config["config"]["Cmd"] = json!(["steal"]));
    });
    let evil = tar_of("evil", b"evil");
    let add = |manifest: &mut Value, place: usize| {
        let mut layer = json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar" });
        put_blob(&pushed, &mut layer, &evil);
        layers(manifest).insert(place, layer);
        put_config(&pushed, manifest, |config| {
            diff_ids(config).insert(place, digest_of(&evil).into());
        });
    };
    refused(&pushed, 5, tampered, |manifest| add(manifest, 3));
    refused(&pushed, 5, tampered, |manifest| add(manifest, 0));
    refused(&pushed, 5, tampered, |manifest| {
        let layer = &mut layers(manifest)[0];
        layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar".into();
        put_blob(&pushed, layer, &evil);
        put_config(&pushed, manifest, |config| diff_ids(config)[0] = digest_of(&evil).into());
    });
    for place in 0..3 {
        refused(&pushed, 5, tampered, |manifest| {
            layers(manifest).remove(place);
            put_config(&pushed, manifest, |config| drop(diff_ids(config).remove(place)));
        });
    }
    refused(&pushed, 5, "the config names 3 layers", |manifest| drop(layers(manifest).pop()));
    refused(&pushed, 4, "not encrypted", |manifest| {
        layers(manifest).truncate(1);
        put_config(&pushed, manifest, |config| diff_ids(config).truncate(1));
    });
}

#[test]
fn encryption_cannot_be_stripped() {
    let pushed = pushed();
    let plain = "application/vnd.oci.image.layer.v1.tar+gzip";
    refused(&pushed, 5, "its media type does not", |manifest| {
        manifest["layers"][1]["mediaType"] = plain.into();
    });
    refused(&pushed, 5, "its media type does not", |manifest| {
        layers(manifest).iter_mut().for_each(|layer| layer["mediaType"] = plain.into());
    });
    let strip = |layer: &mut Value| {
        layer["mediaType"] = plain.into();
        layer.as_object_mut().unwrap().remove("annotations");
    };
    refused(&pushed, 5, "tampered with", |manifest| strip(&mut manifest["layers"][1]));
    refused(&pushed, 4, "the image is not encrypted", |manifest| {
        layers(manifest).iter_mut().skip(1).for_each(strip);
    });
    refused(&pushed, 5, "no public options", |manifest| {
        manifest["layers"][1]["annotations"] = json!({});
    });
    refused(&pushed, 5, "no public options", |manifest| {
        layers(manifest).iter_mut().for_each(|layer| layer["annotations"] = json!({}));
    });
    refused(&pushed, 5, "no wrapped key", |manifest| {
        manifest["layers"][1]["annotations"][JWE] = "".into();
    });
    let other = "org.opencontainers.image.enc.keys.none";
    refused(&pushed, 3, "in a way that is not supported: \"none\"", |manifest| {
        let annotations = manifest["layers"][1]["annotations"].as_object_mut().unwrap();
        let keys = annotations.remove(JWE).unwrap();
        annotations.insert(other.to_owned(), keys);
    });
}

#[test]
fn public_options_cannot_be_changed() {
    let pushed = pushed();
    let change = |code, words: &str, change: &dyn Fn(&mut Value)| {
        refused(&pushed, code, words, |manifest| {
            change_annotation(&mut manifest["layers"][1], PUBLIC_OPTIONS, change);
        });
    };
    let nonce = STANDARD.encode([0; 16]);
    change(5, "its public options have a nonce", &|options| {
        options["cipheroptions"]["nonce"] = nonce.clone().into();
    });
    change(5, "does not authenticate", &|options| {
        options["hmac"] = STANDARD.encode([0; 32]).into();
    });
    change(5, "hmac cannot be read", &|options| options["hmac"] = "AAAA".into());
    change(5, "unknown cipher \"ROT13\"", &|options| options["cipher"] = "ROT13".into());
}

#[test]
fn ciphertext_cannot_be_changed() {
    let pushed = pushed();
    let blob = pushed.blob(&pushed.layer(1));
    let places = (0..blob.len()).step_by(blob.len() / 5).chain([blob.len() - 1]);
    let changed = places.map(|at| {
        let mut bytes = blob.clone();
        bytes[at] ^= 1;
        bytes
    });
    for bytes in changed.chain([[&blob[..], b"x"].concat(), blob[1..].to_vec(), Vec::new()]) {
        refused(&pushed, 5, "does not open under its layers' keys", |manifest| {
            put_blob(&pushed, &mut manifest["layers"][1], &bytes);
        });
    }
}

#[test]
fn keys_of_another_image_or_layer_do_not_fit() {
    let pushed = pushed();
    let name = format!("{}/app:2", pushed.registry.host());
    push(&pushed.machine, &three_layers(), &name, ("jwe", "rsa.pub.pem"));
    let other = parsed(&pushed.registry.manifest("app", "2").unwrap());
    refused(&pushed, 5, "tampered with", |manifest| {
        manifest["layers"][1]["annotations"] = other["layers"][1]["annotations"].clone();
    });
    refused(&pushed, 5, "tampered with", |manifest| {
        manifest["layers"][1] = other["layers"][1].clone();
    });
    refused(&pushed, 5, "tampered with", |manifest| {
        manifest["config"] = other["config"].clone();
    });
    refused(&pushed, 5, "tampered with", |manifest| {
        let keys = manifest["layers"][1]["annotations"].clone();
        manifest["layers"][2]["annotations"] = keys;
    });
}

#[test]
fn wrapped_keys_outside_of_the_closed_set_are_refused_at_no_cost() {
    let pushed = pushed();
    let header = |words: &str, name: &str, value: Value| {
        refused(&pushed, 5, words, |manifest| {
            change_header(&mut manifest["layers"][1], |header| header[name] = value);
        });
    };
    header("asks for zip", "zip", "DEF".into());
    header("asks for crit", "crit", json!(["x"]));
    header("asks for alg \"RSA1_5\"", "alg", "RSA1_5".into());
    header("asks for alg \"dir\"", "alg", "dir".into());
    header("asks for enc \"A128CBC-HS256\"", "enc", "A128CBC-HS256".into());
    header("the wrapped key of layer", "kid", "unexpected".into());
    refused(&pushed, 5, "asks for alg \"PBES2-HS256+A128KW\"", |manifest| {
        change_header(&mut manifest["layers"][1], |header| {
            header["alg"] = "PBES2-HS256+A128KW".into();
            header["p2c"] = 2_000_000_000.into();
            header["p2s"] = "AAAA".into();
        });
    });
    refused(&pushed, 5, "encrypted key: it is empty", |manifest| {
        change_annotation(&mut manifest["layers"][1], JWE, |jwe| jwe["encrypted_key"] = "".into());
    });
    for member in ["ciphertext", "tag", "iv"] {
        refused(&pushed, 5, "does not authenticate", |manifest| {
            change_annotation(&mut manifest["layers"][1], JWE, |jwe| {
                let mut bytes = URL_SAFE_NO_PAD.decode(jwe[member].as_str().unwrap()).unwrap();
                bytes[0] ^= 1;
                jwe[member] = URL_SAFE_NO_PAD.encode(bytes).into();
            });
        });
    }
    refused(&pushed, 3, "wrong key", |manifest| {
        change_annotation(&mut manifest["layers"][1], JWE, |jwe| {
            jwe["encrypted_key"] = URL_SAFE_NO_PAD.encode([1; 256]).into();
        });
    });
}

#[test]
fn endless_recipients_are_refused() {
    let pushed = pushed();
    refused(&pushed, 5, "more than 256 times", |manifest| {
        manifest["layers"][1]["annotations"][JWE] = vec!["AAAA"; 10_000].join(",").into();
    });
    refused(&pushed, 3, "more than 4096 attempts", |manifest| {
        change_annotation(&mut manifest["layers"][1], JWE, |jwe| {
            let one = json!({ "header": { "alg": "RSA-OAEP" }, "encrypted_key": "AAAA" });
            jwe["protected"] = URL_SAFE_NO_PAD.encode(r#"{"enc":"A256GCM"}"#).into();
            jwe["recipients"] = vec![one; 900].into();
        });
        let five = [manifest["layers"][1]["annotations"][JWE].as_str().unwrap(); 5].join(",");
        manifest["layers"][1]["annotations"][JWE] = five.into();
    });
}

#[test]
fn what_another_tool_wrote_is_not_held_to_its_config_and_a_warning_says_so() {
    let (registry, machine, image) =
        (Registry::plain(), Machine::with_own_passphrase(), image_of(2000));
    let mut copy = machine.sandbox.command("skopeo");
    copy.args(["--insecure-policy", "copy", "--dest-tls-verify=false", "--encryption-key"]);
    copy.arg(format!("jwe:{}", key("rsa.pub.pem").display()));
    copy.args([&image.location(), &format!("docker://{}/app:1", registry.host())]);
    succeeded(&run(&mut copy));
    let pushed = Pushed { registry, machine, image };
    let mut manifest = pushed.manifest();
    layers(&mut manifest).swap(0, 1);
    put_config(&pushed, &mut manifest, |config| {
        diff_ids(config).swap(0, 1);
        config["config"]["Cmd"] = json!(["steal"]);
    });
    let dishonest = pushed.serving(manifest.to_string().as_bytes());
    let name = format!("{}/app:1", dishonest.host());
    for target in pushed.machine.targets() {
        let said = succeeded(&run(&mut pull_into(&pushed, &name, &target)));
        assert!(said.contains("warning: another tool wrote this image"), "{said}");
    }
    let layout = pushed.machine.layout_target();
    let mut pull = pull_into(&pushed, &name, &layout);
    failed(&run(pull.arg("--require-binding")), &[5]);
    pushed.machine.assert_nothing_is_left_of(&pushed.image, &layout);
    // Changes that show without a binding are refused all the same.
    refused(&pushed, 5, "its public options have a nonce", |manifest| {
        change_annotation(&mut manifest["layers"][1], PUBLIC_OPTIONS, |options| {
            options["cipheroptions"]["nonce"] = STANDARD.encode([0; 16]).into();
        });
    });
    let blob = pushed.blob(&pushed.layer(1));
    refused(&pushed, 5, "does not authenticate", |manifest| {
        put_blob(&pushed, &mut manifest["layers"][1], &[&blob[1..], b"x"].concat());
    });
    refused(&pushed, 5, "", |manifest| layers(manifest).swap(0, 1));
}
