//! Redirects to other hosts: requests for blobs follow them, and credentials stay at home.

use std::time::Duration;

use sealcrate_test_kit::{Fault, FaultProxy, Rule};
use sealcrate_tests::fixtures::{
    Machine, TARGETS, TestImage, failed, image_of, requests, run, succeeded,
};
use sealcrate_tests::{Anonymous, PASSWORD, Registry, TokenIssuer, TokenLife, USERNAME};

/// A registry that wants tokens, an open one with the same blobs, and a proxy before each.
struct TwoHosts {
    issuer: TokenIssuer,
    home: Registry,
    home_proxy: FaultProxy,
    away: Registry,
    away_proxy: FaultProxy,
    machine: Machine,
    image: TestImage,
}

impl TwoHosts {
    /// Pushes an image to the first registry, and copies it to the second as it is.
    fn new() -> Self {
        let life = TokenLife::honest(Duration::from_secs(300));
        let issuer = TokenIssuer::start(Anonymous::Refused, life);
        let home = Registry::with_tokens(&issuer);
        let home_proxy = FaultProxy::start(home.host(), Vec::new());
        let away = Registry::plain();
        let away_proxy = FaultProxy::start(away.host(), Vec::new());
        let (machine, image) = (Machine::with_own_passphrase(), image_of(100_000));
        machine.sandbox.log_in(&home_proxy.host(), USERNAME, PASSWORD);
        machine.sandbox.allow_in_clear(&home_proxy.host());
        let name = format!("{}/app:1", home_proxy.host());
        succeeded(&run(&mut machine.push(&image, &name)));
        let mut copy = machine.sandbox.sealcrate();
        copy.args([
            "copy",
            &format!("docker://{name}"),
            &format!("docker://{}/app:1", away.host()),
        ]);
        succeeded(&run(&mut copy));
        Self { issuer, home, home_proxy, away, away_proxy, machine, image }
    }

    fn redirect(&self, method: &str, part: &str) {
        let fault = Fault::RedirectTo(self.away_proxy.host());
        self.home_proxy.add_rule(Rule::new(method, part, fault));
    }

    fn name(&self) -> String {
        format!("{}/app:1", self.home_proxy.host())
    }

    fn assert_no_credentials_went_away(&self) {
        let away = self.away_proxy.requests();
        assert!(!away.is_empty(), "nothing was redirected");
        for request in &away {
            for name in ["Authorization", "Proxy-Authorization", "Cookie"] {
                assert_eq!(request.head.header(name), None, "{}", request.head.start_line());
            }
        }
        let bears =
            |it: &sealcrate_test_kit::RecordedRequest| it.head.header("Authorization").is_some();
        assert!(self.home_proxy.requests().iter().any(bears), "there were no credentials");
    }
}

#[test]
fn a_pull_follows_to_another_host_without_credentials() {
    let hosts = TwoHosts::new();
    hosts.redirect("GET", "/blobs/");
    for target in hosts.machine.targets() {
        succeeded(&run(&mut hosts.machine.pull_into(&hosts.name(), &target)));
        hosts.machine.assert_has(&hosts.image, &target);
    }
    assert_eq!(requests(&hosts.away_proxy, "GET", "/blobs/").len(), 3 * TARGETS);
    hosts.assert_no_credentials_went_away();
}

#[test]
fn another_host_that_asks_for_credentials_gets_none() {
    let hosts = TwoHosts::new();
    hosts.redirect("GET", "/blobs/");
    for challenge in [
        "Basic realm=\"give me your password\"".to_owned(),
        format!("Bearer realm=\"{}\",service=\"registry.test\"", hosts.issuer.realm()),
    ] {
        let headers = vec![("WWW-Authenticate".to_owned(), challenge)];
        let rule = Rule::new("GET", "/blobs/", Fault::Answer { status: 401, headers }).once();
        hosts.away_proxy.add_rule(rule);
        let asked = hosts.issuer.requests().len();
        let mut pull = hosts.machine.pull(&hosts.name());
        failed(&run(pull.args(["--to", "oci:out"])), &[1]);
        let tokens = hosts.issuer.requests().len() - asked;
        assert_eq!(tokens, 1, "a token was got for another host");
        hosts.machine.sandbox.assert_nothing_is_left();
    }
    hosts.assert_no_credentials_went_away();
}

#[test]
fn a_redirected_layer_is_checked_like_any_other() {
    let hosts = TwoHosts::new();
    hosts.redirect("GET", "/blobs/");
    hosts.away_proxy.add_rule(Rule::new("GET", "/blobs/", Fault::FlipResponseByte(50)));
    hosts.machine.assert_pulls_fail(&hosts.image, &hosts.name(), &[5]);
}

#[test]
fn an_upload_follows_to_no_other_host() {
    let hosts = TwoHosts::new();
    hosts.redirect("POST", "/blobs/uploads/");
    let name = format!("{}/app:2", hosts.home_proxy.host());
    hosts.machine.forget();
    let before = hosts.away_proxy.requests().len();
    let said = failed(&run(&mut hosts.machine.push(&hosts.image, &name)), &[1]);
    assert!(said.contains("only reads follow a redirect to another host"), "{said}");
    assert_eq!(hosts.home.tags("app"), ["1"]);
    assert_eq!(hosts.away_proxy.requests().len(), before);
    assert_eq!(hosts.away.tags("app"), ["1"]);
    assert!(!requests(&hosts.home_proxy, "POST", "/blobs/uploads/").is_empty());
    hosts.machine.sandbox.assert_nothing_is_left();
}

#[test]
fn redirects_that_lead_in_a_circle_end() {
    let hosts = TwoHosts::new();
    hosts.redirect("GET", "/blobs/");
    let back = Fault::RedirectTo(hosts.home_proxy.host());
    hosts.away_proxy.add_rule(Rule::new("GET", "/blobs/", back));
    for said in hosts.machine.assert_pulls_fail(&hosts.image, &hosts.name(), &[1]) {
        assert!(said.contains("redirected more than 10 times"), "{said}");
    }
    hosts.assert_no_credentials_went_away();
}
