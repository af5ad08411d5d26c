//! Reuse: the memory of a machine opens nothing for its finder, and readers whom others have removed get
//! nothing of the next push.

use std::fs;
use std::path::{Path, PathBuf};

use sealcrate_test_kit::http::request;
use sealcrate_test_kit::{FaultProxy, Image, Layout};
use sealcrate_tests::fixtures::{
    Machine, TestImage, parsed, random_bytes, requests, run, succeeded, tar_of,
};
use sealcrate_tests::{Registry, files_containing};
use serde_json::{Value, json};

/// A recipient of `age-keygen`, for tests alone.
pub(crate) const OTHER: &str = "age1asevwmszlt4gs9xp9m7cquqp3r6mmd6xkh503m74act8nz2z5qzsjjudrx";

/// A registry behind a proxy, a machine that pushes to it, and another one with the same identity.
pub(crate) struct Scene {
    pub(crate) registry: Registry,
    pub(crate) proxy: FaultProxy,
    pub(crate) machine: Machine,
    pub(crate) elsewhere: Machine,
    pub(crate) recipient: String,
    pub(crate) image: TestImage,
}

/// The outcome of a push.
pub(crate) struct Outcome {
    pub(crate) layers: Vec<String>,
    pub(crate) said: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let registry = Registry::plain();
        let proxy = FaultProxy::start(registry.host(), Vec::new());
        let (machine, elsewhere) = (Machine::with_own_passphrase(), Machine::with_own_passphrase());
        let mut keygen = machine.sandbox.sealcrate();
        let said = succeeded(&run(keygen.args(["keygen", "--out", "identity"])));
        let recipient = said.trim().strip_prefix("Public key: ").expect("it is told").to_owned();
        let identity = |machine: &Machine| machine.sandbox.work().join("identity");
        fs::copy(identity(&machine), identity(&elsewhere)).expect("the sandbox can be written");
        let image = TestImage::of(&[("low", &random_bytes(1000)), ("high", &random_bytes(1000))]);
        Self { registry, proxy, machine, elsewhere, recipient, image }
    }

    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.proxy.host())
    }

    /// Pushes the image to the recipient, from the machine.
    pub(crate) fn push(&self, name: &str) -> Outcome {
        self.push_from(&self.machine, &self.image.location(), name, &[])
    }

    pub(crate) fn push_from(
        &self,
        machine: &Machine,
        from: &str,
        name: &str,
        options: &[&str],
    ) -> Outcome {
        let mut push = machine.sandbox.sealcrate();
        push.args(["push", &self.name(name), "--from", from, "--all-layers"]);
        let said = succeeded(&run(push.args(["-r", &self.recipient]).args(options)));
        let (repository, tag) = name.split_once(':').expect("there is a tag");
        Outcome { layers: self.layers(repository, tag), said }
    }

    /// Changes the readers of the image, from the other machine.
    pub(crate) fn rewrap_elsewhere(&self, name: &str, change: &[&str]) {
        let mut rewrap = self.elsewhere.sandbox.sealcrate();
        rewrap.args(["rewrap", &format!("docker://{}", self.name(name)), "-i", "identity"]);
        succeeded(&run(rewrap.args(change)));
    }

    /// Adds a reader from the other machine, and removes him again under new keys.
    pub(crate) fn rotate_elsewhere(&self, name: &str) {
        self.rewrap_elsewhere(name, &["--add", OTHER]);
        self.rewrap_elsewhere(name, &["--reencrypt", "--add", &self.recipient]);
    }

    /// The digests of all layers under a tag, in an index the layers of all its images.
    pub(crate) fn layers(&self, repository: &str, tag: &str) -> Vec<String> {
        let root = self.registry.manifest(repository, tag).expect("it was pushed");
        let list = |manifest: &Value, member: &str| -> Vec<String> {
            let items = manifest[member].as_array().cloned().unwrap_or_default();
            let digest = |item: &Value| item["digest"].as_str().map(str::to_owned);
            items.iter().filter_map(digest).collect()
        };
        let root = parsed(&root);
        let mut layers = list(&root, "layers");
        for child in list(&root, "manifests") {
            let child = self.registry.blob(&child).expect("an index names what is there");
            layers.extend(list(&parsed(&child), "layers"));
        }
        layers
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.machine.sandbox.cache().join("sealcrate")
    }

    pub(crate) fn key(&self) -> PathBuf {
        state(&self.machine).join("key")
    }
}

