//! Faults on the way up: the same ciphertext goes again, and without all of it there is no tag.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use sealcrate_test_kit::{Fault, FaultProxy, Rule};
use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::{
    Machine, TestImage, failed, image_of, parsed, requests, run, succeeded,
};

const LENGTH: usize = 3 << 20;

/// The length of a layer that is large enough to be sent while it is encrypted.
const LARGE: usize = 6 << 20;

/// A push through a proxy with rules.
struct Attempt {
    registry: Registry,
    proxy: FaultProxy,
    machine: Machine,
    image: TestImage,
    output: std::process::Output,
}

impl Attempt {
    fn with(length: usize, rules: Vec<Rule>) -> Self {
        let registry = Registry::plain();
        let proxy = FaultProxy::start(registry.host(), rules);
        let (machine, image) = (Machine::with_own_passphrase(), image_of(length));
        let output = run(&mut machine.push(&image, &format!("{}/app:1", proxy.host())));
        machine.sandbox.assert_nothing_is_left();
        Self { registry, proxy, machine, image, output }
    }

    /// Holds that the push succeeded. The registry has the blobs of one encryption and no others,
    /// and they come back as the image.
    fn assert_whole(&self) {
        succeeded(&self.output);
        let stored = self.registry.blobs();
        assert_eq!(stored.len(), 4, "manifest, config and two layers, but {stored:?}");
        let name = format!("{}/app:1", self.registry.host());
        for target in self.machine.targets() {
            succeeded(&run(&mut self.machine.pull_into(&name, &target)));
            self.machine.assert_has(&self.image, &target);
        }
    }

    /// Holds that the push failed and left no name in the registry.
    fn assert_failed(&self, codes: &[i32]) -> String {
        let said = failed(&self.output, codes);
        assert_eq!(self.registry.tags("app"), [] as [String; 0]);
        said
    }

    /// The digests of all uploads, each as often as it was sent.
    fn sent(&self) -> Vec<String> {
        requests(&self.proxy, "PUT", "/blobs/uploads/")
            .iter()
            .filter_map(|request| Some(request.head.target().split_once("digest=")?.1.to_owned()))
            .collect()
    }
}

fn assert_same_ciphertext_went_again(attempt: &Attempt, times: usize) {
    let sent = attempt.sent();
    let digests: BTreeSet<_> = sent.iter().collect();
    assert_eq!((sent.len(), digests.len()), (3 + times, 3), "{sent:?}");
}

#[test]
fn an_upload_that_breaks_before_its_bytes_begins_again() {
    let rule = Rule::new("PUT", "/blobs/uploads/", Fault::CutBeforeRequestBody).only(1..=2);
    let attempt = Attempt::with(LENGTH, vec![rule]);
    attempt.assert_whole();
    assert_same_ciphertext_went_again(&attempt, 2);
}

#[test]
fn an_upload_that_breaks_in_its_middle_begins_again() {
    let rule = Rule::new("PUT", "/blobs/uploads/", Fault::CutRequestAfter(1 << 20)).only(1..=2);
    let attempt = Attempt::with(LENGTH, vec![rule]);
    attempt.assert_whole();
    assert_same_ciphertext_went_again(&attempt, 2);
}

#[test]
fn large_layers_are_sent_while_they_are_encrypted() {
    let attempt = Attempt::with(LARGE, Vec::new());
    attempt.assert_whole();
    let streams = requests(&attempt.proxy, "PATCH", "/blobs/uploads/");
    assert_eq!(streams.len(), 2);
    for stream in streams {
        assert_eq!(stream.head.header("Transfer-Encoding"), Some("chunked"));
    }
    assert_eq!(attempt.sent().len(), 3);
}

