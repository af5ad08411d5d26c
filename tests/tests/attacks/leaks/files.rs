//! Files: the files on disk tell a stranger nothing, and files that he puts there lead nowhere.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use sealcrate_test_kit::{Fault, FaultProxy, Rule, digest_of};
use sealcrate_tests::fixtures::{
    Machine, Pushed, Running, TestImage, failed, parsed, random_bytes, requests, run, succeeded,
    wait_until,
};
use sealcrate_tests::{Registry, files_containing};
use serde_json::{Value, json};

use crate::no_tmpfile::without_tmpfile;

/// A recipient of `age-keygen`, for tests alone.
const SOMEBODY: &str = "age1l2c6dshs93df23k80rq2xr720wzawrzf5h6a030u5m0hvn6q4c5sl536es";
const LENGTH: usize = 1 << 20;

/// A pushed image, and bytes that occur in its upper layer alone.
struct Secret {
    pushed: Pushed,
    needle: Vec<u8>,
}

impl Secret {
    fn new() -> Self {
        let content = random_bytes(LENGTH);
        let needle = content[LENGTH / 2..][..48].to_vec();
        let image = TestImage::of(&[("low", &random_bytes(1000)), ("high", &content)]);
        Self { pushed: Pushed::new(image), needle }
    }

    /// Starts a pull into `target` that waits for its lowest layer, on a system without unnamed
    /// files.
    fn begin_pull(&self, target: &str) -> (FaultProxy, Running) {
        let low = format!("/blobs/{}", self.pushed.layer(0));
        let delay = Rule::new("GET", &low, Fault::Delay(Duration::from_secs(100))).once();
        let proxy = FaultProxy::start(self.pushed.registry.host(), vec![delay]);
        let mut pull = self.pushed.machine.pull(&format!("{}/app:1", proxy.host()));
        let running = Running::start(&mut without_tmpfile(pull.args(["--to", target])));
        wait_until("the delayed request", || !requests(&proxy, "GET", &low).is_empty());
        (proxy, running)
    }
}

