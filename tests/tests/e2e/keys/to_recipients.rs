//! Images that are encrypted to recipients here: skopeo opens them, and they tell no more than
//! necessary.

use std::fs;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use sealcrate_test_kit::{Layout, OCI_INDEX, OCI_MANIFEST, digest_of};
use sealcrate_tests::fixtures::stored::{digest, layers, manifest};
use sealcrate_tests::fixtures::{FAST, platform};
use sealcrate_tests::{Done, Registry};
use serde_json::{Value, json};

use crate::keys::recipients::machine;

pub(crate) const ENCRYPTED: &str = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";

pub(crate) const RSA: &str = "-r=jwe:rsa.pub.pem";

pub(crate) const EC: &str = "--encryption-key=jwe:ec.pub.pem";

pub(crate) fn media_types(manifest: &Value) -> Vec<&str> {
    layers(manifest).iter().map(|layer| layer["mediaType"].as_str().unwrap()).collect()
}

pub(crate) fn config(registry: &Registry, manifest: &Value) -> Value {
    serde_json::from_slice(&registry.blob(digest(&manifest["config"])).unwrap()).unwrap()
}

/// Holds that the layers of a decrypted layout are the ones that its config names.
pub(crate) fn assert_whole(layout: &Layout) {
    let manifest = layout.json(&layout.root());
    let config = layout.json(&manifest["config"]);
    for (layer, diff_id) in
        layers(&manifest).iter().zip(config["rootfs"]["diff_ids"].as_array().unwrap())
    {
        let mut tar = Vec::new();
        let blob = layout.blob(digest(layer));
        MultiGzDecoder::new(&blob[..]).read_to_end(&mut tar).unwrap();
        assert_eq!(*diff_id, digest_of(&tar));
    }
}

#[test]
fn buildah_pulls_with_the_key_and_not_without() {
    let (machine, registry) = (machine(), Registry::plain());
    machine.layout("image", &["public", "private"]);
    let name = format!("{}/app:1", registry.host());
    machine.succeed(&["push", &name, "--from=oci:image", "--encrypt-layer=1", RSA]);
    let buildah = |arguments: &[&str]| {
        // The plain storage driver needs no mounts.
        let storage = ["--root=storage", "--runroot=storage-run", "--storage-driver=vfs"];
        let mut command = machine.sandbox.command("buildah");
        // It insists on a file in Docker's folder, if there is one.
        Done::of(command.env_remove("DOCKER_CONFIG").args(storage).args(arguments))
    };
    let pull = ["pull", "--quiet", "--tls-verify=false"];
    assert_ne!(buildah(&[&pull[..], &[&name]].concat()).status, Some(0));
    buildah(&[&pull[..], &["--decryption-key=rsa.pem", &name]].concat()).with_status(0);
    let seen = buildah(&["inspect", "--type=image", &name]).with_status(0).json();
    let pushed = config(&registry, &manifest(&registry, "app", "1"));
    assert_eq!(seen["OCIv1"]["rootfs"]["diff_ids"], pushed["rootfs"]["diff_ids"]);
}

#[test]
fn docker_image_in_a_registry_becomes_an_encrypted_oci_image() {
    let (machine, registry) = (machine(), Registry::plain());
    machine.layout("image", &["public", "private"]);
    let plain = format!("docker://{}/plain:1", registry.host());
    machine.succeed(&["copy", "oci:image", "docker-archive:plain.tar"]);
    machine.succeed(&["copy", "docker-archive:plain.tar", &plain]);
    let stored = manifest(&registry, "plain", "1");
    assert!(stored["mediaType"].as_str().unwrap().contains("docker"), "{stored}");
    for to in [format!("docker://{}/enc:1", registry.host()), "oci:enc".to_owned()] {
        machine.succeed(&["copy", &plain, &to, RSA, "--encrypt-layer=-1"]);
        let back = format!("oci:back-{}", to.len());
        machine.succeed(&["copy", &to, &back, "-i=rsa.jwk", "--require-binding"]);
        assert_whole(&Layout::open(machine.path(&back["oci:".len()..])));
    }
    let copied = manifest(&registry, "enc", "1");
    assert_eq!(copied["mediaType"], OCI_MANIFEST);
    assert_eq!(media_types(&copied)[1], ENCRYPTED);
    assert_eq!(digest(&layers(&copied)[0]), digest(&layers(&stored)[0]), "what is clear is kept");
}

