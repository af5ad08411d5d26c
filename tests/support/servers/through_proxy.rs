//! The test kit's fault proxy between real parts: the engine, a registry, and an issuer of tokens.

use std::io;
use std::time::Duration;

use super::registry::Registry;
use crate::{Anonymous, TokenIssuer, TokenLife};
#[cfg(feature = "engine")]
use crate::{Builder, Engine};
use sealcrate_test_kit::FaultProxy;
use sealcrate_test_kit::http::{Response, request};

const CONTENT: &[u8] = b"the content of a blob";
const DIGEST: &str = "sha256:3050dfab150d230d72db0866c67c2bb23958b48333d21608524d1a9f4698b5b0";

fn upload(host: &str) -> io::Result<Response> {
    let begun = request("POST", host, "/v2/a/blobs/uploads/", &[], b"")?;
    let location = begun.head.header("Location").unwrap_or_default().to_owned();
    let Some(target) = location.strip_prefix(&format!("http://{host}")) else {
        return Ok(begun);
    };
    request("PUT", host, &format!("{target}&digest={DIGEST}"), &[], CONTENT)
}

#[test]
fn without_rules_nothing_is_changed() {
    let registry = Registry::plain();
    let proxy = FaultProxy::start(registry.host(), Vec::new());
    assert_eq!(upload(&proxy.host()).unwrap().status, 201);
    let target = format!("/v2/a/blobs/{DIGEST}");
    assert_eq!(request("GET", &proxy.host(), &target, &[], b"").unwrap().body, CONTENT);
    let requests = proxy.requests();
    let seen: Vec<_> = requests
        .iter()
        .map(|request| (request.head.method(), request.body_length, request.status))
        .collect();
    let length = CONTENT.len() as u64;
    assert_eq!(seen, [("POST", 0, Some(202)), ("PUT", length, Some(201)), ("GET", 0, Some(200))]);
    assert_eq!(requests[0].head.header("Host"), Some(proxy.host().as_str()));
}

#[cfg(feature = "engine")]
#[test]
fn the_engine_pushes_and_pulls_through_it() {
    let engine = Engine::from_env();
    let registry = Registry::plain();
    let proxy = FaultProxy::start(registry.host(), Vec::new());
    let built = engine.build(
        Builder::Classic,
        "FROM scratch\nCOPY file /file\n",
        &[("file", &[7; 100_000])],
    );
    let name = format!("{}/team/app:first", proxy.host());
    let _tagged = engine.remove_on_drop(&name);
    engine.run(&["tag", built.name(), &name]);
    engine.run(&["push", &name]);
    assert_eq!(registry.tags("team/app"), ["first"]);
    // The engine sends a layer in one chunked PATCH.
    let requests = proxy.requests();
    let patch = requests.iter().find(|request| request.head.method() == "PATCH").unwrap();
    assert_eq!(patch.head.header("Transfer-Encoding"), Some("chunked"));
    assert!(patch.body_length > 0);
    let id = engine.image_id(&name);
    engine.run(&["image", "rm", "--force", &id]);
    engine.run(&["pull", &name]);
    assert_eq!(engine.image_id(&name), id);
}

#[test]
fn an_answer_arrives_that_came_before_the_end_of_the_request() {
    let life = TokenLife::honest(Duration::from_secs(60));
    let issuer = TokenIssuer::start(Anonymous::Refused, life);
    let registry = Registry::with_tokens(&issuer);
    let proxy = FaultProxy::start(registry.host(), Vec::new());
    let body = vec![0; 32 << 20];
    let target = "/v2/a/blobs/uploads/x";
    let response = request("PUT", &proxy.host(), target, &[], &body).unwrap();
    assert_eq!(response.status, 401);
}
