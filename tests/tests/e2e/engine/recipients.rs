//! Images that another tool encrypted, pulled into the engine.

use sealcrate_test_kit::Layout;
use sealcrate_tests::{Engine, Registry};
use serde_json::Value;

use crate::keys::recipients::{data, fixture, machine};

const UNBOUND: &str = "warning: another tool wrote this image";

fn config_of(fixture: &str) -> Value {
    let layout = Layout::open(data().join(fixture));
    layout.json(&layout.json(&layout.root())["config"])
}

#[test]
fn what_skopeo_encrypted_comes_out_of_a_registry_into_the_engine() {
    let (machine, registry, engine) =
        (machine().with_engine(), Registry::plain(), Engine::from_env());
    for (image, key) in [("jwe-ec", "ec.pem"), ("two-recipients", "rsa.jwk")] {
        let name = format!("{}/{image}:1", registry.host());
        machine.succeed(&["copy", &fixture(image), &format!("docker://{name}")]);
        let pulled = engine.remove_on_drop(&name);
        let done = machine.succeed(&["pull", &name, "--identity", key]);
        assert_eq!(done.lines(UNBOUND).len(), 1, "{}", done.said());
        assert_eq!(done.lines("warning: layers are not of the digests").len(), 1);
        let seen: Value =
            serde_json::from_str(&engine.run(&["image", "inspect", pulled.name()])).unwrap();
        assert_eq!(seen[0]["RootFS"]["Layers"], config_of(image)["rootfs"]["diff_ids"]);
    }
}

#[test]
fn wrong_keys_bring_nothing_into_the_engine() {
    let (machine, registry, engine) =
        (machine().with_engine(), Registry::plain(), Engine::from_env());
    let name = format!("{}/app:1", registry.host());
    machine.succeed(&["copy", &fixture("jwe-ec"), &format!("docker://{name}")]);
    let _pulled = engine.remove_on_drop(&name);
    for (key, text) in [
        (&["-i", "rsa.pem"][..], "wrong key"),
        (&[], "no identity was given"),
        (&["--pass-file=key"], "a passphrase does not open it"),
        (&["-i", "ec.password.pem:file=other-key"], "wrong password"),
    ] {
        machine.fail(3, &[&["pull", &name], key].concat()).says(text);
        assert!(!engine.has_image(&name));
    }
}
