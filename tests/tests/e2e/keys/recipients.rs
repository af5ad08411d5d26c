//! Images that are encrypted to recipients: every command opens the images that skopeo wrote.

use std::fs;
use std::path::PathBuf;

use sealcrate_test_kit::Layout;
use sealcrate_tests::fixtures::Machine;
use sealcrate_tests::fixtures::stored::layers;
use sealcrate_tests::{Done, Registry};
use serde_json::json;

pub(crate) fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates/crypt/tests/data/ocicrypt")
}

/// A machine with the keys of the fixtures in files of their names.
pub(crate) fn machine() -> Machine {
    let machine = Machine::new();
    for entry in fs::read_dir(data().join("keys")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), machine.path(entry.file_name().to_str().unwrap())).unwrap();
    }
    machine
}

/// The location of an image that skopeo encrypted.
pub(crate) fn fixture(name: &str) -> String {
    format!("oci:{}:1", data().join(name).display())
}

#[test]
fn wrong_missing_and_useless_keys_are_told_apart_and_leave_nothing() {
    let (machine, registry) = (machine(), Registry::plain());
    let name = format!("{}/app:1", registry.host());
    machine.succeed(&["copy", &fixture("jwe-ec"), &format!("docker://{name}")]);
    for (more, text) in [
        (&["-i", "rsa.pem"][..], "wrong key"),
        (&[], "no identity was given"),
        (&["--pass-file=key"], "a passphrase does not open it"),
        (&["-i", "key"], "cannot use the key in key: there is no private key"),
        (&["-i", "absent"], "cannot use the key in absent"),
        (&["-i", "ec.password.pem"], "a passphrase is needed"),
        (&["-i", "ec.password.pem:file=other-key"], "wrong password"),
        (&["-i", "rsa.old-password.pem:file=key"], "wrong password"),
        (&["-i", "rsa.old-password-des3.pem:pass=fixture"], "old form"),
    ] {
        let status = if more.contains(&"absent") { 1 } else { 3 };
        machine.fail(status, &[&["pull", &name, "--to=oci:back"], more].concat()).says(text);
        assert!(!machine.path("back").exists());
        machine.fail(status, &[&["pull", &name], more].concat()).says(text);
    }
    let pgp = ["copy", &fixture("pgp"), "oci:back", "-i", "rsa.pem"];
    machine.fail(3, &pgp).says("wrong key");
    let file = ["copy", &fixture("jwe-ec"), "docker-archive:out.tar"];
    machine.fail(3, &file).says("no identity was given");
    assert!(!machine.path("back").exists() && !machine.path("out.tar").exists());
}

