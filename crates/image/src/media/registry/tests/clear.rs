//! Logins and plain HTTP: a listener on loopback may be anybody's.

use super::*;
use crate::ReadError;

const MANIFEST: &str = r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

fn token() -> Credential {
    Credential::IdentityToken(Zeroizing::new("refresh".into()))
}

fn reach(server: &Server, scheme: SchemePolicy, credential: Credential) -> Result<(), ReadError> {
    let access = Access { scheme, credential, ..Access::default() };
    let registry = Registry::paced(&network(), &server.host(), access, pace()).unwrap();
    registry.source(&reference(server, "a")).root().map(|_| ())
}

/// A listener that asks for a login with `challenge`; `{host}` in it stands for the listener.
fn asking(challenge: &'static str) -> Server {
    Server::start(move |seen, _| {
        if seen.line().contains(" /token") {
            return Reply::ok(r#"{"token":"t"}"#);
        }
        let challenge = challenge.replace("{host}", seen.header("host").unwrap());
        Reply::new(401).header("WWW-Authenticate", challenge)
    })
}

fn assert_withheld(server: &Server, reached: Result<(), ReadError>) {
    let error: RegistryError = reached.unwrap_err().into_medium().unwrap();
    let RegistryError::InsecureLogin { host, .. } = &error else { panic!("{error}") };
    assert_eq!(*host, server.host());
    assert!(!server.lines().is_empty());
    for seen in server.requests() {
        let sent = seen.header("authorization").unwrap_or_default();
        assert!(!sent.starts_with("Basic"), "{}: {sent}", seen.line());
        assert!(!seen.line().contains("account="), "{}", seen.line());
        assert!(!String::from_utf8_lossy(&seen.body).contains("refresh"), "{}", seen.line());
    }
}

#[test]
fn listener_on_loopback_gets_no_login_over_plain_http() {
    for challenge in ["Basic realm=\"r\"", "Bearer realm=\"http://{host}/token\""] {
        for credential in [me(), token()] {
            let server = asking(challenge);
            let reached = reach(&server, SchemePolicy::HttpsExceptLoopback, credential);
            assert_withheld(&server, reached);
        }
    }
}

#[test]
fn listener_on_loopback_leads_no_login_elsewhere() {
    let away = Server::start(|_, _| Reply::ok(r#"{"token":"t"}"#));
    let realm = format!("Bearer realm=\"{}\"", away.url("/token"));
    let server =
        Server::start(move |_, _| Reply::new(401).header("WWW-Authenticate", realm.clone()));
    let reached = reach(&server, SchemePolicy::HttpsExceptLoopback, me());
    assert_withheld(&server, reached);
    assert_eq!(away.lines(), ["GET /token?scope=repository%3Aa%3Apull"]);
    assert_eq!(away.requests()[0].header("authorization"), None);
}

#[test]
fn refusal_by_the_token_service_names_the_login_that_was_withheld() {
    let server = Server::start(|seen, _| {
        if seen.line().contains(" /token") {
            return Reply::new(403).body(r#"{"details":"who are you"}"#);
        }
        let realm = format!("http://{}/token", seen.header("host").unwrap());
        Reply::new(401).header("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))
    });
    let reached = reach(&server, SchemePolicy::HttpsExceptLoopback, me());
    let text = reached.as_ref().unwrap_err().to_string();
    assert!(text.ends_with("which the stored login is not sent: who are you"), "{text}");
    assert_withheld(&server, reached);
}

#[test]
fn what_is_public_needs_no_login_over_plain_http() {
    let server = Server::start(|seen, _| match seen.header("authorization") {
        _ if seen.line().contains(" /token") => Reply::ok(r#"{"token":"t"}"#),
        Some("Bearer t") => Reply::ok(MANIFEST),
        _ => {
            let realm = format!("http://{}/token", seen.header("host").unwrap());
            Reply::new(401).header("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))
        }
    });
    reach(&server, SchemePolicy::HttpsExceptLoopback, me()).unwrap();
    assert!(server.requests().iter().all(|seen| seen.header("authorization") != Some(ME)));
}

#[test]
fn refusal_of_nobody_is_no_matter_of_plain_http() {
    let server = asking("Basic realm=\"r\"");
    let reached = reach(&server, SchemePolicy::HttpsExceptLoopback, Credential::Anonymous);
    let error = reached.unwrap_err();
    assert!(matches!(error.medium(), Some(RegistryError::Denied { .. })), "{error}");
}

#[test]
fn login_goes_over_plain_http_where_that_is_allowed() {
    for scheme in [SchemePolicy::InsecureLoopback, SchemePolicy::PlainHttp] {
        let server = Server::start(|seen, _| match seen.header("authorization") {
            Some(ME) => Reply::ok(MANIFEST),
            _ => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"r\""),
        });
        reach(&server, scheme, me()).unwrap();
    }
}
