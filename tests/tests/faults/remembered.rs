//! Second pushes from the machine that made the first. It remembers layers, data keys and readers. So
//! it need not trust a manifest, nor send a layer that the registry has somewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use sealcrate_test_kit::FaultProxy;
use sealcrate_test_kit::http::request;
use sealcrate_tests::fixtures::{
    Machine, TestImage, parsed, random_bytes, requests, run, succeeded,
};
use sealcrate_tests::{Anonymous, PASSWORD, Registry, TokenIssuer, TokenLife, USERNAME};
use serde_json::Value;

/// Recipients that `age-keygen` made, for tests alone.
pub(crate) const ONE: &str = "age1l2c6dshs93df23k80rq2xr720wzawrzf5h6a030u5m0hvn6q4c5sl536es";

const OTHER: &str = "age1asevwmszlt4gs9xp9m7cquqp3r6mmd6xkh503m74act8nz2z5qzsjjudrx";

/// A registry behind a proxy, a machine, and the image that it pushes.
pub(crate) struct Scene {
    pub(crate) registry: Registry,
    pub(crate) proxy: FaultProxy,
    pub(crate) machine: Machine,
    pub(crate) image: TestImage,
}

/// The result of a push.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) sent: usize,
    pub(crate) mounted: usize,
    pub(crate) layers: Vec<String>,
    pub(crate) said: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::of(Registry::plain())
    }

    pub(crate) fn of(registry: Registry) -> Self {
        let proxy = FaultProxy::start(registry.host(), Vec::new());
        let image = TestImage::of(&[
            ("low", &random_bytes(1000)),
            ("middle", &random_bytes(1000)),
            ("top", &random_bytes(1000)),
        ]);
        Self { registry, proxy, machine: Machine::with_own_passphrase(), image }
    }

    /// Pushes the two upper layers encrypted to `name`, with these options.
    pub(crate) fn push(&self, name: &str, options: &[&str]) -> Done {
        let before = (self.sent(), self.asked_to_mount());
        let mut push = self.machine.sandbox.sealcrate();
        push.args(["push", &format!("{}/{name}", self.proxy.host()), "--iterations", "100000"]);
        if !options.contains(&"--from") {
            push.args(["--from", &self.image.location()]);
        }
        push.args(["--encrypt-layer", "1", "--encrypt-layer", "2"]);
        let output = run(push.args(options));
        succeeded(&output);
        let sent = self.sent() - before.0;
        let mounted = self.asked_to_mount() - before.1;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let (repository, tag) = name.split_once(':').expect("there is a tag");
        Done { sent, mounted, layers: self.layers(repository, tag), said }
    }

    pub(crate) fn sent(&self) -> usize {
        requests(&self.proxy, "PUT", "/blobs/uploads/").len()
    }

    pub(crate) fn asked_to_mount(&self) -> usize {
        requests(&self.proxy, "POST", "mount=").len()
    }

    pub(crate) fn manifest(&self, repository: &str, tag: &str) -> Value {
        parsed(&self.registry.manifest(repository, tag).expect("it was pushed"))
    }

    pub(crate) fn layers(&self, repository: &str, tag: &str) -> Vec<String> {
        let manifest = self.manifest(repository, tag);
        let layers = manifest["layers"].as_array().expect("it has layers");
        let digest = |layer: &Value| layer["digest"].as_str().map(str::to_owned);
        layers.iter().filter_map(digest).collect()
    }
}

#[test]
fn layers_for_recipients_are_sent_once() {
    let scene = Scene::new();
    let first = scene.push("app:1", &["-r", ONE]);
    assert_eq!(first.sent, 4);
    let again = scene.push("app:2", &["-r", ONE, "-r", OTHER]);
    assert_eq!((again.sent, &again.layers), (0, &first.layers), "the config is the same, in clear");
    let without = scene.push("app:3", &["-r", ONE, "--no-cache"]);
    assert_eq!(without.sent, 2);
    scene.machine.forget();
    let forgotten = scene.push("app:4", &["-r", ONE]);
    assert_eq!(forgotten.sent, 2, "a manifest that anybody can write is no source");
}

#[test]
fn who_is_no_recipient_any_more_gets_nothing_of_the_next_push() {
    let scene = Scene::new();
    let first = scene.push("app:1", &["-r", ONE, "-r", OTHER]);
    let next = scene.push("app:1", &["-r", ONE]);
    assert_eq!(next.sent, 2);
    assert!(next.layers[1..].iter().all(|layer| !first.layers.contains(layer)));
}

#[test]
fn who_was_added_to_an_image_keeps_nothing_of_the_next_push() {
    let scene = Scene::new();
    let first = scene.push("app:1", &["--pass-file", "key", "--format", "oci"]);
    let name = format!("docker://{}/app:1", scene.proxy.host());
    let mut rewrap = scene.machine.sandbox.sealcrate();
    rewrap.args(["rewrap", &name, "--pass-file", "key", "--add", OTHER]);
    succeeded(&run(&mut rewrap));
    assert_eq!(scene.layers("app", "1"), first.layers);
    let next = scene.push("app:1", &["--pass-file", "key", "--format", "oci"]);
    assert!(next.layers[1..].iter().all(|layer| !first.layers.contains(layer)));
}

