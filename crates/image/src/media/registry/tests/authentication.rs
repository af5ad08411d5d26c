//! Which servers get which credentials, and how often the client asks for tokens.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Instant;

use super::*;
use crate::Quiet;

const MANIFEST: &str = r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

/// A registry with tokens, whose service states `lifetime`; the first token is good for `uses`
/// requests.
fn with_tokens(lifetime: &'static str, uses: usize) -> Server {
    let address: Arc<OnceLock<String>> = Arc::default();
    let own = address.clone();
    let (issued, used) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let server = Server::start(move |seen, _| {
        if seen.line().contains(" /token") {
            let token = issued.fetch_add(1, Ordering::Relaxed) + 1;
            return Reply::ok(format!(r#"{{"token":"t{token}"{lifetime}}}"#));
        }
        let newest = issued.load(Ordering::Relaxed);
        let good = seen.header("authorization") == Some(&format!("Bearer t{newest}"));
        let ended = newest == 1 && used.fetch_add(1, Ordering::Relaxed) >= uses;
        if !good || ended {
            let challenge =
                format!(r#"Bearer realm="http://{}/token",service="s""#, own.get().unwrap());
            return Reply::new(401).header("WWW-Authenticate", challenge);
        }
        match () {
            () if seen.line().contains("/manifests/") && seen.is("GET") => Reply::ok(MANIFEST),
            () if seen.line().contains("/blobs/sha256:44136") => Reply::ok("{}"),
            () => takes_all(seen),
        }
    });
    address.set(server.host()).unwrap();
    server
}

#[test]
fn token_is_got_once_for_a_whole_pull() {
    let server = with_tokens("", usize::MAX);
    let source = connect(&server, me()).source(&reference(&server, "a/b:1"));
    let image = Image::read(&source, source.root().unwrap()).unwrap();
    assert_eq!(image.config, b"{}");
    let lines = server.lines();
    assert_eq!(
        lines[..3],
        [
            "GET /v2/a/b/manifests/1",
            "GET /token?service=s&scope=repository%3Aa%2Fb%3Apull&account=me",
            "GET /v2/a/b/manifests/1",
        ]
    );
    assert_eq!(lines.len(), 4, "{lines:?}");
    let seen = server.requests();
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(seen[1].header("authorization"), Some(ME));
}

#[test]
fn token_is_renewed_before_it_ends() {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    static SECONDS: AtomicU64 = AtomicU64::new(0);
    fn now() -> Instant {
        *BEGUN + Duration::from_secs(SECONDS.load(Ordering::Relaxed))
    }
    let server = with_tokens(r#","expires_in":300"#, usize::MAX);
    let (access, pace) = (plain(Credential::Anonymous), Pace { now, ..pace() });
    let registry = Registry::paced(&network(), &server.host(), access, pace).unwrap();
    let source = registry.source(&reference(&server, "a"));
    source.root().unwrap();
    SECONDS.store(289, Ordering::Relaxed);
    source.root().unwrap();
    assert_eq!(server.lines().len(), 4, "it is good for long enough: {:?}", server.lines());
    // The token would be good for a little longer, but not surely for as long as a request takes.
    SECONDS.store(291, Ordering::Relaxed);
    source.root().unwrap();
    let lines = server.lines();
    assert_eq!(server.count("GET /token?service=s&scope=repository%3Aa%3Apull"), 2, "{lines:?}");
    assert_eq!(lines.len(), 6, "no request was refused for an old token: {lines:?}");
}

#[test]
fn upload_goes_again_with_a_new_token_when_the_old_one_ends_in_it() {
    // Two requests a token: the HEAD and the POST are served, the PUT is refused.
    let server = with_tokens("", 2);
    let bytes = bytes(300_000);
    let sink = connect(&server, me()).sink(&reference(&server, "a"));
    sink.put(&layer(&bytes), &Quiet).unwrap();
    let seen = server.requests();
    let puts: Vec<&Request> = seen.iter().filter(|seen| seen.is("PUT")).collect();
    assert_eq!(puts.len(), 2, "{:?}", server.lines());
    assert!(puts[1].body == bytes);
    assert_ne!(puts[0].header("authorization"), puts[1].header("authorization"));
    let tokens: Vec<&Request> = seen.iter().filter(|seen| seen.line().contains("/token")).collect();
    assert!(tokens.iter().all(|seen| seen.line().contains("%3Apull%2Cpush")), "{tokens:?}");
}

#[test]
fn identity_token_is_posted_and_not_put_into_a_url() {
    let server = with_tokens("", usize::MAX);
    let credential = Credential::IdentityToken(Zeroizing::new("refresh&me".into()));
    connect(&server, credential).source(&reference(&server, "a")).root().unwrap();
    let seen = server.requests();
    assert_eq!(seen[1].line(), "POST /token");
    assert_eq!(
        String::from_utf8_lossy(&seen[1].body),
        "grant_type=refresh_token&service=s&client_id=sealcrate&scope=repository%3Aa%3Apull\
         &refresh_token=refresh%26me"
    );
    assert_eq!(seen[2].header("authorization"), Some("Bearer t1"));
}

#[test]
fn refusal_after_authentication_is_denied_and_not_repeated() {
    let server = Server::start(|seen, _| match seen.header("host") {
        _ if seen.line().contains("/token") => Reply::ok(r#"{"token":"t"}"#),
        host => Reply::new(401)
            .header("WWW-Authenticate", format!("Bearer realm=\"http://{}/token\"", host.unwrap())),
    });
    let error = connect(&server, me()).source(&reference(&server, "a")).root().unwrap_err();
    let host = server.host();
    assert!(
        matches!(error.medium(), Some(RegistryError::Denied { host: h, .. }) if *h == host),
        "{error}"
    );
    assert_eq!(server.lines().len(), 3);
}

#[test]
fn forbidden_is_denied_with_what_the_registry_says() {
    let server = Server::start(|_, _| {
        Reply::new(403).body(r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#)
    });
    let error = connect(&server, me()).source(&reference(&server, "a")).root().unwrap_err();
    assert_eq!(error.to_string(), format!("{} denies access: DENIED: not yours", server.host()));
}

#[test]
fn refused_token_request_is_denied() {
    let server = Server::start(|seen, _| {
        if seen.line().contains("/token") {
            return Reply::new(401).body(r#"{"details":"incorrect username or password"}"#);
        }
        let realm = format!("http://{}/token", seen.header("host").unwrap());
        Reply::new(401).header("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))
    });
    let error = connect(&server, me()).source(&reference(&server, "a")).root().unwrap_err();
    assert!(error.to_string().ends_with("denies access: incorrect username or password"));
}

#[test]
fn endless_token_answer_is_refused() {
    let server = Server::start(|seen, _| {
        if seen.line().contains("/token") {
            return Reply::ok(format!(r#"{{"token":"{}"}}"#, "x".repeat(1 << 20)));
        }
        let realm = format!("http://{}/token", seen.header("host").unwrap());
        Reply::new(401).header("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))
    });
    let error = connect(&server, me()).source(&reference(&server, "a")).root().unwrap_err();
    assert!(matches!(error.medium(), Some(RegistryError::AnswerTooLong { .. })), "{error}");
}

#[test]
fn basic_credentials_are_sent_when_asked_for_and_then_at_once() {
    let server = Server::start(|seen, _| match seen.header("authorization") {
        Some(ME) => Reply::ok(MANIFEST),
        _ => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"r\""),
    });
    let registry = connect(&server, me());
    registry.source(&reference(&server, "a")).root().unwrap();
    registry.source(&reference(&server, "b")).root().unwrap();
    assert_eq!(server.lines().len(), 3);
    let nobody = connect(&server, Credential::Anonymous);
    let error = nobody.source(&reference(&server, "a")).root().unwrap_err();
    assert!(matches!(error.medium(), Some(RegistryError::Denied { .. })), "{error}");
}

#[test]
fn credentials_stay_with_the_registry_when_it_redirects() {
    let bytes = bytes(1000);
    let away = Server::start({
        let bytes = bytes.clone();
        move |_, _| Reply::ok(bytes.clone())
    });
    let elsewhere = away.url("/signed?sig=x");
    let server = Server::start(move |seen, _| match seen.header("authorization") {
        None => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"r\""),
        Some(_) if seen.line().contains("/v2/") => Reply::new(307).header("Location", "/there"),
        Some(_) => Reply::new(302).header("Location", elsewhere.clone()),
    });
    let source = connect(&server, me()).source(&reference(&server, "a"));
    let descriptor = layer(&bytes).descriptor().unwrap().clone();
    let remote = Layer::stored(descriptor.clone(), None, source.blob(&descriptor));
    assert!(read(&remote).unwrap() == bytes);
    assert_eq!(server.requests().last().unwrap().header("authorization"), Some(ME));
    assert_eq!(away.lines(), ["GET /signed?sig=x"]);
    assert_eq!(away.requests()[0].header("authorization"), None);
}

#[test]
fn challenge_of_whom_the_registry_redirects_to_is_not_answered() {
    let away =
        Server::start(|_, _| Reply::new(401).header("WWW-Authenticate", "Basic realm=\"give me\""));
    let elsewhere = away.url("/");
    let server = Server::start(move |_, _| Reply::new(307).header("Location", elsewhere.clone()));
    let error = connect(&server, me()).source(&reference(&server, "a")).root().unwrap_err();
    assert!(matches!(error.medium(), Some(RegistryError::Status { status: 401, .. })), "{error}");
    assert_eq!(away.requests().len(), 1);
}

#[test]
fn upload_to_another_host_bears_no_credentials() {
    let away = Server::start(|_, _| Reply::stored());
    let elsewhere = away.url("/up?state=x");
    let server = Server::start(move |seen, _| match seen.header("authorization") {
        None => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"r\""),
        Some(_) if seen.is("POST") => Reply::new(202).header("Location", elsewhere.clone()),
        Some(_) => Reply::new(404),
    });
    connect(&server, me()).sink(&reference(&server, "a")).put(&layer(b"abc"), &Quiet).unwrap();
    let seen = away.requests();
    let digest = Digest::of(b"abc").hex();
    assert_eq!(seen[0].line(), format!("PUT /up?state=x&digest=sha256%3A{digest}"));
    assert_eq!((seen[0].header("authorization"), &seen[0].body[..]), (None, &b"abc"[..]));
}