#[test]
fn passwords_of_keys_are_named_as_skopeo_names_them() {
    let machine = machine();
    machine.write("password", "fixture\n");
    let image = fixture("jwe-ec");
    for (i, key) in [
        "ec.password.pem:file=password",
        "ec.password.der:pass=fixture",
        "ec.old-password.pem:file=password",
        "ec.pem:file=other-key",
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!("oci:back{i}");
        let done = machine.succeed(&["copy", &image, &to, "--decryption-key", key]);
        let warned = done.stderr.contains("other users of this machine");
        assert_eq!(warned, key.contains(":pass="), "{}", done.said());
    }
    let copy = ["copy", &image, "oci:back9", "-i=ec.password.pem:fd=9"];
    Done::of(&mut machine.under_bash(r#""$@" 9< password"#, &copy)).with_status(0);
}

#[test]
fn advice_for_keys_of_old_forms_can_be_followed() {
    let machine = machine();
    let image = fixture("jwe-ec");
    let made = ["req", "-x509", "-new", "-key", "ec.pem", "-subj", "/CN=x", "-out", "cert.pem"];
    machine.call("openssl", &made);
    let (set, given) = (["-passout", "pass:fixture"], ["-passin", "pass:fixture"]);
    let pbes1 = ["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", "-in", "ec.pem", "-out", "old.pem"];
    let pkcs12 = ["pkcs12", "-export", "-inkey", "ec.pem", "-in", "cert.pem", "-out", "old.p12"];
    for (old, key, make, form, advice) in [
        ("old.pem", "old.pem:pass=fixture", &pbes1[..], "is not supported", "pkcs8 -topk8"),
        ("old.p12", "old.p12", &pkcs12[..], "a PKCS#12 file", "pkcs12"),
        ("old.p12", "old.p12:pass=fixture", &pkcs12[..], "a PKCS#12 file", "pkcs12"),
    ] {
        machine.call("openssl", &[make, &set].concat());
        let done = machine.fail(3, &["copy", &image, "oci:never", "-i", key]).says(form);
        let command = done.stderr.split('`').nth(1).unwrap_or_else(|| panic!("{}", done.said()));
        assert!(command.starts_with(&format!("openssl {advice} ")), "{command}");
        let command = command.replace("OLD", old).replace("NEW", "new.pem");
        let arguments: Vec<_> = command.split(' ').skip(1).collect();
        machine.call("openssl", &[&arguments[..], &given, &set].concat());
        let to = format!("oci:back-{}", key.len());
        machine.succeed(&["copy", &image, &to, "-i", "new.pem:pass=fixture"]);
    }
}

#[test]
fn identity_and_an_image_that_is_not_encrypted_do_not_go_together() {
    let machine = machine();
    machine.layout("image", &["text"]);
    let copy = ["copy", "oci:image", "oci:back", "-i=ec.pem"];
    let done = machine.fail(4, &copy).says("the image is not encrypted");
    assert!(done.lines("hint: ")[0].contains("--allow-unencrypted"), "{}", done.said());
    assert!(!machine.path("back").exists());
    let both = [&copy[..], &["--allow-unencrypted", "--require-binding"]].concat();
    machine.fail(5, &both).says("nothing binds");
    machine.succeed(&[&copy[..], &["--allow-unencrypted"]].concat());
    let seal = ["copy", "oci:image", "oci:sealed", "--new-pass-file=key", "--all-layers"];
    machine.succeed(&[&seal[..], &[sealcrate_tests::fixtures::FAST]].concat());
    let copy = ["copy", "oci:sealed", "oci:back2", "-i=ec.pem"];
    machine.fail(3, &copy).says("an identity does not open it");
}

#[test]
fn binding_can_be_required() {
    let machine = machine();
    let image = fixture("jwe-ec");
    let copy = ["copy", &image, "oci:back", "-i=ec.pem", "--require-binding"];
    machine.fail(5, &copy).says("nothing binds the image's layers");
    assert!(!machine.path("back").exists());
    let inspect = ["inspect", &image, "-i=ec.pem", "--require-binding"];
    machine.fail(5, &inspect).says("nothing binds the image's layers");
    machine.layout("plain", &["text"]);
    machine.fail(4, &["inspect", "oci:plain", "--require-binding"]).says("not encrypted");
}

#[test]
fn decrypted_image_is_published_only_if_that_is_said() {
    let (machine, registry) = (machine(), Registry::plain());
    let (from, to) = (fixture("jwe-ec"), format!("docker://{}/open:1", registry.host()));
    let copy = ["copy", &from, &to, "-i=ec.pem"];
    machine.fail(2, &copy).says("--publish-decrypted");
    assert!(registry.tags("open").is_empty());
    machine.succeed(&[&copy[..], &["--publish-decrypted"]].concat());
    let manifest = sealcrate_tests::fixtures::stored::manifest(&registry, "open", "1");
    for layer in layers(&manifest) {
        let media_type = layer["mediaType"].as_str().unwrap();
        assert!(media_type.ends_with("tar.gzip") && layer.get("annotations").is_none(), "{layer}");
    }
}

#[test]
fn inspect_shows_how_keys_are_wrapped_and_whether_the_image_is_bound() {
    let machine = machine();
    let image = fixture("two-recipients");
    let done = machine.succeed(&["inspect", &image]);
    for text in ["OCI image encryption", "keys      wrapped by jwe, pkcs7", "encrypted", "Env: "] {
        assert!(done.stdout.contains(text), "{text}: {}", done.said());
    }
    let done = machine.succeed(&["inspect", &image, "-i=rsa.pem"]);
    assert!(done.stdout.contains("nothing binds the layers"), "{}", done.said());
    let seen = machine.succeed(&["inspect", &image, "-i=rsa.pem", "--output=json"]).json();
    assert_eq!((&seen["bound"], &seen["wrappedBy"]), (&json!(false), &json!(["jwe", "pkcs7"])));
    machine.fail(3, &["inspect", &image, "-i=ec.pem"]).says("wrong key");
}

#[test]
fn encrypted_image_is_copied_byte_for_byte_without_a_key() {
    let machine = machine();
    let root = Layout::open(data().join("jwe-ec")).root_digest();
    machine.succeed(&["copy", &fixture("jwe-ec"), "oci:copy"]);
    machine.succeed(&["copy", "oci:copy", "oci-archive:copy.tar"]);
    machine.succeed(&["copy", "oci-archive:copy.tar", "oci:again"]);
    for layout in ["copy", "again"] {
        assert_eq!(Layout::open(machine.path(layout)).root_digest(), root);
    }
}
