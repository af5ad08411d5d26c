//! Faults on the way down: broken downloads go on, lies are refused, and nothing is left of them.

use std::time::{Duration, Instant};

use sealcrate_test_kit::{Fault, FaultProxy, Rule};
use sealcrate_tests::fixtures::{Pushed, TARGETS, failed, image_of, requests, run, succeeded};

/// Several chunks, and more than the buffers of a connection hold.
const LENGTH: usize = 3 << 20;

/// An image in a registry behind a proxy.
struct Behind {
    pushed: Pushed,
    proxy: FaultProxy,
}

impl Behind {
    fn new(length: usize) -> Self {
        let pushed = Pushed::new(image_of(length));
        let proxy = FaultProxy::start(pushed.registry.host(), Vec::new());
        Self { pushed, proxy }
    }

    fn name(&self) -> String {
        format!("{}/app:1", self.proxy.host())
    }

    /// Pulls into all targets, each time with the fault, and holds that all come out whole.
    fn assert_pulls_survive(&self, fault: &dyn Fn() -> Rule) {
        let Pushed { machine, image, .. } = &self.pushed;
        for target in machine.targets() {
            self.proxy.add_rule(fault());
            succeeded(&run(&mut machine.pull_into(&self.name(), &target)));
            machine.assert_has(image, &target);
        }
    }

    /// Pulls into all targets while the fault lasts, and holds that every pull fails.
    fn assert_pulls_fail(&self, fault: Rule, codes: &[i32]) -> Vec<String> {
        self.proxy.add_rule(fault);
        self.pushed.machine.assert_pulls_fail(&self.pushed.image, &self.name(), codes)
    }
}

#[test]
fn a_download_that_breaks_goes_on_where_it_broke() {
    const CUT: u64 = 1_000_000;
    let behind = Behind::new(LENGTH);
    let path = format!("/blobs/{}", behind.pushed.layer(1));
    behind.assert_pulls_survive(&|| Rule::new("GET", &path, Fault::CutResponseAfter(CUT)).once());
    let ranges: Vec<_> = requests(&behind.proxy, "GET", &path)
        .iter()
        .map(|request| request.head.header("Range").map(ToOwned::to_owned))
        .collect();
    let rest = Some(format!("bytes={CUT}-"));
    assert_eq!(ranges, vec![[None, rest]; TARGETS].concat());
}

#[test]
fn a_download_that_breaks_again_and_again_comes_to_its_end() {
    let behind = Behind::new(LENGTH);
    let path = format!("/blobs/{}", behind.pushed.layer(0));
    // The connection breaks more often than the client repeats a request that brings nothing.
    let rule = Rule::new("GET", &path, Fault::CutResponseAfter(300_000)).only(1..=8);
    behind.assert_pulls_survive(&|| rule.clone());
    let positions: Vec<_> = requests(&behind.proxy, "GET", &path)
        .iter()
        .map(|request| request.head.header("Range").map(ToOwned::to_owned))
        .take(9)
        .collect();
    let expected: Vec<_> =
        (0..9).map(|i| (i > 0).then(|| format!("bytes={}-", i * 300_000))).collect();
    assert_eq!(positions, expected);
}

#[test]
fn a_connection_that_is_cut_before_the_answer_is_made_again() {
    for part in ["/manifests/1", "/blobs/"] {
        let behind = Behind::new(1000);
        behind.assert_pulls_survive(&|| {
            Rule::new("GET", part, Fault::CutBeforeRequestBody).only(1..=2)
        });
        assert!(requests(&behind.proxy, "GET", part).iter().any(|cut| cut.status.is_none()));
    }
}

#[test]
fn a_manifest_and_a_config_that_break_off_are_fetched_again() {
    let behind = Behind::new(1000);
    let config = format!("/blobs/{}", behind.pushed.config());
    for path in ["/manifests/1", &config] {
        behind
            .assert_pulls_survive(&|| Rule::new("GET", path, Fault::CutResponseAfter(100)).once());
    }
}

#[test]
fn a_slow_answer_is_waited_for() {
    let behind = Behind::new(1000);
    let delay = Duration::from_millis(1500);
    let begun = Instant::now();
    behind.assert_pulls_survive(&|| Rule::new("GET", "/blobs/", Fault::Delay(delay)).once());
    assert!(begun.elapsed() >= delay * TARGETS as u32);
}

#[test]
fn statuses_that_pass_are_waited_out() {
    let behind = Behind::new(1000);
    let layer = format!("/blobs/{}", behind.pushed.layer(0));
    for status in [500, 502, 503] {
        for path in ["/manifests/1", &layer] {
            behind.assert_pulls_survive(&|| {
                Rule::new("GET", path, Fault::answer(status, None)).once()
            });
        }
    }
    let refused = behind.proxy.requests().iter().filter(|it| it.status >= Some(500)).count();
    assert_eq!(refused, 6 * TARGETS);
}

#[test]
fn a_registry_that_asks_for_patience_gets_it() {
    let behind = Behind::new(1000);
    let layer = format!("/blobs/{}", behind.pushed.layer(0));
    for path in ["/manifests/1", &layer] {
        let begun = Instant::now();
        behind.assert_pulls_survive(&|| Rule::new("GET", path, Fault::answer(429, Some(2))).once());
        // Longer than a wait that the client chooses by itself: one for each target.
        assert!(begun.elapsed() >= Duration::from_secs(2) * TARGETS as u32, "{path}");
    }
}

