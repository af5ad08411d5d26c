//! The data that logs and proxies get.

use std::cell::RefCell;
use std::io::Write;

use super::*;
use crate::registry::{Patience, Proxies};

thread_local! {
    /// The log of this thread.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes to [`LOG`].
struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the log of this thread while `doing` runs.
fn logged(doing: impl FnOnce()) -> String {
    // A subscriber for this thread alone may miss events that other threads reach first.
    let everything = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(|| Log)
        .finish();
    tracing::subscriber::set_global_default(everything).expect("no other test sets it");
    doing();
    String::from_utf8(LOG.take()).unwrap()
}

#[test]
fn requests_are_logged_without_secrets() {
    let server = Server::start(|seen, n| match seen.header("authorization") {
        _ if seen.line().contains("/token") => Reply::ok(r#"{"token":"secret1"}"#),
        Some("Bearer secret1") if n < 4 => Reply::new(503),
        Some("Bearer secret1") => Reply::new(307).header("Location", "/x?sig=secret2"),
        _ => Reply::new(401).header(
            "WWW-Authenticate",
            format!("Bearer realm=\"http://{}/token?x=secret3\"", seen.header("host").unwrap()),
        ),
    });
    let log = logged(|| {
        connect(&server, me()).source(&reference(&server, "a:1")).root().unwrap_err();
    });
    for expected in ["/v2/a/manifests/1: 401 in", "/token: 200 in", ": 503 in", "/x: 307 in"] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    for secret in ["hush", "aHVzaA", "secret", "Bearer", "Basic"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

/// Reaches `host` through `proxy` and tells how it failed.
fn through(proxy: &Server, host: &str, scheme: SchemePolicy) -> String {
    let url = Some(format!("http://me:hush@{}", proxy.host()));
    let access = Access {
        scheme,
        proxies: Proxies { https: url.clone(), http: url, except: Vec::new() },
        ..Access::default()
    };
    let registry =
        Registry::paced(&network(), host, access, Pace { attempts: 1, ..pace() }).unwrap();
    let error = registry.source(&format!("{host}/a:1").parse().unwrap()).root().unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

#[test]
fn registries_are_reached_through_the_proxy_of_their_scheme() {
    let proxy = Server::start(|_, _| Reply::new(404));
    through(&proxy, "registry.test:5000", SchemePolicy::PlainHttp);
    through(&proxy, "registry.test", SchemePolicy::HttpsExceptLoopback);
    assert_eq!(
        proxy.lines(),
        ["GET http://registry.test:5000/v2/a/manifests/1", "CONNECT registry.test:443"]
    );
    assert!(proxy.requests().iter().all(|seen| seen.header("proxy-authorization") == Some(ME)));
}

#[test]
fn password_of_a_proxy_is_in_no_error() {
    let proxy = Server::start(|_, _| Reply::new(407));
    let text = through(&proxy, "registry.test", SchemePolicy::HttpsExceptLoopback);
    assert!(text.starts_with("GET https://registry.test/v2/a/manifests/1 failed"), "{text}");
    assert!(!text.contains("hush"), "{text}");
    for url in ["ftp://me:hush@proxy", "http://me:hush@[", "me:hush"] {
        let proxies = Proxies { https: Some(url.to_owned()), ..Proxies::default() };
        let access = Access { proxies, ..Access::default() };
        let error = Registry::connect(&network(), "r.io", access, Patience::default())
            .map(|_| ())
            .unwrap_err();
        assert!(matches!(error, RegistryError::Setup { .. }), "{url}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}

#[test]
fn loopback_is_never_proxied() {
    let proxy = Server::start(|_, _| Reply::new(404));
    let server = Server::start(|_, _| Reply::new(404));
    for scheme in [SchemePolicy::PlainHttp, SchemePolicy::HttpsExceptLoopback] {
        let text = through(&proxy, &server.host(), scheme);
        assert!(text.contains("is not in the registry"), "{text}");
    }
    assert_eq!(proxy.lines().len(), 0);
    // A name of loopback as well as an address.
    let port = server.host().split(':').nth(1).unwrap().to_owned();
    through(&proxy, &format!("localhost:{port}"), SchemePolicy::PlainHttp);
    assert_eq!(proxy.lines().len(), 0);
}

#[test]
fn certificates_that_are_none_are_refused() {
    let refused =
        |access: Access| match Registry::connect(&network(), "r.io", access, Patience::default())
            .map(|_| ())
            .unwrap_err()
        {
            RegistryError::Setup { what, .. } => what,
            other => panic!("{other}"),
        };
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["", "nothing"] {
        let access = Access { certificate_authorities: vec![pem.into()], ..Access::default() };
        assert_eq!(refused(access), "the certificates of an authority");
    }
    let access = Access { certificate_authorities: vec![broken.into()], ..Access::default() };
    assert_eq!(refused(access), "TLS");
    let client = crate::registry::ClientCertificate {
        certificate: broken.into(),
        key: Zeroizing::new(b"none".to_vec()),
    };
    let access = Access { client_certificate: Some(client), ..Access::default() };
    assert_eq!(refused(access), "the client certificate");
}
