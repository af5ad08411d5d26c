//! Which requests follow a redirect to another host, and which do not.

use super::*;
use crate::{Outgoing, Quiet};

/// A server that takes any request, and gives a token to anybody.
fn stranger() -> Server {
    Server::start(|_, _| Reply::ok(r#"{"token":"theirs"}"#))
}

/// A registry that wants tokens, and whose token service answers as `reply` says.
fn with_token_service(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |seen, _| {
        if seen.line().contains(" /token") {
            return reply(seen);
        }
        let realm = format!("http://{}/token", seen.header("host").unwrap());
        Reply::new(401).header("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))
    })
}

fn assert_redirected_away(error: &RegistryError, request: &str) {
    let RegistryError::RedirectAway { request: named, to } = error else { panic!("{error}") };
    assert!(named.starts_with(request), "{named}");
    assert!(!to.contains("secret"), "{to}");
}

#[test]
fn refresh_token_follows_no_redirect_to_another_host() {
    for status in [307, 308] {
        let away = stranger();
        let elsewhere = away.url("/token?x=secret");
        let server =
            with_token_service(move |_| Reply::new(status).header("Location", elsewhere.clone()));
        let credential = Credential::IdentityToken(Zeroizing::new("refresh".into()));
        let source = connect(&server, credential).source(&reference(&server, "a"));
        let error: RegistryError = source.root().unwrap_err().into_medium().unwrap();
        assert_redirected_away(&error, "POST http://");
        assert!(away.lines().is_empty(), "{:?}", away.lines());
    }
}

#[test]
fn refresh_token_follows_a_redirect_within_its_host() {
    let server = with_token_service(|seen| match seen.line() {
        "POST /token" => Reply::new(307).header("Location", "/token/there"),
        _ => Reply::ok(r#"{"token":"t"}"#),
    });
    let credential = Credential::IdentityToken(Zeroizing::new("refresh".into()));
    connect(&server, credential).source(&reference(&server, "a")).root().unwrap_err();
    let seen = server.requests();
    let there = seen.iter().find(|seen| seen.line() == "POST /token/there").unwrap();
    assert!(String::from_utf8_lossy(&there.body).ends_with("refresh_token=refresh"));
    assert!(seen.iter().any(|seen| seen.header("authorization") == Some("Bearer t")));
}

#[test]
fn password_for_a_token_follows_no_redirect_to_another_host() {
    let away = stranger();
    let elsewhere = away.url("/token");
    let server = with_token_service(move |_| Reply::new(307).header("Location", elsewhere.clone()));
    connect(&server, me()).source(&reference(&server, "a")).root().unwrap_err();
    assert!(server.requests().iter().any(|seen| seen.header("authorization") == Some(ME)));
    let seen = away.requests();
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.header("authorization").is_none()));
}

#[test]
fn no_request_that_writes_follows_a_redirect_to_another_host() {
    for method in ["POST", "PUT"] {
        let away = stranger();
        let elsewhere = away.url("/there");
        let server = Server::start(move |seen, _| match seen.is(method) {
            true => Reply::new(307).header("Location", elsewhere.clone()),
            false => takes_all(seen),
        });
        let sink = connect(&server, me()).sink(&reference(&server, "a"));
        let image = image(vec![layer(b"abc")]);
        let written = sink
            .put(&image.layers[0], &Quiet)
            .and_then(|()| sink.commit(&Outgoing::built(image.clone())).map(|_| ()));
        let error = registry_error(written.unwrap_err());
        match error {
            // A stream cannot be sent twice, not even to the same host.
            RegistryError::Status { status: 307, .. } => assert_eq!(method, "PUT"),
            error => assert_redirected_away(&error, method),
        }
        assert!(away.lines().is_empty(), "{method}: {:?}", away.lines());
    }
}

#[test]
fn manifest_follows_no_redirect_to_another_host() {
    let away = stranger();
    let elsewhere = away.url("/there");
    let server = Server::start(move |seen, _| match seen.line().contains("/manifests/") {
        true if seen.is("PUT") => Reply::new(307).header("Location", elsewhere.clone()),
        _ => takes_all(seen),
    });
    let sink = connect(&server, me()).sink(&reference(&server, "a"));
    let image = image(vec![layer(b"abc")]);
    sink.put(&image.layers[0], &Quiet).unwrap();
    assert_redirected_away(
        &registry_error(sink.commit(&Outgoing::built(image)).unwrap_err()),
        "PUT ",
    );
    assert!(away.lines().is_empty(), "{:?}", away.lines());
}
