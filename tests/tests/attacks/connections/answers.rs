//! Answers of a server that is no registry, or of a registry that did not do its task.

use std::process::Output;

use sealcrate_test_kit::{Fault, FaultProxy, Rule};
use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::{Machine, failed, image_of, requests, run};

const PORTAL: &str = "<html>Welcome! Please log in to use this network.</html>";

fn portal() -> Fault {
    Fault::Serve { content_type: "text/html".to_owned(), body: PORTAL.into() }
}

fn answer(status: u16, headers: &[(&str, &str)]) -> Fault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Fault::Answer { status, headers: headers.collect() }
}

/// Pushes through a proxy with rules, and returns the registry, the proxy and the result.
fn pushed(rules: Vec<Rule>) -> (Registry, FaultProxy, Output) {
    let registry = Registry::plain();
    let proxy = FaultProxy::start(registry.host(), rules);
    let (machine, image) = (Machine::with_own_passphrase(), image_of(1000));
    let output = run(&mut machine.push(&image, &format!("{}/app:1", proxy.host())));
    machine.sandbox.assert_nothing_is_left();
    (registry, proxy, output)
}

/// Rules for requests of every method.
fn all(fault: &Fault) -> Vec<Rule> {
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    methods.map(|method| Rule::new(method, "", fault.clone())).into()
}

#[test]
fn a_portal_that_answers_200_to_everything_is_taken_for_no_registry() {
    let (_registry, _proxy, output) = pushed(all(&portal()));
    let said = failed(&output, &[1, 5]);
    assert!(said.contains("hint: "), "{said}");
}

#[test]
fn somebody_who_says_created_to_everything_has_stored_nothing() {
    let (_registry, _proxy, output) = pushed(all(&answer(201, &[])));
    failed(&output, &[1, 5]);
}

#[test]
fn somebody_who_plays_a_registry_and_keeps_nothing_is_found_out() {
    let begins = answer(202, &[("Location", "/v2/app/blobs/uploads/1")]);
    let rules = vec![
        Rule::new("GET", "/manifests/", answer(404, &[])),
        Rule::new("HEAD", "", answer(404, &[])),
        Rule::new("POST", "", begins),
        Rule::new("PUT", "", answer(201, &[])),
    ];
    let (_registry, _proxy, output) = pushed(rules);
    let said = failed(&output, &[1]);
    assert!(said.contains("said that it took blob sha256:"), "{said}");
    assert!(said.contains("a proxy or a portal may stand between"), "{said}");
}

#[test]
fn a_proxy_that_swallows_one_blob_gets_no_tag_for_the_rest() {
    for fault in [answer(201, &[]), portal()] {
        let rule = Rule::new("PUT", "/blobs/uploads/", fault).only(2..=2);
        let (registry, _proxy, output) = pushed(vec![rule]);
        failed(&output, &[1]);
        assert_eq!(registry.tags("app"), [] as [String; 0]);
    }
}

#[test]
fn a_proxy_that_swallows_the_manifest_is_found_out() {
    for fault in [answer(201, &[]), answer(202, &[]), answer(204, &[]), portal()] {
        let (registry, _proxy, output) = pushed(vec![Rule::new("PUT", "/manifests/", fault)]);
        failed(&output, &[1]);
        assert_eq!(registry.tags("app"), [] as [String; 0]);
    }
}

#[test]
fn a_proxy_that_says_it_has_the_blobs_already_is_not_believed_without_a_digest() {
    let (registry, proxy, output) = pushed(vec![Rule::new("HEAD", "/blobs/", portal())]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(requests(&proxy, "PUT", "/blobs/uploads/").len(), 3);
    assert_eq!(registry.tags("app"), ["1"]);
}

#[test]
fn a_registry_that_states_another_digest_has_stored_something_else() {
    let other = format!("sha256:{}", "0".repeat(64));
    for (method, place) in [("PUT", "/blobs/uploads/"), ("PUT", "/manifests/")] {
        let rule = Rule::new(method, place, Fault::ClaimDigest(other.clone()));
        let (_registry, _proxy, output) = pushed(vec![rule]);
        failed(&output, &[5]);
    }
}

#[test]
fn a_registry_that_serves_another_manifest_than_it_was_given_is_found_out() {
    let other = Fault::Serve {
        content_type: "application/vnd.oci.image.index.v1+json".to_owned(),
        body: br#"{"schemaVersion":2,"manifests":[]}"#.into(),
    };
    let (_registry, proxy, output) = pushed(vec![Rule::new("GET", "/manifests/sha256:", other)]);
    failed(&output, &[5]);
    assert_eq!(requests(&proxy, "GET", "/manifests/sha256:").len(), 1);
}