#[test]
fn history_of_private_layers_is_scrubbed_unless_it_is_to_be_kept() {
    let (machine, registry) = (machine(), Registry::plain());
    let layout = Layout::create(machine.path("image"));
    let more = json!({
        "config": { "Env": ["API_TOKEN=hush"] },
        "history": [
            { "created_by": "RUN |1 PUBLIC_ARG=hush /bin/sh -c base" },
            { "created_by": "COPY private" },
            { "created_by": "CMD run", "empty_layer": true },
        ],
    });
    layout.name(&layout.add_image(platform(), &["public", "private"], more));
    let push = |tag: &str, more: &[&str]| {
        let name = format!("{}/app:{tag}", registry.host());
        let push = ["push", &name, "--from=oci:image", RSA, "--encrypt-layer=1"];
        machine.succeed(&[&push[..], more].concat())
    };
    let done = push("1", &[]);
    let warnings = done.lines("warning: ").join("\n");
    assert!(warnings.contains("the build argument PUBLIC_ARG"), "{warnings}");
    assert!(warnings.contains("the environment variable API_TOKEN"), "{warnings}");
    assert!(!warnings.contains("hush"), "{warnings}");
    let stored = config(&registry, &manifest(&registry, "app", "1"));
    let texts = |config: &Value| -> Vec<Value> {
        config["history"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["created_by"].clone())
            .collect()
    };
    assert_eq!(texts(&stored)[1..], [Value::Null, json!("CMD run")]);
    push("2", &["--keep-history"]);
    let kept = manifest(&registry, "app", "2");
    assert_eq!(texts(&config(&registry, &kept))[1], "COPY private");
    assert_eq!(digest(&kept["config"]), digest(&layout.json(&layout.root())["config"]));
    let name = format!("{}/app:1", registry.host());
    let inspect = machine.succeed(&["inspect", &name, "-i=rsa.pem"]);
    for text in ["sealed whole", "Env: API_TOKEN=hush", "PUBLIC_ARG", "a stranger"] {
        assert!(inspect.stdout.contains(text), "{text}: {}", inspect.said());
    }
}

#[test]
fn what_the_format_cannot_hold_is_an_error() {
    let machine = machine();
    machine.layout("image", &["text"]);
    let push = ["push", "127.0.0.1:1/app", "--from=oci:image", "--all-layers"];
    for (more, text) in [
        (&[RSA, "--format=crypto-cli"][..], "none for recipients"),
        (&["--pass-file=key", "--keep-history"], "--keep-history is for oci"),
        (&["--pass-file=key", "--compression=zstd"], "gzip only"),
        (&[RSA, "--compat"], "--compat is for"),
        (&["-r=jwe:rsa.pem"], "it holds a private key"),
        (&["-r=jwe:key"], "there is no public key"),
    ] {
        let done = machine.fail(2, &[&push[..], more].concat()).says(text);
        assert!(!done.stderr.contains("correct horse"), "{}", done.said());
    }
    let none = ["push", "127.0.0.1:1/app", "--from=oci:image", "--type=NONE", RSA];
    machine.fail(2, &none).says("--type NONE encrypts nothing");
    let copy = ["copy", "oci:image", "oci:back"];
    for more in ["--keep-history", "--format=oci", "--compression=zstd"] {
        machine.fail(2, &[&copy[..], &[more]].concat()).says(more.split('=').next().unwrap());
    }
    let archive = ["copy", "oci:image", "docker-archive:out.tar", RSA, "--all-layers"];
    machine.fail(2, &archive).says("a registry or an OCI layout only");
    assert!(!machine.path("back").exists() && !machine.path("out.tar").exists());
}

#[test]
fn encrypted_image_is_not_encrypted_again_but_anew_with_its_key() {
    let machine = machine();
    machine.layout("image", &["public", "private"]);
    machine.succeed(&["copy", "oci:image", "oci:first", RSA, "--encrypt-layer=1"]);
    for more in [&[EC, "--all-layers"][..], &["--new-pass-file=key", "--all-layers", FAST]] {
        let copy = [&["copy", "oci:first", "oci:again"], more].concat();
        let done = machine.fail(1, &copy).says("the image is encrypted already");
        assert!(done.lines("hint: ")[0].contains("--identity"), "{}", done.said());
    }
    let seal = ["copy", "oci:image", "oci:sealed", "--new-pass-file=key", "--all-layers", FAST];
    machine.succeed(&seal);
    machine.fail(1, &["copy", "oci:sealed", "oci:again", EC, "--all-layers"]).says("already");
    assert!(!machine.path("again").exists());
    machine.succeed(&["copy", "oci:first", "oci:again", "-i=rsa.pem", EC]);
    let read = |name: &str| {
        let layout = Layout::open(machine.path(name));
        layout.json(&layout.root())
    };
    let (first, again) = (read("first"), read("again"));
    assert_eq!(media_types(&again), media_types(&first), "what was private stays private");
    assert_ne!(digest(&layers(&again)[1]), digest(&layers(&first)[1]), "the data key is new");
    machine.fail(3, &["copy", "oci:again", "oci:back", "-i=rsa.pem"]).says("wrong key");
    let back = ["copy", "oci:again", "oci:back", "-i=ec.pem", "--require-binding"];
    machine.succeed(&back).does_not_say("warning");
    let plain = read("image");
    assert_eq!(layers(&read("back")), layers(&plain), "layers come back byte by byte");
}

