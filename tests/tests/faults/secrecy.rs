//! Secrets: nobody can see private content, names and configuration, passphrases and credentials,
//! neither while a command runs nor afterwards.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_test_kit::{Fault, FaultProxy, Gate, Rule};
use sealcrate_tests::fixtures::{
    Machine, Running, Target, TestImage, failed, image_of, random_bytes, requests, run, succeeded,
    unique, wait_until,
};
use sealcrate_tests::{
    Anonymous, Authority, PASSWORD, Registry, TokenIssuer, TokenLife, USERNAME, files_containing,
};

pub(crate) const LENGTH: usize = 1 << 20;

/// An image with secrets, and the machine that knows the passphrase.
pub(crate) struct Secret {
    pub(crate) machine: Machine,
    pub(crate) image: TestImage,
    /// The secrets that nobody else may see, each with its kind.
    pub(crate) needles: Vec<(&'static str, Vec<u8>)>,
}

impl Secret {
    pub(crate) fn new() -> Self {
        let machine = Machine::with_own_passphrase();
        // Nothing compresses it, so that it would show in any blob that is not encrypted.
        let content = random_bytes(LENGTH);
        let (file, variable) = (unique("private-file-name"), unique("private-variable"));
        let image = TestImage::with_variable(
            &[("low", &random_bytes(1000)), (&file, &content)],
            &format!("TOKEN={variable}"),
        );
        let needles = vec![
            ("content", content[LENGTH / 2..][..48].to_vec()),
            ("file name", file.into_bytes()),
            ("variable", variable.into_bytes()),
            ("passphrase", machine.passphrase.clone().into_bytes()),
        ];
        Self { machine, image, needles }
    }

    /// Which secrets `bytes` show, as they are or unpacked.
    pub(crate) fn seen_in(&self, bytes: &[u8]) -> Vec<&'static str> {
        let mut unpacked = Vec::new();
        // If the bytes are no gzip, or damaged, it searches the part that unpacks.
        let _ = flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut unpacked);
        let holds = |needle: &[u8]| {
            let encoded = STANDARD.encode(needle);
            let core = &encoded.as_bytes()[..encoded.len() / 4 * 4 - 4];
            [needle, core].iter().any(|needle| {
                memchr::memmem::find(bytes, needle).is_some()
                    || memchr::memmem::find(&unpacked, needle).is_some()
            })
        };
        self.needles.iter().filter(|(_, needle)| holds(needle)).map(|(what, _)| *what).collect()
    }

    pub(crate) fn assert_unseen_in(&self, place: &str, bytes: &[u8]) {
        let seen = self.seen_in(bytes);
        assert!(seen.is_empty(), "{seen:?} can be seen in {place}");
    }

    pub(crate) fn assert_unseen_below(&self, folder: &Path) {
        for (what, needle) in &self.needles {
            let found = files_containing(folder, needle);
            assert!(found.is_empty(), "the {what} can be seen in {found:?}");
        }
    }

    pub(crate) fn assert_unseen_in_registry(&self, registry: &Registry) {
        self.assert_unseen_below(&registry.storage_dir());
        for blob in registry.blobs() {
            let bytes = fs::read(&blob).expect("the storage can be read");
            self.assert_unseen_in(&blob.display().to_string(), &bytes);
        }
    }

    pub(crate) fn assert_unsaid(&self, output: &Output) {
        self.assert_unseen_in("standard error", &output.stderr);
        self.assert_unseen_in("standard output", &output.stdout);
    }

    /// Searches every process, and the unnamed files of `running`.
    pub(crate) fn assert_unseen_in_processes(&self, running: &Running) {
        for entry in fs::read_dir("/proc").expect("/proc is there") {
            let process = entry.expect("/proc can be read").path();
            for name in ["cmdline", "environ", "comm"] {
                // Processes come and go.
                if let Ok(bytes) = fs::read(process.join(name)) {
                    self.assert_unseen_in(&process.join(name).display().to_string(), &bytes);
                }
            }
        }
        for (place, bytes) in unnamed_files_of(running) {
            self.assert_unseen_in(&place, &bytes);
        }
    }
}

/// The deleted files that a process has open, each with its place and its bytes.
pub(crate) fn unnamed_files_of(running: &Running) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(format!("/proc/{}/fd", running.id())) else { return found };
    for entry in entries.flatten() {
        let link: PathBuf = fs::read_link(entry.path()).unwrap_or_default();
        let name = link.display().to_string();
        if name.ends_with(" (deleted)")
            && let Ok(bytes) = fs::read(entry.path())
        {
            found.push((name, bytes));
        }
    }
    found
}

/// Waits for the request that the proxy holds.
pub(crate) fn wait_for(proxy: &FaultProxy, method: &str, part: &str) {
    wait_until("the held request", || !requests(proxy, method, part).is_empty());
}

