//! Second pushes from a machine that remembers nothing, as a CI job's. Only changes are sent, and the
//! push trusts nothing that the passphrase does not authenticate.

use std::fs;

use sealcrate_test_kit::FaultProxy;
use sealcrate_test_kit::http::request;
use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::{
    Machine, Pushed, TestImage, failed, parsed, random_bytes, requests, run, succeeded,
};
use serde_json::Value;

/// A registry behind a proxy, and a machine.
pub(crate) struct Scene {
    pub(crate) registry: Registry,
    pub(crate) proxy: FaultProxy,
    pub(crate) machine: Machine,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let registry = Registry::plain();
        let proxy = FaultProxy::start(registry.host(), Vec::new());
        Self { registry, proxy, machine: Machine::with_own_passphrase() }
    }

    pub(crate) fn name(&self) -> String {
        format!("{}/app:1", self.proxy.host())
    }

    /// Pushes. Returns how many blobs were sent, and the messages of the push.
    pub(crate) fn push(&self, image: &TestImage, options: &[&str]) -> (usize, String) {
        self.machine.forget();
        let before = self.sent();
        let mut push = self.machine.push_with(image, &self.name());
        let output = run(push.args(["--encrypt-layer", "1", "--encrypt-layer", "2"]).args(options));
        succeeded(&output);
        (self.sent() - before, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub(crate) fn sent(&self) -> usize {
        requests(&self.proxy, "PUT", "/blobs/uploads/").len()
    }

    pub(crate) fn manifest(&self) -> Value {
        parsed(&self.registry.manifest("app", "1").expect("it was pushed"))
    }

    /// The digests of the layers, as the registry has them.
    pub(crate) fn layers(&self) -> Vec<String> {
        let manifest = self.manifest();
        let layers = manifest["layers"].as_array().expect("it has layers").clone();
        layers
            .iter()
            .map(|layer| layer["digest"].as_str().expect("a layer has a digest").to_owned())
            .collect()
    }
}

/// An image whose topmost of three layers holds `top`.
pub(crate) fn image(low: &[u8], top: &[u8]) -> TestImage {
    TestImage::of(&[("low", low), ("middle", b"the same in all"), ("top", top)])
}

#[test]
fn only_what_changed_is_sent_again() {
    let scene = Scene::new();
    let low = random_bytes(1000);
    assert_eq!(scene.push(&image(&low, b"first"), &[]).0, 4);
    let first = scene.layers();
    assert_eq!(scene.push(&image(&low, b"second"), &[]).0, 2, "a layer and the config");
    let second = scene.layers();
    assert_eq!(second[..2], first[..2]);
    assert_ne!(second[2], first[2]);
    assert_eq!(scene.push(&image(&low, b"second"), &[]).0, 1, "the config");
    assert_eq!(scene.layers(), second);
    assert_eq!(scene.push(&image(&low, b"second"), &["--no-cache"]).0, 3, "all but the clear one");
    let Scene { registry, machine, .. } = scene;
    let pushed = Pushed { registry, machine, image: image(&low, b"second") };
    let target = pushed.machine.layout_target();
    let name = format!("{}/app:1", pushed.registry.host());
    succeeded(&run(&mut pushed.machine.pull_into(&name, &target)));
    pushed.machine.assert_has(&pushed.image, &target);
}

#[test]
fn layers_of_another_image_are_used_where_that_is_said() {
    let scene = Scene::new();
    let image = image(&random_bytes(1000), b"first");
    scene.push(&image, &[]);
    let layers = scene.layers();
    let push = |tag: &str, more: &[&str]| {
        scene.machine.forget();
        let before = scene.sent();
        let name = format!("{}/app:{tag}", scene.proxy.host());
        let mut push = scene.machine.push_with(&image, &name);
        let choice = ["--encrypt-layer", "1", "--encrypt-layer", "2"];
        succeeded(&run(push.args(choice).args(more)));
        scene.sent() - before
    };
    let from = format!("--cache-from={}", scene.name());
    assert_eq!(push("2", &[&from]), 1);
    assert_eq!(scene.layers(), layers);
    assert_eq!(push("3", &[]), 3);
    let nothing = format!("--cache-from={}/nothing:1", scene.proxy.host());
    assert_eq!(push("4", &[&nothing]), 3);
}

#[test]
fn another_passphrase_sends_private_layers_anew() {
    let scene = Scene::new();
    let image = image(b"low", b"top");
    scene.push(&image, &[]);
    let first = scene.layers();
    fs::write(scene.machine.sandbox.work().join("key"), "another horse battery")
        .expect("the key can be written");
    let (sent, said) = scene.push(&image, &[]);
    assert_eq!(sent, 3);
    assert!(!said.contains("warning"), "{said}");
    assert!(scene.layers()[1..].iter().all(|layer| !first.contains(layer)));
}

#[test]
fn choosing_other_layers_encrypts_and_reveals_as_it_is_said() {
    let scene = Scene::new();
    let image = image(b"low", b"top");
    scene.push(&image, &[]);
    let first = scene.layers();
    scene.machine.forget();
    let push = || {
        let mut push = scene.machine.push_with(&image, &scene.name());
        push.args(["--encrypt-layer", "0", "--encrypt-layer", "2"]);
        push
    };
    assert!(failed(&run(&mut push()), &[2]).contains("layer 1\nhint: --allow-exposing"));
    assert_eq!(scene.layers(), first);
    succeeded(&run(push().arg("--allow-exposing")));
    let second = scene.layers();
    assert!(second[..2].iter().all(|layer| !first.contains(layer)));
    assert_eq!(second[2], first[2]);
    let manifest = scene.manifest();
    let is_private = |place: usize| manifest["layers"][place].get("crypto").is_some();
    assert_eq!([0, 1, 2].map(is_private), [true, false, true]);
}

#[test]
fn poisoned_manifest_is_not_used() {
    let scene = Scene::new();
    scene.push(&image(b"old", b"old top"), &[]);
    let old = scene.manifest();
    scene.push(&image(b"low", b"top"), &[]);
    let mut poisoned = scene.manifest();
    // An older layer, with its own key data: the passphrase opens all of it.
    poisoned["layers"][2] = old["layers"][2].clone();
    let bytes = poisoned.to_string().into_bytes();
    let headers = [("Content-Type", poisoned["mediaType"].as_str().expect("it names its type"))];
    let host = scene.registry.host();
    let put = request("PUT", host, "/v2/app/manifests/1", &headers, &bytes)
        .expect("the registry answers");
    assert_eq!(put.status, 201);
    let (sent, said) = scene.push(&image(b"low", b"top"), &[]);
    assert!(said.contains("warning:") && said.contains("tampered with"), "{said}");
    assert_eq!(sent, 3);
    assert!(
        !scene.layers().contains(
            &old["layers"][2]["digest"].as_str().expect("a layer has a digest").to_owned()
        )
    );
}
