//! The common parts of this suite: images made by hand, runs of the binary on a machine of its own,
//! and checks that nothing is left.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sealcrate_test_kit::{Image, Layout, Tar};
use sealcrate_tests::http::request;
use sealcrate_tests::{
    Engine, EngineImage, Fault, FaultProxy, RecordedRequest, Registry, Rule, Sandbox, note_secret,
    record, record_printed,
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use sealcrate_test_kit::digest_of;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Longer than any run here takes, unless it is stuck.
const PATIENCE: Duration = Duration::from_secs(120);
/// The fewest rounds that the binary accepts, which take about 50 ms.
const ROUNDS: &str = "100000";

/// An image in an OCI layout of its own, with layers of one file each.
pub(crate) struct TestImage {
    folder: TempDir,
    image: Image,
}

impl TestImage {
    /// Writes an image whose layers hold these files, lowest first.
    pub(crate) fn of(files: &[(&str, &[u8])]) -> Self {
        Self::with_variable(files, "MODE=test")
    }

    /// Writes an image with a variable (`NAME=VALUE`) in its config.
    pub(crate) fn with_variable(files: &[(&str, &[u8])], variable: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let image = Image::of_files(files)
            .with("created", json!("2024-01-01T00:00:00Z"))
            .with("config", json!({ "Env": [variable], "Cmd": ["/bin/busybox", "true"] }));
        let layout = Layout::create(folder.path().to_owned());
        layout.name_as(&image.add_to(&layout), "it");
        Self { folder, image }
    }

    /// The location, as `--from` takes it.
    pub(crate) fn location(&self) -> String {
        format!("oci:{}:it", self.folder.path().display())
    }

    /// The digest of the config.
    pub(crate) fn id(&self) -> String {
        self.image.id()
    }
}

/// An image of two layers that nothing compresses, of `length` bytes each.
pub(crate) fn image_of(length: usize) -> TestImage {
    TestImage::of(&[("low", &random_bytes(length)), ("high", &random_bytes(length))])
}

pub(crate) fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// A word that occurs nowhere else.
pub(crate) fn unique(word: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{word}-{}-{count}", process::id())
}

/// Makes a tar of one file.
pub(crate) fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    Tar::new().file(name, content).bytes()
}

/// A machine that pushes and pulls: a sandbox with a passphrase in a file.
pub(crate) struct Machine {
    pub(crate) sandbox: Sandbox,
    pub(crate) passphrase: String,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let (sandbox, passphrase) = (Sandbox::new(), unique("passphrase"));
        fs::write(sandbox.work().join("key"), &passphrase).expect("the sandbox can be written");
        note_secret("passphrase", &passphrase);
        Self { sandbox, passphrase }
    }

    /// Prepares to push all layers of `image` encrypted.
    pub(crate) fn push(&self, image: &TestImage, name: &str) -> Command {
        let mut push = self.push_with(image, name);
        push.arg("--all-layers");
        push
    }

    /// Prepares to push `image` with options that are still to be added.
    pub(crate) fn push_with(&self, image: &TestImage, name: &str) -> Command {
        let mut push = self.sandbox.sealcrate();
        push.args(["push", name, "--from", &image.location()]);
        push.args(["--iterations", ROUNDS, "--pass-file", "key"]);
        push
    }

    /// Makes it a machine that has pushed nothing yet.
    pub(crate) fn forget(&self) {
        succeeded(&run(self.sandbox.sealcrate().args(["cache", "purge"])));
    }

    /// Prepares a pull, whose target is still to be added.
    pub(crate) fn pull(&self, name: &str) -> Command {
        let mut pull = self.sandbox.sealcrate();
        pull.args(["pull", name, "--pass-file", "key"]);
        pull
    }

    /// Prepares a pull into a target.
    pub(crate) fn pull_into(&self, name: &str, target: &Target<'_>) -> Command {
        let mut pull = self.pull(name);
        match target {
            Target::Engine(image) => pull.args(["--as", image.name()]),
            Target::Layout(folder) => pull.arg("--to").arg(format!("oci:{}:it", folder.display())),
        };
        pull
    }

    /// A free name in the engine, and a folder that does not exist.
    pub(crate) fn targets<'e>(&self, engine: &'e Engine) -> [Target<'e>; 2] {
        let name = format!("sealcrate-test/{}:1", unique("faults"));
        let folder = self.sandbox.work().join(unique("layout"));
        [Target::Engine(engine.remove_on_drop(&name)), Target::Layout(folder)]
    }

    /// Pulls into the engine and into a layout, and holds that both fail with one of `codes` and
    /// leave nothing. Returns their messages.
    pub(crate) fn assert_pulls_fail(
        &self,
        image: &TestImage,
        name: &str,
        codes: &[i32],
    ) -> [String; 2] {
        let engine = Engine::from_env();
        self.targets(&engine)
            .map(|target| self.assert_pull_fails(image, name, &engine, &target, codes))
    }

    /// Pulls into `target`, and holds that it fails with one of `codes` and leaves nothing. Returns
    /// its messages.
    pub(crate) fn assert_pull_fails(
        &self,
        image: &TestImage,
        name: &str,
        engine: &Engine,
        target: &Target<'_>,
        codes: &[i32],
    ) -> String {
        let said = failed(&run(&mut self.pull_into(name, target)), codes);
        self.assert_nothing_is_left_of(image, engine, target);
        said
    }

    /// Holds that a pull into `target` has left nothing.
    pub(crate) fn assert_nothing_is_left_of(
        &self,
        image: &TestImage,
        engine: &Engine,
        target: &Target<'_>,
    ) {
        self.sandbox.assert_nothing_is_left();
        match target {
            Target::Engine(target) => {
                assert!(!engine.has_image(target.name()), "the engine has a partial image");
                assert!(!engine.has_image(&image.id()), "the engine has a nameless image");
                assert!(!holds_lowest_layer(engine, image), "the engine has a layer of the image");
            }
            Target::Layout(folder) => {
                assert!(folder.symlink_metadata().is_err(), "{} was made", folder.display());
            }
        }
    }

    /// Holds that `target` has the image whole.
    pub(crate) fn assert_has(&self, image: &TestImage, engine: &Engine, target: &Target<'_>) {
        self.sandbox.assert_nothing_is_left();
        match target {
            Target::Engine(target) => assert_eq!(engine.image_id(target.name()), image.id()),
            Target::Layout(folder) => assert_eq!(config_in(folder), image.image.config()),
        }
    }
}