#[test]
fn passphrases_are_told_apart_in_both_formats() {
    for format in ["crypto-cli", "oci"] {
        let scene = Scene::new();
        let key = scene.machine.sandbox.work().join("key");
        let options = ["--pass-file", "key", "--format", format];
        let first = scene.push("app:1", &options);
        let same = scene.push("app:2", &options);
        assert_eq!(same.layers, first.layers, "{format}");
        fs::write(&key, "another horse battery").expect("the key can be written");
        let other = scene.push("app:3", &options);
        assert!(other.layers[1..].iter().all(|layer| !first.layers.contains(layer)), "{format}");
    }
}

#[test]
fn formats_do_not_share_private_layers() {
    let scene = Scene::new();
    let first = scene.push("app:1", &["--pass-file", "key"]);
    let other = scene.push("app:1", &["--pass-file", "key", "--format", "oci"]);
    assert_eq!(other.layers[0], first.layers[0], "the one in clear");
    assert!(other.layers[1..].iter().all(|layer| !first.layers.contains(layer)));
}

#[test]
fn level_of_compression_does_not_matter_but_its_kind_does() {
    let scene = Scene::new();
    let first = scene.push("app:1", &["-r", ONE]);
    assert_eq!(scene.push("app:1", &["-r", ONE, "--compression-level", "9"]).layers, first.layers);
    let zstd = scene.push("app:1", &["-r", ONE, "--compression", "zstd"]);
    assert!(zstd.layers.iter().all(|layer| !first.layers.contains(layer)));
}

#[test]
fn another_repository_takes_layers_over() {
    let scene = Scene::new();
    let first = scene.push("app:1", &["-r", ONE]);
    let other = scene.push("team/other:1", &["-r", ONE]);
    assert_eq!((other.mounted, &other.layers), (3, &first.layers));
    assert_eq!(other.sent, 1, "the config");
}

#[test]
fn other_repository_that_is_named_is_enough_without_a_memory() {
    let scene = Scene::new();
    let first = scene.push("app:1", &["--pass-file", "key"]);
    scene.machine.forget();
    let from = format!("--cache-from={}/app:1", scene.proxy.host());
    let other = scene.push("team/other:1", &["--pass-file", "key", &from]);
    assert_eq!((other.mounted, other.sent, &other.layers), (3, 1, &first.layers));
}

#[test]
fn token_for_both_repositories_is_asked_for_to_take_a_layer_over() {
    let issuer =
        TokenIssuer::start(Anonymous::Refused, TokenLife::honest(Duration::from_secs(600)));
    let scene = Scene::of(Registry::with_tokens(&issuer));
    scene.machine.sandbox.log_in(&scene.proxy.host(), USERNAME, PASSWORD);
    scene.machine.sandbox.allow_in_clear(&scene.proxy.host());
    let first = scene.push("app:1", &["-r", ONE]);
    let other = scene.push("other:1", &["-r", ONE]);
    assert_eq!((other.mounted, other.sent, &other.layers), (3, 1, &first.layers));
}

#[test]
fn data_key_whose_blob_is_gone_encrypts_nothing() {
    let scene = Scene::new();
    let first = scene.push("app:1", &["-r", ONE]);
    // Another registry under the same name: the proxy leads to it.
    let other = Scene { machine: scene.machine, image: scene.image, ..Scene::new() };
    let next = other.push("app:1", &["-r", ONE]);
    assert_eq!((next.sent, next.mounted), (4, 0));
    assert_eq!(next.layers[0], first.layers[0], "a layer in clear is the same everywhere");
    assert!(next.layers[1..].iter().all(|layer| !first.layers.contains(layer)));
}

#[test]
fn manifest_of_others_at_the_target_is_no_source() {
    let scene = Scene::new();
    let first = scene.push("app:1", &["-r", ONE]);
    let mut poisoned = scene.manifest("app", "1");
    poisoned["layers"][1] = poisoned["layers"][2].clone();
    let headers = [("Content-Type", poisoned["mediaType"].as_str().expect("it names its type"))];
    let bytes = poisoned.to_string().into_bytes();
    let put = request("PUT", scene.registry.host(), "/v2/app/manifests/1", &headers, &bytes)
        .expect("the registry answers");
    assert_eq!(put.status, 201);
    let next = scene.push("app:1", &["-r", ONE]);
    assert_eq!((next.sent, &next.layers[0]), (2, &first.layers[0]), "the one in clear");
    assert!(next.layers[1..].iter().all(|layer| !first.layers.contains(layer)));
}

#[test]
fn cache_that_others_can_read_is_told_and_not_used() {
    let scene = Scene::new();
    scene.push("app:1", &["-r", ONE]);
    let key = scene.machine.sandbox.state().join("sealcrate/key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("the mode can be set");
    let next = scene.push("app:1", &["-r", ONE]);
    assert!(next.said.contains("warning: the cache is not used"), "{}", next.said);
    assert_eq!(next.sent, 2);
}