/// Where the key of a machine lies.
pub(crate) fn state(machine: &Machine) -> PathBuf {
    machine.sandbox.state().join("sealcrate")
}

pub(crate) fn share_none(one: &[String], other: &[String]) -> bool {
    !one.iter().any(|layer| other.contains(layer))
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the sandbox can be written");
    for entry in fs::read_dir(from).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().expect("an entry has a name");
        fs::copy(&path, to.join(name)).expect("it can be copied");
    }
}

#[test]
fn a_stolen_cache_folder_opens_no_layer() {
    let scene = Scene::new();
    let first = scene.push("app:1");
    let key = fs::read(scene.key()).expect("the key is there");
    assert_eq!(key.len(), 32);
    assert_eq!(files_containing(&scene.machine.sandbox.cache(), &key), [] as [PathBuf; 0]);
    // A thief of both folders gets as much as the machine.
    let thief = Machine::with_own_passphrase();
    copy_folder(&scene.cache(), &thief.sandbox.cache().join("sealcrate"));
    copy_folder(&state(&scene.machine), &state(&thief));
    let with_both = scene.push_from(&thief, &scene.image.location(), "app:2", &[]);
    assert_eq!(with_both.layers, first.layers);
    fs::remove_file(state(&thief).join("key")).expect("it can be removed");
    let with_the_cache = scene.push_from(&thief, &scene.image.location(), "app:3", &[]);
    assert!(share_none(&with_the_cache.layers, &first.layers));
}

#[test]
fn a_key_that_lay_in_the_cache_folder_opens_nothing_later() {
    let scene = Scene::new();
    let first = scene.push("app:1");
    let old = scene.cache().join("key");
    fs::rename(scene.key(), &old).expect("it can be moved");
    let bytes = fs::read(&old).expect("it is there");
    let next = scene.push("app:2");
    assert_eq!(next.layers, first.layers, "what was remembered is lost");
    assert!(!old.exists());
    let new = fs::read(scene.key()).expect("a key is there");
    assert!(new != bytes, "the key is the one that was in the cache folder");
    fs::write(scene.key(), bytes).expect("it can be written");
    let with_the_old = scene.push("app:3");
    assert!(share_none(&with_the_old.layers, &first.layers));
}

#[test]
fn nothing_is_left_of_a_purged_memory() {
    let scene = Scene::new();
    scene.push("app:1");
    let mut purge = scene.machine.sandbox.sealcrate();
    let said = succeeded(&run(purge.args(["cache", "purge"])));
    for folder in [scene.cache(), state(&scene.machine)] {
        assert!(said.contains(&format!("{} is gone", folder.display())), "{said}");
        assert!(!folder.exists());
    }
}

#[test]
fn who_was_removed_elsewhere_gets_nothing_of_the_next_push() {
    for target in ["app:1", "app:2", "other:1"] {
        let scene = Scene::new();
        let first = scene.push("app:1");
        scene.rotate_elsewhere("app:1");
        let next = scene.push(target);
        assert!(share_none(&next.layers, &first.layers), "{target}");
        let told: Vec<_> =
            next.said.lines().filter(|line| line.contains("encrypted anew: ")).collect();
        assert!(told.len() == 1 && told[0].contains("2 layers are"), "{}", next.said);
        assert!(told[0].contains("/app:1 ") && told[0].contains("--reuse-anyway"), "{told:?}");
        // From then on, the machine knows all layers again.
        let again = scene.push(target);
        assert_eq!(again.layers, next.layers, "{target}");
        assert!(!again.said.contains("encrypted anew"), "{}", again.said);
    }
}

#[test]
fn who_was_added_elsewhere_gets_nothing_of_the_next_push() {
    let scene = Scene::new();
    let first = scene.push("app:1");
    scene.rewrap_elsewhere("app:1", &["--add", OTHER]);
    assert_eq!(scene.layers("app", "1"), first.layers, "a rewrap leaves layers as they are");
    assert!(share_none(&scene.push("app:2").layers, &first.layers));
}

#[test]
fn who_came_and_went_elsewhere_gets_nothing_of_the_next_push() {
    let scene = Scene::new();
    let first = scene.push("app:1");
    let before = scene.registry.tag_digest("app", "1");
    scene.rewrap_elsewhere("app:1", &["--add", OTHER]);
    scene.rewrap_elsewhere("app:1", &["--remove", OTHER]);
    assert_eq!(scene.layers("app", "1"), first.layers, "a rewrap leaves layers as they are");
    assert_ne!(scene.registry.tag_digest("app", "1"), before, "the former bytes are back");
    assert!(share_none(&scene.push("app:1").layers, &first.layers));
}