/// The target of a pull.
pub(crate) enum Target<'e> {
    Engine(EngineImage<'e>),
    Layout(PathBuf),
}

/// The config of the only image in a layout. Checks the digests of the blobs.
fn config_in(layout: &Path) -> Vec<u8> {
    let read = |digest: &Value| {
        let digest = digest.as_str().expect("a descriptor has a digest");
        let path = layout.join("blobs").join(digest.replace(':', "/"));
        let bytes = fs::read(path).expect("the layout has what it names");
        assert_eq!(digest_of(&bytes), digest);
        bytes
    };
    let index = fs::read(layout.join("index.json")).expect("the layout has an index");
    let manifest = read(&parsed(&index)["manifests"][0]["digest"]);
    let manifest = parsed(&manifest);
    for layer in manifest["layers"].as_array().expect("a manifest has layers") {
        read(&layer["digest"]);
    }
    read(&manifest["config"]["digest"])
}

pub(crate) fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("it is JSON")
}

/// Whether the engine holds the layer at the bottom of an image. Without it, the engine holds no
/// layer of the image. The engine accepts an archive that lacks the layer if, and only if, it holds
/// the layer.
pub(crate) fn holds_lowest_layer(engine: &Engine, image: &TestImage) -> bool {
    let mut config = parsed(&image.image.config());
    config["rootfs"]["diff_ids"] = json!([image.image.diff_ids()[0]]);
    config["history"] = json!([{ "created_by": unique("probe") }]);
    let config = config.to_string().into_bytes();
    let manifest = json!([{ "Config": "config.json", "RepoTags": [], "Layers": ["none.tar"] }]);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("probe.tar");
    let archive = Tar::new().file("config.json", &config).images(&manifest).bytes();
    fs::write(&file, archive).expect("the probe can be written");
    let path = file.to_str().expect("temporary folders have UTF-8 names");
    let is_held = engine.try_run(&["load", "-i", path]).status.success();
    if is_held {
        engine.run(&["image", "rm", "--force", &digest_of(&config)]);
    }
    is_held
}

/// Runs a command to its end, which must come.
pub(crate) fn run(command: &mut Command) -> Output {
    Running::start(command).end()
}

/// A run that goes on.
pub(crate) struct Running {
    child: Option<Child>,
    readers: [Option<thread::JoinHandle<()>>; 2],
    printed: [Printed; 2],
}

/// The output of a run so far.
type Printed = Arc<Mutex<Vec<u8>>>;

impl Running {
    /// Starts a command, and keeps its output.
    pub(crate) fn start(command: &mut Command) -> Self {
        record(command, &[]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be run");
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        let printed = [Printed::default(), Printed::default()];
        let readers = [read_beside(stdout, &printed[0]), read_beside(stderr, &printed[1])];
        Self { child: Some(child), readers: readers.map(Some), printed }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child().id()
    }

    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(self.child())
    }

    fn child(&self) -> &Child {
        self.child.as_ref().expect("it is there until the end")
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("it is there until the end");
        child.try_wait().expect("a child can be waited for").is_some()
    }