#[test]
fn large_layers_whose_streams_fail_are_sent_when_they_are_whole() {
    let gone = || Fault::answer(404, None);
    let stream = |fault| Rule::new("PATCH", "/blobs/uploads/", fault);
    let rules = [
        stream(Fault::CutBeforeRequestBody),
        stream(Fault::CutRequestAfter(1 << 20)),
        stream(Fault::answer(500, None)),
        stream(gone()),
        Rule::new("PUT", "/blobs/uploads/", gone()).once(),
    ];
    for rule in rules {
        let attempt = Attempt::with(LARGE, vec![rule]);
        attempt.assert_whole();
        assert_eq!(requests(&attempt.proxy, "PATCH", "/blobs/uploads/").len(), 2);
    }
}

#[test]
fn a_large_layer_in_clear_that_is_there_is_not_sent() {
    let registry = Registry::plain();
    let proxy = FaultProxy::start(registry.host(), Vec::new());
    let (machine, image) = (Machine::with_own_passphrase(), image_of(LARGE));
    for tag in ["1", "2"] {
        let name = format!("{}/app:{tag}", proxy.host());
        let mut push = machine.push_with(&image, &name);
        succeeded(&run(push.args(["--encrypt-layer", "1", "--no-cache"])));
    }
    // The private layer and the config go twice, the layer in clear once.
    assert_eq!(requests(&proxy, "PUT", "/blobs/uploads/").len(), 5);
    assert_eq!(requests(&proxy, "PATCH", "/blobs/uploads/").len(), 2);
}

#[test]
fn an_upload_whose_answer_is_lost_does_not_go_twice() {
    // The registry stores the blob, and its answer makes no sense to the client.
    let rule = Rule::new("PUT", "/blobs/uploads/", Fault::MisstateLength(5)).once();
    let attempt = Attempt::with(LENGTH, vec![rule]);
    attempt.assert_whole();
    assert_eq!(attempt.sent().len(), 3);
}

#[test]
fn every_request_of_a_push_is_made_again_after_a_status_that_passes() {
    for status in [500, 502, 503] {
        let rules = [
            ("HEAD", "/blobs/"),
            ("POST", "/uploads/"),
            ("PUT", "/uploads/"),
            ("PUT", "/manifests/"),
        ]
        .map(|(method, part)| Rule::new(method, part, Fault::answer(status, None)).once());
        let attempt = Attempt::with(1000, rules.to_vec());
        attempt.assert_whole();
        let refused =
            attempt.proxy.requests().iter().filter(|it| it.status == Some(status)).count();
        assert_eq!(refused, 4, "{status}");
        assert_same_ciphertext_went_again(&attempt, 1);
    }
}

#[test]
fn every_request_of_a_push_is_made_again_after_a_cut() {
    let rules = [("HEAD", "/blobs/"), ("POST", "/uploads/"), ("PUT", "/manifests/")]
        .map(|(method, part)| Rule::new(method, part, Fault::CutBeforeRequestBody).once());
    let attempt = Attempt::with(1000, rules.to_vec());
    attempt.assert_whole();
    let cut = attempt.proxy.requests().iter().filter(|it| it.status.is_none()).count();
    assert_eq!(cut, 3);
}

#[test]
fn slow_answers_are_waited_for() {
    let delay = Duration::from_millis(1500);
    let begun = Instant::now();
    let rules = [("POST", "/uploads/"), ("PUT", "/manifests/")]
        .map(|(method, part)| Rule::new(method, part, Fault::Delay(delay)).once());
    Attempt::with(1000, rules.to_vec()).assert_whole();
    assert!(begun.elapsed() >= 2 * delay);
}

#[test]
fn a_registry_that_asks_for_patience_gets_it() {
    for (method, part) in [("PUT", "/uploads/"), ("PUT", "/manifests/")] {
        let begun = Instant::now();
        let rule = Rule::new(method, part, Fault::answer(429, Some(3))).once();
        Attempt::with(1000, vec![rule]).assert_whole();
        assert!(begun.elapsed() >= Duration::from_secs(3), "{part}");
    }
}

