//! The client tries again after a passing failure, and after no other.

use std::time::Instant;

use super::*;

const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

fn root(server: &Server) -> Result<(), RegistryError> {
    let root = connect(server, me()).source(&reference(server, "a:1")).root();
    root.map(|_| ()).map_err(|error| error.into_medium().unwrap())
}

#[test]
fn passing_statuses_and_broken_connections_are_tried_again() {
    for status in [408, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524, 0] {
        let server = Server::start(move |_, n| match (n, status) {
            (0..2, 0) => Reply::none_after(0),
            (0..2, _) => Reply::new(status),
            _ => Reply::ok(INDEX),
        });
        root(&server).unwrap();
        assert_eq!(server.lines().len(), 3, "{status}");
    }
}

#[test]
fn other_statuses_are_not_tried_again() {
    for status in [400, 404, 405, 410, 418, 498, 501, 505, 525, 526] {
        let server = Server::start(move |_, _| Reply::new(status));
        root(&server).unwrap_err();
        assert_eq!(server.lines().len(), 1, "{status}");
    }
}

#[test]
fn attempts_end() {
    let body = r#"{"errors":[{"code":"UNAVAILABLE","message":"later"}]}"#;
    let server = Server::start(move |_, _| Reply::new(503).body(body));
    let error = root(&server).unwrap_err();
    let url = server.url("/v2/a/manifests/1");
    assert_eq!(
        error.to_string(),
        format!("GET {url} was answered with status 503: UNAVAILABLE: later")
    );
    assert_eq!(server.lines().len(), 5);
}

#[test]
fn wait_is_the_one_the_server_asks_for_up_to_a_bound() {
    let server = Server::start(|_, n| match n {
        0 => Reply::new(429).header("Retry-After", "3600"),
        _ => Reply::ok(INDEX),
    });
    let begun = Instant::now();
    root(&server).unwrap();
    let took = begun.elapsed();
    assert!((pace().longest_asked..Duration::from_secs(3600)).contains(&took), "{took:?}");
}

#[test]
fn redirects_end() {
    let server = Server::start(|_, _| Reply::new(307).header("Location", "/again?sig=secret"));
    let error = root(&server).unwrap_err();
    assert!(matches!(error, RegistryError::TooManyRedirects { .. }), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(server.lines().len(), 11);
}

#[test]
fn unreachable_registry_is_named_without_secrets() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let registry = Registry::paced(&network(), &closed.to_string(), plain(me()), pace()).unwrap();
    let name: Reference = format!("{closed}/a:1").parse().unwrap();
    let error = registry.source(&name).root().unwrap_err();
    assert_eq!(error.to_string(), format!("GET http://{closed}/v2/a/manifests/1 failed"));
}

#[test]
fn plain_http_is_found_on_loopback_once() {
    // A server that is busy at first speaks HTTP nevertheless.
    let server = Server::start(|seen, _| match seen.line() {
        "GET /v2/" => Reply::new(503),
        _ => Reply::ok(INDEX),
    });
    let registry = Registry::paced(&network(), &server.host(), Access::default(), pace()).unwrap();
    for tag in ["1", "2"] {
        registry.source(&reference(&server, &format!("a:{tag}"))).root().unwrap();
    }
    assert_eq!(server.lines(), ["GET /v2/", "GET /v2/a/manifests/1", "GET /v2/a/manifests/2"]);
}

#[test]
fn server_of_https_is_not_spoken_to_in_plain() {
    // It breaks the handshake off. A client breaks it off in the same way when it does not trust
    // the certificate.
    let server = Server::start(|_, _| Reply::new(400));
    let registry = Registry::paced(&network(), &server.host(), Access::default(), pace()).unwrap();
    let error = registry.source(&reference(&server, "a:1")).root().unwrap_err();
    assert_eq!(error.to_string(), format!("GET https://{}/v2/ failed", server.host()));
    assert_eq!(server.count("GET /v2/a"), 0);
}
