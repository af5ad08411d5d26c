//! Requests to a registry: exactly the necessary ones, in the necessary order, each blob once.

use std::collections::BTreeMap;
use std::fs;

use sealcrate_test_kit::FaultProxy;
use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::{
    Machine, Pushed, TestImage, image_of, random_bytes, requests, run, succeeded,
};

/// Method and path of every request, uploads without their number, blobs by their names.
fn asked(proxy: &FaultProxy, names: &BTreeMap<String, &str>) -> Vec<String> {
    let named = |target: &str| {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = match path.split_once("/blobs/uploads/") {
            Some((start, _)) => format!("{start}/blobs/uploads/"),
            None => path.to_owned(),
        };
        let digest = query.split_once("digest=").map_or("", |(_, digest)| digest);
        let digest = digest.replace("%3A", ":");
        let mut text = format!("{path} {digest}").trim_end().to_owned();
        for (digest, name) in names {
            text = text.replace(digest, name);
        }
        text
    };
    let show = |it: &sealcrate_test_kit::RecordedRequest| {
        format!("{} {}", it.head.method(), named(it.head.target()))
    };
    proxy.requests().iter().map(show).collect()
}

fn names(pushed: &Pushed) -> BTreeMap<String, &'static str> {
    [
        (pushed.config(), "CONFIG"),
        (pushed.layer(0), "LOW"),
        (pushed.layer(1), "HIGH"),
        (pushed.manifest_digest(), "MANIFEST"),
    ]
    .into()
}

#[test]
fn a_push_asks_for_nothing_that_it_does_not_need() {
    let registry = Registry::plain();
    let proxy = FaultProxy::start(registry.host(), Vec::new());
    let (machine, image) = (Machine::with_own_passphrase(), image_of(1000));
    let name = format!("{}/app:1", proxy.host());
    succeeded(&run(machine.push(&image, &name).args(["--jobs", "1"])));
    let names = names(&Pushed { registry, machine, image });
    assert_eq!(
        asked(&proxy, &names),
        [
            "GET /v2/",
            "GET /v2/app/manifests/1",
            "HEAD /v2/app/blobs/LOW",
            "POST /v2/app/blobs/uploads/",
            "PUT /v2/app/blobs/uploads/ LOW",
            "HEAD /v2/app/blobs/HIGH",
            "POST /v2/app/blobs/uploads/",
            "PUT /v2/app/blobs/uploads/ HIGH",
            "HEAD /v2/app/blobs/CONFIG",
            "POST /v2/app/blobs/uploads/",
            "PUT /v2/app/blobs/uploads/ CONFIG",
            "PUT /v2/app/manifests/1",
            "GET /v2/app/manifests/MANIFEST",
        ]
    );
}

#[test]
fn a_pull_asks_for_nothing_that_it_does_not_need() {
    let pushed = Pushed::new(image_of(1000));
    for target in pushed.machine.targets() {
        let proxy = FaultProxy::start(pushed.registry.host(), Vec::new());
        let name = format!("{}/app:1", proxy.host());
        succeeded(&run(pushed.machine.pull_into(&name, &target).args(["--jobs", "1"])));
        assert_eq!(
            asked(&proxy, &names(&pushed)),
            [
                "GET /v2/",
                "GET /v2/app/manifests/1",
                "GET /v2/app/blobs/CONFIG",
                "GET /v2/app/blobs/LOW",
                "GET /v2/app/blobs/HIGH",
            ]
        );
    }
}

#[test]
fn a_pull_by_digest_asks_as_little() {
    let pushed = Pushed::new(image_of(1000));
    let proxy = FaultProxy::start(pushed.registry.host(), Vec::new());
    let digest = pushed.manifest_digest();
    let mut pull = pushed.machine.pull(&format!("{}/app@{digest}", proxy.host()));
    succeeded(&run(pull.args(["--to", "oci:out"])));
    assert_eq!(proxy.requests().len(), 5);
    assert_eq!(proxy.requests()[1].head.target(), format!("/v2/app/manifests/{digest}"));
}

#[test]
fn layers_that_a_layout_holds_are_not_fetched() {
    for format in [&["--format=crypto-cli"][..], &["--format=oci", "--keep-history"]] {
        let options = [&["--encrypt-layer=1"], format].concat();
        let pushed = Pushed::new_with(image_of(1000), &options);
        let proxy = FaultProxy::start(pushed.registry.host(), Vec::new());
        let name = format!("{}/app:1", proxy.host());
        let layout = pushed.machine.layout_target();
        for _ in 0..2 {
            succeeded(&run(&mut pushed.machine.pull_into(&name, &layout)));
            pushed.machine.assert_has(&pushed.image, &layout);
        }
        for layer in [pushed.layer(0), pushed.layer(1)] {
            assert_eq!(requests(&proxy, "GET", &layer).len(), 1, "{format:?}");
        }
    }
}