/// Holds the first such request back until the gate is opened.
pub(crate) fn held(method: &str, part: &str) -> (Rule, Gate) {
    let gate = Gate::default();
    (Rule::new(method, part, Fault::Hold(gate.clone())).once(), gate)
}

#[test]
fn the_search_finds_what_is_not_encrypted() {
    let secret = Secret::new();
    let registry = Registry::plain();
    let mut push = secret.machine.sandbox.sealcrate();
    push.args(["push", &format!("{}/app:1", registry.host()), "--type", "NONE", "--from"]);
    succeeded(&run(push.arg(secret.image.location())));
    let mut seen: Vec<_> =
        registry.blobs().iter().flat_map(|blob| secret.seen_in(&fs::read(blob).unwrap())).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, ["content", "file name", "variable"]);
    assert!(!files_containing(&registry.storage_dir(), &secret.needles[0].1).is_empty());
}

#[test]
fn a_push_shows_nothing_while_it_runs_and_afterwards() {
    let secret = Secret::new();
    let registry = Registry::plain();
    let (rule, gate) = held("PUT", "/uploads/");
    let proxy = FaultProxy::start(registry.host(), vec![rule]);
    let name = format!("{}/app:1", proxy.host());
    let mut push = secret.machine.push(&secret.image, &name);
    let running = Running::start(push.arg("--verbose"));
    wait_for(&proxy, "PUT", "/uploads/");
    secret.assert_unseen_below(&secret.machine.sandbox.tmp());
    secret.assert_unseen_in_processes(&running);
    assert!(!unnamed_files_of(&running).is_empty(), "the ciphertext lies nowhere");
    secret.assert_unseen_in_registry(&registry);
    gate.open();
    let output = running.end();
    succeeded(&output);
    secret.assert_unsaid(&output);
    secret.assert_unseen_in_registry(&registry);
    secret.machine.sandbox.assert_nothing_is_left();
}

#[test]
fn a_pull_shows_nothing_while_it_runs() {
    let secret = Secret::new();
    let registry = Registry::plain();
    let name = format!("{}/app:1", registry.host());
    succeeded(&run(&mut secret.machine.push(&secret.image, &name)));
    let manifest: serde_json::Value =
        serde_json::from_slice(&registry.manifest("app", "1").unwrap()).unwrap();
    // The private layer comes while the one below it is held back.
    let low = format!("/blobs/{}", manifest["layers"][0]["digest"].as_str().unwrap());
    for target in secret.machine.targets() {
        let (rule, gate) = held("GET", &low);
        let proxy = FaultProxy::start(registry.host(), vec![rule]);
        let name = format!("{}/app:1", proxy.host());
        let running = Running::start(secret.machine.pull_into(&name, &target).arg("--verbose"));
        wait_for(&proxy, "GET", &low);
        wait_until("the private layer", || {
            unnamed_files_of(&running).iter().any(|(_, bytes)| bytes.len() > LENGTH)
        });
        secret.assert_unseen_below(&secret.machine.sandbox.tmp());
        match &target {
            // On its way into the engine, the image exists outside the process as ciphertext alone.
            Target::Engine(_) => {
                secret.assert_unseen_in_processes(&running);
            }
            Target::Layout(folder) => assert!(!folder.exists(), "the layout is seen too early"),
        }
        gate.open();
        let output = running.end();
        succeeded(&output);
        secret.assert_unsaid(&output);
        secret.machine.assert_has(&secret.image, &target);
    }
}

#[test]
fn errors_show_no_secrets() {
    let secret = Secret::new();
    let registry = Registry::plain();
    let name = format!("{}/app:1", registry.host());
    succeeded(&run(&mut secret.machine.push(&secret.image, &name)));
    let pull = || {
        let mut pull = secret.machine.pull(&name);
        pull.args(["--verbose", "--to", "oci:out"]);
        pull
    };
    let manifest: serde_json::Value =
        serde_json::from_slice(&registry.manifest("app", "1").unwrap()).unwrap();
    for place in ["/layers/1/digest", "/config/digest"] {
        let digest = manifest.pointer(place).unwrap().as_str().unwrap();
        let original = registry.blob(digest).unwrap();
        let mut bytes = original.clone();
        bytes[original.len() / 2] ^= 1;
        registry.replace_blob(digest, &bytes);
        let output = run(&mut pull());
        failed(&output, &[5]);
        secret.assert_unsaid(&output);
        registry.replace_blob(digest, &original);
    }
    // A wrong passphrase may be almost right.
    let wrong = format!("{}!", secret.machine.passphrase);
    fs::write(secret.machine.sandbox.work().join("key"), wrong).unwrap();
    let output = run(&mut pull());
    failed(&output, &[3]);
    secret.assert_unsaid(&output);
}