#[test]
fn attestations_stay_out_or_are_put_beside_the_encrypted_image() {
    let (machine, registry) = (machine(), Registry::plain());
    let layout = Layout::create(machine.path("built"));
    let image = layout.add_image(platform(), &["private"], Value::Null);
    let mut about = layout.add_image("unknown/unknown", &["statement"], Value::Null);
    about["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": image["digest"],
    });
    layout.name(&layout.add_index(&[image, about]));
    let name = format!("{}/app:1", registry.host());
    let push = ["push", &name, "--from=oci:built", "--all-layers", RSA];
    let done = machine.succeed(&push);
    assert_eq!(done.lines("note: attestations are left out").len(), 1, "{}", done.said());
    assert_eq!(manifest(&registry, "app", "1")["mediaType"], OCI_MANIFEST);
    machine.succeed(&[&push[..], &["--keep-attestations"]].concat());
    let index = manifest(&registry, "app", "1");
    assert_eq!(index["mediaType"], OCI_INDEX);
    let of = &index["manifests"][1]["annotations"]["vnd.docker.reference.digest"];
    assert_eq!(*of, index["manifests"][0]["digest"]);
    machine.succeed(&["pull", &name, "-i=rsa.pem", "--to=oci:back", "--require-binding"]);
}

#[test]
fn dry_run_tells_what_the_config_would_show() {
    let machine = machine();
    let layout = Layout::create(machine.path("image"));
    let more = json!({ "config": { "Env": ["API_TOKEN=hush"] } });
    layout.name(&layout.add_image(platform(), &["public", "private"], more));
    let push = ["push", "127.0.0.1:1/x", "--from=oci:image", "--dry-run", "--encrypt-layer=1"];
    let done = machine.succeed(&[&push[..], &[RSA]].concat());
    for text in ["everything: platform", "layer   1  encrypted", "variable API_TOKEN"] {
        assert!(done.stdout.contains(text), "{text}: {}", done.said());
    }
    let seen = machine.succeed(&[&push[..], &[RSA, "--output=json"]].concat()).json();
    assert_eq!(seen["configEncrypted"], false);
    machine.fail(2, &[&push[..], &["-r=jwe:rsa.pem"]].concat()).says("a private key");
    let under_passphrase = machine.succeed(&push);
    assert!(!under_passphrase.stdout.contains("API_TOKEN"), "{}", under_passphrase.said());
}

#[test]
fn damaged_layer_is_not_encrypted_and_leaves_no_tag() {
    let (machine, registry) = (machine(), Registry::plain());
    let layout = Layout::create(machine.path("image"));
    layout.name(&layout.add_image(platform(), &["private"], Value::Null));
    let manifest = layout.json(&layout.root());
    let blob =
        machine.path("image/blobs/sha256").join(&digest(&layers(&manifest)[0])["sha256:".len()..]);
    let mut bytes = fs::read(&blob).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&blob, bytes).unwrap();
    let name = format!("{}/app:1", registry.host());
    let push = ["push", &name, "--from=oci:image", "--all-layers", RSA];
    machine.fail(5, &push);
    assert!(registry.tags("app").is_empty());
}

#[test]
fn skopeo_opens_what_is_encrypted_to_a_certificate() {
    let machine = machine();
    for name in ["x509.cert.pem", "x509.key.pem"] {
        fs::copy(crate::keys::decoder::key(name), machine.path(name)).unwrap();
    }
    machine.layout("image", &["public", "private"]);
    let to = "-r=pkcs7:x509.cert.pem";
    machine.succeed(&["copy", "oci:image", "oci:enc:latest", to, "--encrypt-layer=-1"]);
    let keys = ["--decryption-key=x509.key.pem", "--decryption-key=x509.cert.pem"];
    let copy =
        ["--insecure-policy", "copy", keys[0], keys[1], "oci:enc:latest", "oci:other:latest"];
    machine.call("skopeo", &copy);
    let ours = ["copy", "oci:enc", "oci:back", "--require-binding", keys[0], keys[1]];
    machine.succeed(&ours);
    for name in ["other", "back"] {
        assert_whole(&Layout::open(machine.path(name)));
    }
    machine.fail(3, &["copy", "oci:enc", "oci:none", "-i=rsa.pem"]).says("wrong key");
    machine.fail(3, &["copy", "oci:enc", "oci:none", keys[1]]).says("it is a certificate");
    machine.fail(1, &["copy", "oci:image", "oci:none", "-r=pkcs7:rsa.pem", "--all-layers"]);
}
