//! Images of the engine, encrypted to recipients.

use sealcrate_test_kit::{Layout, OCI_CONFIG, OCI_MANIFEST};
use sealcrate_tests::fixtures::secret;
use sealcrate_tests::fixtures::stored::{digest, manifest};
use sealcrate_tests::{Builder, Engine, Registry, busybox};

use crate::keys::recipients::machine;
use crate::keys::to_recipients::{EC, ENCRYPTED, RSA, assert_whole, media_types};

#[test]
fn skopeo_opens_what_is_pushed_from_the_engine_with_every_kind_of_key() {
    let (machine, registry, engine) =
        (machine().with_engine(), Registry::plain(), Engine::from_env());
    let text = secret();
    let dockerfile = "FROM scratch\nCOPY busybox /\nLABEL com.senetas.crypto.enabled=true\n\
                      COPY text /\nLABEL com.senetas.crypto.enabled=false\n\
                      CMD [\"/busybox\", \"cat\", \"/text\"]\n";
    let files: [(&str, &[u8]); 2] = [("busybox", &busybox()), ("text", text.as_bytes())];
    let built = engine.build(Builder::Classic, dockerfile, &files);
    let name = format!("{}/app:1", registry.host());
    engine.run(&["tag", built.name(), &name]);
    let pulled = engine.remove_on_drop(&name);
    let curves = ["-r=jwe:p384.pub.pem", "-r=jwe:p521.pub.pem"];
    machine.succeed(&["push", &name, RSA, EC, curves[0], curves[1]]).does_not_say("warning");
    let pushed = manifest(&registry, "app", "1");
    assert_eq!(pushed["mediaType"], OCI_MANIFEST);
    assert_eq!(pushed["config"]["mediaType"], OCI_CONFIG);
    assert_eq!(media_types(&pushed), [ENCRYPTED.trim_end_matches("+encrypted"), ENCRYPTED]);
    let found = sealcrate_tests::files_containing(&registry.storage_dir(), text.as_bytes());
    assert!(found.is_empty(), "{found:?}");
    // skopeo takes keys on curves in PKCS#8 alone.
    let ec = ["pkcs8", "-topk8", "-nocrypt", "-in", "ec.pem", "-out", "p256.pem"];
    machine.call("openssl", &ec);
    for key in ["rsa", "p256", "p384", "p521"] {
        let (from, to) = (format!("docker://{name}"), format!("oci:by-{key}:latest"));
        let key_file = format!("--decryption-key={key}.pem");
        let copy = ["--insecure-policy", "copy", "--src-tls-verify=false", &key_file, &from, &to];
        machine.call("skopeo", &copy);
        assert_whole(&Layout::open(machine.path(&format!("by-{key}"))));
    }
    engine.run(&["image", "rm", "--force", &name]);
    machine.succeed(&["pull", &name, "-i=ec.pem", "--require-binding"]).does_not_say("warning");
    assert_eq!(engine.image_id(&name), digest(&pushed["config"]));
    assert_eq!(engine.run_container(pulled.name(), &[]), text);
}

#[test]
fn layers_are_compressed_by_zstd_where_that_is_asked_for() {
    let (machine, engine) = (machine().with_engine(), Engine::from_env());
    let files: [(&str, &[u8]); 1] = [("text", b"text")];
    let built = engine.build(Builder::Classic, "FROM scratch\nCOPY text /\n", &files);
    let from = format!("docker-daemon:{}", built.name());
    machine.succeed(&["copy", &from, "oci:enc", RSA, "--all-layers", "--compression=zstd"]);
    let layout = Layout::open(machine.path("enc"));
    let manifest = layout.json(&layout.root());
    assert_eq!(media_types(&manifest), [ENCRYPTED.replace("gzip", "zstd")]);
    machine.succeed(&["copy", "oci:enc", "docker-archive:back.tar:app:1", "-i=rsa.pem"]);
    let back = machine.path("back.tar");
    let engine_name = engine.remove_on_drop("app:1");
    engine.run(&["load", "-i", back.to_str().unwrap()]);
    let config = layout.json(&manifest["config"]);
    let id = engine.image_id(engine_name.name());
    assert_eq!(id, digest(&manifest["config"]), "{config}");
}