#[test]
fn a_registry_that_keeps_failing_is_given_up() {
    for part in ["/manifests/1", "/blobs/"] {
        let behind = Behind::new(1000);
        let said = behind.assert_pulls_fail(Rule::new("GET", part, Fault::answer(500, None)), &[1]);
        for said in said {
            assert!(said.contains(part) && said.contains("status 500"), "{said}");
        }
        let attempts = requests(&behind.proxy, "GET", part).len();
        assert!(
            (2 * TARGETS..=10 * TARGETS).contains(&attempts),
            "{attempts} attempts for {TARGETS} pulls"
        );
    }
}

#[test]
fn a_layer_that_never_comes_leaves_nothing_of_the_others() {
    let behind = Behind::new(LENGTH);
    let path = format!("/blobs/{}", behind.pushed.layer(1));
    // The layer below is whole by then.
    let rule = Rule::new("GET", &path, Fault::answer(503, None));
    for said in behind.assert_pulls_fail(rule, &[1]) {
        assert!(said.contains("status 503"), "{said}");
    }
}

#[test]
fn flipped_bytes_are_found_wherever_they_are() {
    let behind = Behind::new(LENGTH);
    let pushed = &behind.pushed;
    for blob in [pushed.config(), pushed.layer(0), pushed.layer(1)] {
        let path = format!("/blobs/{blob}");
        let length = pushed.blob(&blob).len() as u64;
        for at in [0, length / 2, length - 1] {
            let behind = FaultProxy::start(
                pushed.registry.host(),
                vec![Rule::new("GET", &path, Fault::FlipResponseByte(at))],
            );
            let name = format!("{}/app:1", behind.host());
            for said in pushed.machine.assert_pulls_fail(&pushed.image, &name, &[5]) {
                assert!(said.contains(&blob["sha256:".len()..][..12]), "{said}");
            }
        }
    }
}

#[test]
fn a_flipped_byte_in_a_manifest_is_found() {
    let behind = Behind::new(1000);
    let digest = behind.pushed.manifest_digest();
    // Inverted, no byte of JSON makes sense.
    behind.proxy.add_rule(Rule::new("GET", "/manifests/", Fault::FlipResponseByte(40)));
    let by_digest = format!("{}/app@{digest}", behind.proxy.host());
    for name in [behind.name(), by_digest] {
        behind.pushed.machine.assert_pulls_fail(&behind.pushed.image, &name, &[5]);
    }
}

#[test]
fn another_manifest_than_the_one_asked_for_is_refused() {
    let behind = Behind::new(1000);
    let mut manifest = behind.pushed.manifest();
    manifest["annotations"] = serde_json::json!({ "harmless": "but not what was asked for" });
    let digest = behind.pushed.manifest_digest();
    let dishonest = behind.pushed.serving(manifest.to_string().as_bytes());
    let name = format!("{}/app@{digest}", dishonest.host());
    for said in behind.pushed.machine.assert_pulls_fail(&behind.pushed.image, &name, &[5]) {
        assert!(said.contains(&digest), "{said}");
    }
}

#[test]
fn what_a_registry_claims_of_a_digest_counts_for_nothing() {
    let behind = Behind::new(1000);
    let claim = Fault::ClaimDigest(format!("sha256:{}", "0".repeat(64)));
    behind.assert_pulls_survive(&|| Rule::new("GET", "/", claim.clone()));
}

#[test]
fn a_length_that_lies_once_is_survived() {
    let behind = Behind::new(LENGTH);
    let layer = format!("/blobs/{}", behind.pushed.layer(0));
    for by in [-1000, 1000] {
        behind.assert_pulls_survive(&|| Rule::new("GET", &layer, Fault::MisstateLength(by)).once());
    }
}

#[test]
fn a_manifest_that_is_always_too_short_is_refused() {
    let behind = Behind::new(1000);
    behind.assert_pulls_fail(Rule::new("GET", "/manifests/", Fault::MisstateLength(-10)), &[5]);
}

#[test]
fn a_manifest_that_never_ends_is_given_up() {
    let behind = Behind::new(1000);
    behind.assert_pulls_fail(Rule::new("GET", "/manifests/", Fault::MisstateLength(10)), &[1]);
}

#[test]
fn a_layer_that_is_always_too_short_is_refused() {
    let behind = Behind::new(LENGTH);
    let layer = format!("/blobs/{}", behind.pushed.layer(1));
    let rule = Rule::new("GET", &layer, Fault::MisstateLength(-10));
    for said in behind.assert_pulls_fail(rule, &[1, 5]) {
        assert!(said.contains("too soon") || said.contains("ends after"), "{said}");
    }
}

#[test]
fn with_a_wrong_passphrase_no_layer_is_asked_for() {
    let behind = Behind::new(1000);
    let mut pull = behind.pushed.machine.sandbox.sealcrate();
    pull.args(["pull", &behind.name(), "--to", "oci:out"])
        .env("SEALCRATE_PASS", "another horse battery");
    failed(&run(&mut pull), &[3]);
    let asked: Vec<_> =
        behind.proxy.requests().iter().map(|it| it.head.target().to_owned()).collect();
    let config = format!("/v2/app/blobs/{}", behind.pushed.config());
    assert_eq!(asked, ["/v2/", "/v2/app/manifests/1", &config]);
    assert!(!behind.pushed.machine.sandbox.work().join("out").exists());
    behind.pushed.machine.sandbox.assert_nothing_is_left();
}