#[test]
fn one_changed_tag_of_several_is_enough() {
    let scene = Scene::new();
    let first = scene.push("app:1");
    assert_eq!(scene.push("app:2").layers, first.layers);
    scene.rotate_elsewhere("app:1");
    assert!(share_none(&scene.push("app:3").layers, &first.layers));
}

#[test]
fn a_tag_that_others_have_taken_is_pushed_anew() {
    let scene = Scene::new();
    let first = scene.push("app:1");
    let theirs = TestImage::of(&[("theirs", &random_bytes(1000))]);
    scene.push_from(&scene.elsewhere, &theirs.location(), "app:2", &[]);
    let next = scene.push("app:2");
    assert!(share_none(&next.layers, &first.layers));
    assert!(next.said.contains("that this machine has not pushed"), "{}", next.said);
}

#[test]
fn whoever_says_so_uses_layers_again() {
    let scene = Scene::new();
    let first = scene.push("app:1");
    scene.rotate_elsewhere("app:1");
    let location = scene.image.location();
    let next = scene.push_from(&scene.machine, &location, "app:2", &["--reuse-anyway"]);
    assert_eq!(next.layers, first.layers);
    assert!(!next.said.contains("encrypted anew"), "{}", next.said);
    let asked = requests(&scene.proxy, "HEAD", "/manifests/");
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn a_layer_without_any_tag_left_is_not_used_again() {
    let scene = Scene::new();
    let first = scene.push("app:1");
    // The registry forgets the tag, and keeps the blobs.
    let tags = scene.registry.storage_dir().join("docker/registry/v2/repositories/app");
    fs::remove_dir_all(tags.join("_manifests/tags/1")).expect("the storage can be written");
    let gone = request("HEAD", scene.registry.host(), "/v2/app/manifests/1", &[], b"");
    assert_eq!(gone.expect("the registry answers").status, 404);
    let next = scene.push("app:2");
    assert!(share_none(&next.layers, &first.layers));
    assert!(next.said.contains("no tag is left"), "{}", next.said);
}

#[test]
fn each_tag_is_asked_for_once() {
    let scene = Scene::new();
    for name in ["app:1", "app:2", "other:1"] {
        scene.push(name);
    }
    let before = requests(&scene.proxy, "HEAD", "/manifests/").len();
    scene.push("app:3");
    let asked = requests(&scene.proxy, "HEAD", "/manifests/");
    let mut targets: Vec<_> = asked[before..].iter().map(|asked| asked.head.target()).collect();
    targets.sort_unstable();
    let expected = ["app/manifests/1", "app/manifests/2", "app/manifests/3", "other/manifests/1"];
    assert_eq!(targets, expected.map(|target| format!("/v2/{target}")));
}

/// An index of two platforms, as `--from` takes it.
fn index_of_two(machine: &Machine) -> String {
    let folder = machine.sandbox.work().join("index");
    let layout = Layout::create(folder.clone());
    let children = ["amd64", "arm64"].map(|architecture| {
        let image = Image::of([tar_of(architecture, &random_bytes(1000))])
            .with("architecture", json!(architecture));
        let mut child = image.add_to(&layout);
        child["platform"] = json!({ "architecture": architecture, "os": "linux" });
        child
    });
    layout.list(&[layout.add_index(&children)]);
    format!("oci:{}", folder.display())
}

#[test]
fn who_was_removed_from_an_index_elsewhere_gets_nothing_of_the_next_push() {
    let scene = Scene::new();
    let from = index_of_two(&scene.machine);
    let push = |name: &str| scene.push_from(&scene.machine, &from, name, &[]);
    let first = push("app:1");
    assert_eq!(first.layers.len(), 2);
    let before = requests(&scene.proxy, "HEAD", "/manifests/").len();
    assert_eq!(push("app:1").layers, first.layers, "what a tag names is the index");
    assert_eq!(requests(&scene.proxy, "HEAD", "/manifests/").len(), before + 1);
    scene.rotate_elsewhere("app:1");
    assert!(share_none(&push("app:2").layers, &first.layers));
}