    /// Whether standard error has this text in it so far.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.printed_on(1)).contains(text)
    }

    fn printed_on(&self, at: usize) -> Vec<u8> {
        self.printed[at].lock().expect("no reader panics").clone()
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If it does not come.
    pub(crate) fn end(mut self) -> Output {
        let deadline = Instant::now() + PATIENCE;
        while !self.has_ended() {
            assert!(Instant::now() < deadline, "the binary does not end");
            thread::sleep(Duration::from_millis(5));
        }
        let mut child = self.child.take().expect("it is there until the end");
        let status = child.wait().expect("a child can be waited for");
        for reader in self.readers.iter_mut().filter_map(Option::take) {
            reader.join().expect("it reads");
        }
        let [stdout, stderr] = [0, 1].map(|at| self.printed_on(at));
        record_printed(&[&stdout, &stderr]);
        Output { status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test has failed before the run ended.
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn read_beside(mut from: impl Read + Send + 'static, to: &Printed) -> thread::JoinHandle<()> {
    let to = Arc::clone(to);
    thread::spawn(move || {
        let mut part = [0; 4096];
        loop {
            let count = from.read(&mut part).expect("a pipe can be read");
            if count == 0 {
                return;
            }
            to.lock().expect("nobody panics").extend_from_slice(&part[..count]);
        }
    })
}

/// Holds that a run succeeded, and returns its standard error.
pub(crate) fn succeeded(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {said}", output.status);
    said
}

/// Holds that a run failed with one of `codes` and one error of one line, and returns its standard
/// error.
pub(crate) fn failed(output: &Output, codes: &[i32]) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    assert!(
        code.is_some_and(|code| codes.contains(&code)),
        "{}, not {codes:?}: {said}",
        output.status
    );
    let errors = said.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(errors, 1, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(output.stdout.is_empty(), "a failed run prints a result");
    said
}

/// Waits until something holds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The requests with a method whose target has a part.
pub(crate) fn requests(proxy: &FaultProxy, method: &str, part: &str) -> Vec<RecordedRequest> {
    let matches = |request: &RecordedRequest| {
        request.head.method() == method && request.head.target().contains(part)
    };
    proxy.requests().into_iter().filter(matches).collect()
}

/// A registry with an image, as it was pushed by a machine into the repository `app`.
pub(crate) struct Pushed {
    pub(crate) registry: Registry,
    pub(crate) machine: Machine,
    pub(crate) image: TestImage,
}

impl Pushed {
    pub(crate) fn new(image: TestImage) -> Self {
        Self::new_with(image, &["--all-layers"])
    }

    /// Pushes with these options.
    pub(crate) fn new_with(image: TestImage, options: &[&str]) -> Self {
        let (registry, machine) = (Registry::plain(), Machine::new());
        let name = format!("{}/app:1", registry.host());
        succeeded(&run(machine.push_with(&image, &name).args(options)));
        Self { registry, machine, image }
    }

    /// The name at the registry itself.
    pub(crate) fn name(&self) -> String {
        format!("{}/app:1", self.registry.host())
    }

    pub(crate) fn manifest_digest(&self) -> String {
        self.registry.tag_digest("app", "1").expect("the tag is there")
    }

    pub(crate) fn manifest(&self) -> Value {
        parsed(&self.registry.blob(&self.manifest_digest()).expect("the manifest is there"))
    }

    /// The digest of the blob of a layer.
    pub(crate) fn layer(&self, place: usize) -> String {
        self.manifest()["layers"][place]["digest"].as_str().expect("it is a descriptor").to_owned()
    }

    /// The digest of the blob of the config.
    pub(crate) fn config(&self) -> String {
        self.manifest()["config"]["digest"].as_str().expect("it is a descriptor").to_owned()
    }

    pub(crate) fn blob(&self, digest: &str) -> Vec<u8> {
        self.registry.blob(digest).expect("the blob is there")
    }

    /// Uploads a blob beside the others, and returns its digest.
    pub(crate) fn add_blob(&self, bytes: &[u8]) -> String {
        let (host, digest) = (self.registry.host(), digest_of(bytes));
        let begun = request("POST", host, "/v2/app/blobs/uploads/", &[], b"")
            .expect("the registry answers");
        let location = begun.head.header("Location").expect("an upload has a location");
        let target = location.trim_start_matches(&format!("http://{host}"));
        let put = request("PUT", host, &format!("{target}&digest={digest}"), &[], bytes);
        assert_eq!(put.expect("the registry answers").status, 201);
        digest
    }

    /// Starts a dishonest registry, which serves other bytes as the manifest.
    pub(crate) fn serving(&self, manifest: &[u8]) -> FaultProxy {
        let content_type = MANIFEST.to_owned();
        let fault = Fault::Serve { content_type, body: manifest.to_vec() };
        let rule = Rule::new("GET", "/manifests/", fault);
        FaultProxy::start(self.registry.host(), vec![rule])
    }
}