#[test]
fn a_registry_that_keeps_failing_gets_no_tag() {
    for (method, part) in
        [("HEAD", "/blobs/"), ("POST", "/uploads/"), ("PUT", "/uploads/"), ("PUT", "/manifests/")]
    {
        let rule = Rule::new(method, part, Fault::answer(500, None));
        let attempt = Attempt::with(1000, vec![rule]);
        let said = attempt.assert_failed(&[1]);
        assert!(said.contains("status 500"), "{said}");
        assert!(said.contains(method) && said.contains("/v2/app/"), "{said}");
    }
}

#[test]
fn without_its_config_an_image_gets_no_tag() {
    // The third upload is the config's: the layers are there by then.
    let rule = Rule::new("POST", "/uploads/", Fault::answer(403, None)).only(3..=3);
    let attempt = Attempt::with(1000, vec![rule]);
    let said = attempt.assert_failed(&[1]);
    assert!(said.contains("denies access"), "{said}");
    assert_eq!(attempt.registry.blobs().len(), 2);
    assert!(requests(&attempt.proxy, "PUT", "/manifests/").is_empty());
}

#[test]
fn a_registry_that_stored_another_manifest_is_caught() {
    let claim = Fault::ClaimDigest(format!("sha256:{}", "0".repeat(64)));
    let attempt = Attempt::with(1000, vec![Rule::new("PUT", "/manifests/", claim)]);
    failed(&attempt.output, &[5]);
}

#[test]
fn a_registry_that_claims_to_have_a_blob_and_shows_nothing_of_it_gets_it() {
    // 200 for every question, with neither a digest nor a size.
    let rule = Rule::new("HEAD", "/blobs/", Fault::answer(200, None));
    Attempt::with(1000, vec![rule]).assert_whole();
}

#[test]
fn a_push_that_is_run_again_after_a_failure_completes() {
    let registry = Registry::plain();
    let rule = Rule::new("PUT", "/manifests/", Fault::answer(400, None)).once();
    let proxy = FaultProxy::start(registry.host(), vec![rule]);
    let (machine, image) = (Machine::with_own_passphrase(), image_of(1000));
    let name = format!("{}/app:1", proxy.host());
    failed(&run(&mut machine.push(&image, &name)), &[1]);
    assert_eq!(registry.tags("app"), [] as [String; 0]);
    succeeded(&run(&mut machine.push(&image, &name)));
    assert_eq!(registry.tags("app"), ["1"]);
    machine.sandbox.assert_nothing_is_left();
}

#[test]
fn a_source_that_is_damaged_is_not_pushed() {
    for length in [LENGTH, LARGE] {
        let image = image_of(length);
        let location = image.location();
        let layout = Path::new(location.trim_start_matches("oci:").trim_end_matches(":it"));
        let blobs = std::fs::read_dir(layout.join("blobs/sha256")).unwrap();
        let layer = blobs
            .map(|blob| blob.unwrap().path())
            .find(|path| path.metadata().unwrap().len() > length as u64)
            .unwrap();
        let mut bytes = std::fs::read(&layer).unwrap();
        bytes[length / 2] ^= 1;
        std::fs::write(&layer, bytes).unwrap();
        let (registry, machine) = (Registry::plain(), Machine::with_own_passphrase());
        let said =
            failed(&run(&mut machine.push(&image, &format!("{}/app:1", registry.host()))), &[5]);
        assert!(said.contains(layer.file_name().unwrap().to_str().unwrap()), "{said}");
        assert_eq!(registry.tags("app"), [] as [String; 0]);
        machine.sandbox.assert_nothing_is_left();
    }
}

#[test]
fn what_is_pushed_is_ciphertext_of_the_stated_size() {
    let attempt = Attempt::with(LENGTH, Vec::new());
    attempt.assert_whole();
    let manifest = parsed(&attempt.registry.manifest("app", "1").unwrap());
    for layer in manifest["layers"].as_array().unwrap() {
        let blob = attempt.registry.blob(layer["digest"].as_str().unwrap()).unwrap();
        assert_eq!(blob.len() as u64, layer["size"].as_u64().unwrap());
        // DARE 2.0, AES-256-GCM, a full package.
        assert_eq!(blob[..4], [0x20, 0, 0xff, 0xff]);
    }
}