/// The files in a folder that have a temporary name.
fn temporary_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths.filter(|path| name_of(path).starts_with(".sealcrate-")).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Holds that nobody else can read a temporary file of a run that has not ended.
fn assert_is_private(path: &Path) {
    // A run removes files. An empty one only shows which permissions the process withholds.
    let Ok(found) = fs::metadata(path) else { return };
    let mode = found.permissions().mode() & 0o777;
    assert!(found.len() == 0 || mode == 0o600, "{mode:o}: others can read {}", path.display());
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// Holds that a folder has the keys of the machine and nothing else.
fn assert_holds_the_keys_alone(folder: &Path) {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let names: BTreeSet<_> =
        entries.map(|entry| name_of(&entry.expect("it can be read").path())).collect();
    assert_eq!(names, ["key", "other-key"].map(str::to_owned).into());
}

#[test]
fn plaintext_is_not_left_by_an_interrupted_pull_where_every_file_has_a_name() {
    let secret = Secret::new();
    let work = secret.pushed.machine.sandbox.work();
    for (target, signal, code) in [
        ("oci:layout", Signal::INT, 130),
        ("oci:layout", Signal::QUIT, 131),
        ("oci-archive:archive.tar", Signal::TERM, 143),
        ("docker-archive:archive.tar", Signal::HUP, 129),
    ] {
        let (_proxy, mut running) = secret.begin_pull(target);
        // Layers of archives wait for those below them.
        let is_layout = target.starts_with("oci:");
        wait_until("a file with a temporary name", || {
            assert!(!running.has_ended(), "{target}: the run ended before it was interrupted");
            let there = temporary_in(&work);
            match is_layout {
                true => there.iter().any(|_| !files_containing(&work, &secret.needle).is_empty()),
                false => !there.is_empty(),
            }
        });
        for path in temporary_in(&work) {
            assert_is_private(&path);
        }
        // Each file there has a name for the moment between its making and its removal.
        wait_until("an empty temporary folder", || secret.pushed.machine.sandbox.is_clean());
        kill_process(running.pid(), signal).expect("the run goes on");
        assert_eq!(running.end().status.code(), Some(code), "{target}");
        assert_holds_the_keys_alone(&work);
        secret.pushed.machine.sandbox.assert_nothing_is_left();
    }
}

#[test]
fn images_are_whole_where_every_file_has_a_name() {
    let secret = Secret::new();
    let machine = &secret.pushed.machine;
    let plain = machine.sandbox.work().join("plain");
    fs::write(&plain, "").expect("the sandbox can be written");
    for target in ["oci:layout:it", "oci-archive:a.tar", "docker-archive:b.tar"] {
        let mut pull = machine.pull(&secret.pushed.name());
        succeeded(&run(&mut without_tmpfile(pull.args(["--to", target]))));
        machine.sandbox.assert_nothing_is_left();
        assert!(temporary_in(&machine.sandbox.work()).is_empty());
    }
    let work = machine.sandbox.work();
    let blobs = files_containing(&work.join("layout"), &secret.needle);
    let [blob] = &blobs[..] else { panic!("{blobs:?}") };
    // The process's umask decides who reads a layout; an archive is for its owner.
    assert_eq!(mode_of(blob), mode_of(&plain));
    assert_eq!([work.join("a.tar"), work.join("b.tar")].map(|path| mode_of(&path)), [0o600; 2]);
    let mut keygen = machine.sandbox.sealcrate();
    keygen.args(["keygen", "--out", "identity"]);
    succeeded(&run(&mut without_tmpfile(&keygen)));
    assert_eq!(mode_of(&work.join("identity")), 0o600);
}

/// A layout within a sandbox that has an image in clear under the name `it`.
struct Layout {
    machine: Machine,
    folder: PathBuf,
    needle: Vec<u8>,
}

impl Layout {
    fn new() -> Self {
        let content = random_bytes(LENGTH);
        let needle = content[LENGTH / 2..][..48].to_vec();
        let image = TestImage::of(&[("low", &random_bytes(1000)), ("high", &content)]);
        let machine = Machine::with_own_passphrase();
        let folder = machine.sandbox.work().join("layout");
        let layout = Self { machine, folder, needle };
        layout.copy(&image.location(), "oci:layout:it", &[]);
        assert!(!layout.in_clear().is_empty());
        layout
    }

    fn copy(&self, from: &str, to: &str, options: &[&str]) -> String {
        let mut copy = self.machine.sandbox.sealcrate();
        succeeded(&run(copy.args(["copy", from, to]).args(options)))
    }

    fn encrypt(&self, to: &str) -> String {
        self.copy("oci:layout:it", to, &["--all-layers", "-r", SOMEBODY])
    }

    fn in_clear(&self) -> Vec<PathBuf> {
        files_containing(&self.folder, &self.needle)
    }

    fn index(&self) -> Value {
        parsed(&fs::read(self.folder.join("index.json")).expect("the layout has an index"))
    }

    fn blob_path(&self, digest: &str) -> PathBuf {
        self.folder.join("blobs").join(digest.replace(':', "/"))
    }

    fn blob(&self, digest: &Value) -> Value {
        let path = self.blob_path(digest.as_str().expect("a descriptor has a digest"));
        parsed(&fs::read(path).expect("the layout has what it names"))
    }

    fn add_entry(&self, entry: Value) {
        let mut index = self.index();
        index["manifests"].as_array_mut().expect("it lists manifests").push(entry);
        fs::write(self.folder.join("index.json"), index.to_string()).expect("it can be written");
    }

    fn blobs(&self) -> usize {
        fs::read_dir(self.folder.join("blobs/sha256")).expect("it is there").count()
    }
}

#[test]
fn what_was_in_clear_is_gone_once_the_image_is_encrypted_in_its_place() {
    let layout = Layout::new();
    let stranger = layout.folder.join("blobs/sha256").join("0".repeat(64));
    fs::write(&stranger, "whose is it?").expect("it can be written");
    layout.encrypt("oci:layout:it");
    assert_eq!(layout.in_clear(), [] as [PathBuf; 0]);
    assert!(stranger.exists(), "what no image named was removed");
    assert_eq!(layout.blobs(), 4 + 1);
}

#[test]
fn keys_of_removed_readers_are_gone_from_a_layout() {
    let layout = Layout::new();
    let mut keygen = layout.machine.sandbox.sealcrate();
    let said = succeeded(&run(keygen.args(["keygen", "--out", "identity"])));
    let recipient = said.trim().strip_prefix("Public key: ").expect("it is told").to_owned();
    let both = ["--all-layers", "-r", SOMEBODY, "-r", &recipient];
    layout.copy("oci:layout:it", "oci:layout:it", &both);
    let old = layout.index()["manifests"][0]["digest"].as_str().map(str::to_owned);
    let old = layout.blob_path(&old.expect("it has a digest"));
    assert!(old.exists());
    let mut rewrap = layout.machine.sandbox.sealcrate();
    rewrap.args(["rewrap", "oci:layout:it", "-i", "identity", "--remove", SOMEBODY]);
    succeeded(&run(&mut rewrap));
    assert!(!old.exists(), "the manifest with the keys is there");
    assert_eq!(layout.blobs(), 4);
}

#[test]
fn what_stays_in_clear_is_told() {
    let layout = Layout::new();
    let said = layout.encrypt("oci:layout:other");
    assert!(said.contains("note: the image in clear stays in layout as it"), "{said}");
    assert!(!layout.in_clear().is_empty(), "another image lost its layers");
    layout.add_entry(json!({
        "mediaType": "application/x-nobody-knows",
        "digest": digest_of(b"unknown"),
        "size": 7,
    }));
    let said = layout.encrypt("oci:layout:it");
    assert!(said.contains("warning: blobs of the replaced image stay in layout"), "{said}");
    let registry = Registry::plain();
    let name = format!("docker://{}/app:1", registry.host());
    let image = TestImage::of(&[("file", &random_bytes(1000))]);
    layout.copy(&image.location(), &name, &[]);
    let said = layout.copy(&name, &name, &["--all-layers", "-r", SOMEBODY]);
    assert!(said.contains("/app in clear stay there"), "{said}");
}

#[test]
fn other_bytes_of_the_right_length_do_not_count_as_a_layer() {
    let layout = Layout::new();
    let manifest = layout.blob(&layout.index()["manifests"][0]["digest"]);
    let layer = &manifest["layers"][1];
    let digest = layer["digest"].as_str().expect("it has a digest").to_owned();
    let original = fs::read(layout.blob_path(&digest)).expect("it is there");
    let other = layout.machine.sandbox.work().join("other");
    sealcrate_test_kit::Layout::create(other.clone()).list(&[]);
    let planted = other.join("blobs").join(digest.replace(':', "/"));
    fs::write(&planted, random_bytes(original.len())).expect("it can be written");
    layout.copy("oci:layout:it", "oci:other:it", &[]);
    assert!(fs::read(&planted).expect("it is there") == original, "other bytes were kept");
}

#[test]
fn a_link_in_a_layout_leads_nowhere() {
    for link in ["blobs", "blobs/sha256"] {
        let layout = Layout::new();
        let elsewhere = layout.machine.sandbox.home().join("elsewhere");
        fs::create_dir(&elsewhere).expect("it can be made");
        let moved = elsewhere.join("moved");
        fs::rename(layout.folder.join(link), &moved).expect("it can be moved");
        symlink(&moved, layout.folder.join(link)).expect("it can be linked");
        let before = files_containing(&elsewhere, b"moved").len();
        let mut read = layout.machine.sandbox.sealcrate();
        let said = failed(&run(read.args(["copy", "oci:layout:it", "oci:out:it"])), &[1]);
        assert!(said.contains("is a symbolic link"), "{said}");
        let image = TestImage::of(&[("file", &random_bytes(1000))]);
        let mut write = layout.machine.sandbox.sealcrate();
        write.args(["copy", &image.location(), "oci:layout:other"]);
        let said = failed(&run(&mut write), &[1]);
        assert!(said.contains("is a symbolic link"), "{said}");
        assert_eq!(files_containing(&elsewhere, b"moved").len(), before);
        assert!(!files_containing(&elsewhere, &layout.needle).is_empty());
    }
}