#[test]
fn a_typed_passphrase_is_not_repeated() {
    let (machine, image, registry) =
        (Machine::with_own_passphrase(), image_of(1000), Registry::plain());
    let passphrase = unique("typed-passphrase");
    let mut push = machine.sandbox.sealcrate();
    push.args(["push", &format!("{}/app:1", registry.host()), "--all-layers", "--verbose"]);
    push.args(["--iterations", "100000", "--pass", &passphrase, "--from", &image.location()]);
    let said = succeeded(&run(&mut push));
    assert!(said.contains("--pass"), "no warning: {said}");
    assert!(!said.contains(&passphrase), "{said}");
    push = machine.sandbox.sealcrate();
    push.args(["push", "a b c", "--pass", &passphrase]);
    let said = run(&mut push).stderr;
    assert!(!String::from_utf8_lossy(&said).contains(&passphrase));
}

#[test]
fn core_dumps_are_forbidden() {
    let (machine, image, registry) =
        (Machine::with_own_passphrase(), image_of(1000), Registry::plain());
    let (rule, gate) = held("HEAD", "/blobs/");
    let proxy = FaultProxy::start(registry.host(), vec![rule]);
    let push = Running::start(&mut machine.push(&image, &format!("{}/app:1", proxy.host())));
    wait_for(&proxy, "HEAD", "/blobs/");
    let limits = fs::read_to_string(format!("/proc/{}/limits", push.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let values: Vec<_> = core.split_whitespace().skip(4).take(2).collect();
    assert!(values == ["0", "0"] || values == ["1", "1"], "{core}");
    gate.open();
    succeeded(&push.end());
}

/// The forms of a user name and a password that a log must not show.
fn forms_of_the_password() -> [String; 3] {
    [
        PASSWORD.to_owned(),
        STANDARD.encode(format!("{USERNAME}:{PASSWORD}")),
        STANDARD.encode(PASSWORD).trim_end_matches('=').to_owned(),
    ]
}

fn assert_no_credentials_in(output: &Output, credentials: &[String]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("DEBUG") && said.contains("/v2/app/"), "the log is empty: {said}");
    for credential in credentials {
        assert!(!credential.is_empty());
        assert!(!said.contains(&**credential), "{credential:?} is in the log: {said}");
    }
    assert!(!said.to_lowercase().contains("authorization"), "{said}");
}

#[test]
fn the_log_shows_no_password() {
    let authority = Authority::new();
    let registry = Registry::with_htpasswd_over_tls(&authority);
    let (machine, image) = (Machine::with_own_passphrase(), image_of(1000));
    let name = format!("{}/app:1", registry.host());
    let ca = |mut command: Command| {
        command.arg("--verbose").arg("--ca").arg(authority.ca_file());
        run(&mut command)
    };
    // First the registry refuses, then it accepts.
    let output = ca(machine.push(&image, &name));
    failed(&output, &[1]);
    machine.sandbox.log_in(registry.host(), USERNAME, "a wrong password");
    let output = ca(machine.push(&image, &name));
    failed(&output, &[1]);
    assert_no_credentials_in(&output, &["a wrong password".to_owned()]);
    machine.sandbox.log_in(registry.host(), USERNAME, PASSWORD);
    let output = ca(machine.push(&image, &name));
    succeeded(&output);
    assert_no_credentials_in(&output, &forms_of_the_password());
    let mut pull = machine.pull(&name);
    pull.args(["--to", "oci:out"]);
    let output = ca(pull);
    succeeded(&output);
    assert_no_credentials_in(&output, &forms_of_the_password());
}

#[test]
fn the_log_shows_no_token() {
    let life = TokenLife::honest(Duration::from_secs(300));
    let issuer = TokenIssuer::start(Anonymous::Refused, life);
    let registry = Registry::with_tokens(&issuer);
    let identity_token = issuer.identity_token().to_owned();
    for by_token in [false, true] {
        let proxy = FaultProxy::start(registry.host(), Vec::new());
        let (machine, image) = (Machine::with_own_passphrase(), image_of(1000));
        machine.sandbox.allow_in_clear(&proxy.host());
        if by_token {
            machine.sandbox.log_in_with_identity_token(&proxy.host(), &identity_token);
        } else {
            machine.sandbox.log_in(&proxy.host(), USERNAME, PASSWORD);
        }
        let name = format!("{}/app:1", proxy.host());
        let push = run(machine.push(&image, &name).arg("--verbose"));
        succeeded(&push);
        let pull = run(machine.pull(&name).args(["--to", "oci:out", "--verbose"]));
        succeeded(&pull);
        let mut credentials = forms_of_the_password().to_vec();
        credentials.push(identity_token.clone());
        let tokens = proxy.requests().into_iter().filter_map(|request| {
            Some(request.head.header("Authorization")?.strip_prefix("Bearer ")?.to_owned())
        });
        // The signature alone would do harm as well.
        let tokens: Vec<String> = tokens
            .flat_map(|token| {
                let signature = token.rsplit('.').next().unwrap_or_default().to_owned();
                [token, signature]
            })
            .collect();
        assert!(!tokens.is_empty(), "no token was used");
        credentials.extend(tokens);
        for output in [push, pull] {
            assert_no_credentials_in(&output, &credentials);
        }
    }
}