#[test]
fn an_image_without_changes_is_not_sent_again() {
    let registry = Registry::plain();
    let proxy = FaultProxy::start(registry.host(), Vec::new());
    let (machine, image) = (Machine::with_own_passphrase(), image_of(1000));
    for tag in ["1", "2"] {
        let mut push = machine.sandbox.sealcrate();
        push.args(["push", &format!("{}/app:{tag}", proxy.host()), "--type", "NONE"]);
        succeeded(&run(push.args(["--from", &image.location()])));
    }
    assert_eq!(requests(&proxy, "PUT", "/blobs/uploads/").len(), 3);
    assert_eq!(requests(&proxy, "PUT", "/manifests/").len(), 2);
    assert_eq!(registry.tags("app"), ["1", "2"]);
}

#[test]
fn a_blob_that_is_twice_in_an_image_goes_up_and_comes_down_once() {
    let (same, other) = (random_bytes(100_000), random_bytes(1000));
    let image = TestImage::of(&[("same", &same), ("other", &other), ("same", &same)]);
    let registry = Registry::plain();
    let proxy = FaultProxy::start(registry.host(), Vec::new());
    let machine = Machine::with_own_passphrase();
    let name = format!("{}/app:1", proxy.host());
    succeeded(&run(machine.push_with(&image, &name).args(["--encrypt-layer", "1"])));
    let pushed = Pushed { registry, machine, image };
    assert_eq!(pushed.layer(0), pushed.layer(2));
    assert_eq!(requests(&proxy, "PUT", "/blobs/uploads/").len(), 3);
    for (times, target) in (1..).zip(pushed.machine.targets()) {
        succeeded(&run(&mut pushed.machine.pull_into(&name, &target)));
        pushed.machine.assert_has(&pushed.image, &target);
        assert_eq!(requests(&proxy, "GET", &pushed.layer(0)).len(), times);
    }
}

#[test]
fn private_layers_with_the_same_content_do_not_show_it() {
    let same = random_bytes(1000);
    let pushed = Pushed::new(TestImage::of(&[("same", &same), ("same", &same)]));
    assert_ne!(pushed.layer(0), pushed.layer(1));
    for target in pushed.machine.targets() {
        succeeded(&run(&mut pushed.machine.pull_into(&pushed.name(), &target)));
        pushed.machine.assert_has(&pushed.image, &target);
    }
}

/// The requests that docker makes for such an image. A push makes fewer, and a pull no more.
const PUSH_REQUESTS_OF_DOCKER: usize = 17;

const PULL_REQUESTS_OF_DOCKER: usize = 5;

#[test]
fn a_small_image_takes_fewer_requests_than_docker_makes() {
    for to_recipient in [None, Some("identity")] {
        let registry = Registry::plain();
        let proxy = FaultProxy::start(registry.host(), Vec::new());
        let (machine, image) = (Machine::with_own_passphrase(), image_of(1 << 20));
        let name = format!("{}/app:1", proxy.host());
        let mut push = machine.sandbox.sealcrate();
        push.args(["push", &name, "--from", &image.location(), "--all-layers"]);
        let mut pull = machine.sandbox.sealcrate();
        pull.args(["pull", &name, "--to", "oci:out:it"]);
        match to_recipient {
            None => {
                push.args(["--pass-file", "key"]);
                pull.args(["--pass-file", "key"]);
            }
            Some(identity) => {
                push.args(["-r", &new_recipient(&machine, identity)]);
                pull.args(["-i", identity]);
            }
        }
        succeeded(&run(&mut push));
        let pushed = proxy.requests().len();
        assert!(pushed < PUSH_REQUESTS_OF_DOCKER, "{to_recipient:?}: {pushed} to push");
        succeeded(&run(&mut pull));
        let pulled = proxy.requests().len() - pushed;
        assert!(pulled <= PULL_REQUESTS_OF_DOCKER, "{to_recipient:?}: {pulled} to pull");
    }
}

/// Makes an identity in a file, and returns its recipient.
fn new_recipient(machine: &Machine, file: &str) -> String {
    succeeded(&run(machine.sandbox.sealcrate().args(["keygen", "-o", file])));
    let text = fs::read_to_string(machine.sandbox.work().join(file)).expect("keygen writes it");
    let recipient = text.split_whitespace().find(|word| word.starts_with("age1"));
    recipient.expect("keygen writes the recipient").to_owned()
}
