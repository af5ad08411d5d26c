//! `pull`: the image that it brings, its name, and the blobs that it does not fetch.

use sealcrate_test_kit::{FaultProxy, Layout};
use sealcrate_tests::fixtures::stored::{digest, manifest};
use sealcrate_tests::fixtures::{FAST, Machine, secret};
use sealcrate_tests::{Done, Registry};

/// A registry with the encrypted image `team/app:1`, behind a proxy that records requests.
pub(crate) struct BehindProxy {
    pub(crate) registry: Registry,
    pub(crate) proxy: FaultProxy,
    pub(crate) machine: Machine,
    /// The image ID.
    pub(crate) id: String,
}

impl BehindProxy {
    pub(crate) fn new() -> Self {
        let (registry, machine) = (Registry::plain(), Machine::new());
        let layout = machine.layout("image", &[&secret(), &secret()]);
        let id = digest(&layout.json(&layout.root())["config"]).to_owned();
        let name = format!("{}/team/app:1", registry.host());
        let push = ["push", &name, "--from=oci:image", "--pass-file=key", FAST];
        machine.succeed(&[&push[..], &["--encrypt-layer=1"]].concat());
        let proxy = FaultProxy::start(registry.host(), Vec::new());
        Self { registry, proxy, machine, id }
    }

    /// Lets the machine reach the engine.
    #[cfg(feature = "engine")]
    pub(crate) fn with_engine(self) -> Self {
        Self { machine: self.machine.with_engine(), ..self }
    }

    /// The name by which a machine pulls the image through the proxy.
    pub(crate) fn name(&self) -> String {
        format!("{}/team/app:1", self.proxy.host())
    }

    /// Asserts that the client asked for manifest and config, and for nothing else.
    #[track_caller]
    pub(crate) fn assert_no_layer_was_asked_for(&self) {
        let pushed = manifest(&self.registry, "team/app", "1");
        let wanted = ["/manifests/1".to_owned(), format!("/blobs/{}", digest(&pushed["config"]))];
        let allowed =
            |target: &str| target == "/v2/" || wanted.iter().any(|wanted| target.ends_with(wanted));
        let targets: Vec<_> =
            self.proxy.requests().iter().map(|r| r.head.target().to_owned()).collect();
        assert!(targets.iter().all(|target| allowed(target)), "{targets:?}");
        assert!(targets.iter().any(|target| target.ends_with("/manifests/1")), "{targets:?}");
    }
}

#[test]
fn push_to_a_digest_is_refused() {
    let machine = Machine::new();
    let name = format!("127.0.0.1:1/x@{}", sealcrate_test_kit::digest_of(b""));
    machine.fail(2, &["push", &name, "--from=oci:image"]).says("a digest cannot be pushed to");
}

#[test]
fn wrong_passphrase_fetches_no_layer() {
    let pushed = BehindProxy::new();
    let name = pushed.name();
    for to in [&[][..], &["--to=oci:back"], &["--to=docker-archive:back.tar"]] {
        let pull = [&["pull", &name, "--pass-file=other-key"], to].concat();
        pushed.machine.fail(3, &pull).says("wrong passphrase");
    }
    pushed.assert_no_layer_was_asked_for();
    for left in ["back", "back.tar"] {
        assert!(!pushed.machine.path(left).exists(), "{left}");
    }
}

#[test]
fn missing_passphrase_fetches_no_layer() {
    let pushed = BehindProxy::new();
    let name = pushed.name();
    let done = pushed.machine.fail(3, &["pull", &name]).says("a passphrase is needed");
    assert!(done.lines("hint: ")[0].contains("SEALCRATE_PASS"), "{}", done.said());
    pushed.assert_no_layer_was_asked_for();
}

#[test]
fn plain_image_is_refused_when_a_passphrase_is_given() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    machine.layout("image", &["public"]);
    let name = format!("{}/team/app:1", registry.host());
    machine.succeed(&["push", &name, "--from=oci:image", "--type=NONE"]);
    let pull = ["pull", &name, "--to=oci:back"];
    let refused = |done: Done| {
        let done = done.failed(4).says("the image is not encrypted");
        assert!(done.lines("hint: ")[0].contains("--allow-unencrypted"), "{}", done.said());
        assert!(!machine.path("back").exists());
    };
    refused(machine.run(&[&pull[..], &["--pass-file=key"]].concat()));
    refused(Done::of(machine.sealcrate(&pull).env("SEALCRATE_PASS", "x")));
    refused(machine.run(&["copy", &format!("docker://{name}"), "oci:back", "--pass-file=key"]));
    machine.succeed(&[&pull[..], &["--pass-file=key", "--allow-unencrypted"]].concat());
    assert!(machine.path("back").exists());
}

#[test]
fn encrypted_layers_under_a_plain_config_are_refused() {
    let pushed = BehindProxy::new();
    let layout = Layout::open(pushed.machine.path("image"));
    let plain_config = layout.blob(&pushed.id);
    sealcrate_tests::fixtures::stored::put_blob(
        &pushed.registry,
        "team/app",
        &pushed.id,
        &plain_config,
    );
    let mut crafted = manifest(&pushed.registry, "team/app", "1");
    crafted["config"] = serde_json::json!({
        "mediaType": crafted["config"]["mediaType"],
        "digest": pushed.id,
        "size": plain_config.len(),
    });
    let crafted = crafted.to_string();
    sealcrate_tests::fixtures::stored::put_manifest(
        &pushed.registry,
        "team/app",
        "1",
        crafted.as_bytes(),
    );
    let name = pushed.name();
    let pull = ["pull", &name, "--pass-file=key", "--to=oci:back"];
    let done = pushed.machine.fail(4, &pull).says("encrypted, but its config is not");
    assert!(done.lines("hint: ")[0].contains("--allow-unencrypted"), "{}", done.said());
    assert!(!pushed.machine.path("back").exists());
    pushed.assert_no_layer_was_asked_for();
    pushed.machine.succeed(&[&pull[..], &["--allow-unencrypted"]].concat());
}

#[test]
fn decrypted_image_is_published_only_when_that_is_said() {
    let (pushed, other) = (BehindProxy::new(), Registry::plain());
    let (name, to) = (pushed.name(), format!("docker://{}/open/app:1", other.host()));
    let pull = ["pull", &name, "--pass-file=key", "--to", &to];
    pushed.machine.fail(2, &pull).says("--publish-decrypted");
    let copy = ["copy", &format!("docker://{name}"), &to, "--pass-file=key"];
    pushed.machine.fail(2, &copy).says("--publish-decrypted");
    assert!(other.blobs().is_empty() && pushed.proxy.requests().is_empty());
    pushed.machine.succeed(&[&pull[..], &["--publish-decrypted"]].concat());
    assert_eq!(digest(&manifest(&other, "open/app", "1")["config"]), pushed.id);
}

#[test]
fn names_follow_the_rules_of_docker() {
    let machine = Machine::new();
    for wrong in ["team/UPPER", "a b", "x:tag with space", "-x/y", "x@sha256:00"] {
        machine.fail_usage(&["pull", "--to=oci:back", "--", wrong]);
    }
}
