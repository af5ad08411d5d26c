//! Connections that repositories share, and credentials that they do not.

use std::collections::HashSet;

use super::*;

const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

fn user(name: &str) -> Credential {
    Credential::Basic { username: name.into(), password: Zeroizing::new("hush".into()) }
}

/// A registry that serves those alone who log in.
fn guarded() -> Server {
    Server::start(|seen, _| match seen.header("authorization") {
        None => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"give me\""),
        Some(_) => Reply::ok(INDEX),
    })
}

/// Tells whether requests about the repositories `a` and `b` came over one connection.
fn is_shared(server: &Server) -> bool {
    let over = |repository: &str| -> HashSet<usize> {
        let seen = server.requests().into_iter();
        let about = seen.filter(|seen| seen.line().contains(&format!("/v2/{repository}/")));
        about.map(|seen| seen.connection).collect()
    };
    !over("a").is_disjoint(&over("b"))
}

/// Asks for one repository through each registry in turn, until both have gone over one connection, or
/// often enough. Tells whether they have. A connection may come back a moment too late to be used again.
fn comes_to_share(server: &Server, one: &Registry, other: &Registry) -> bool {
    (0..50).any(|_| {
        one.source(&reference(server, "a:1")).root().unwrap();
        other.source(&reference(server, "b:1")).root().unwrap();
        is_shared(server)
    })
}

#[test]
fn repositories_of_one_registry_share_connections_and_no_credential() {
    let (server, network) = (guarded(), network());
    let registry =
        |name| Registry::paced(&network, &server.host(), plain(user(name)), pace()).unwrap();
    assert!(comes_to_share(&server, &registry("one"), &registry("two")));
    for seen in server.requests() {
        let expected = match seen.line().contains("/v2/a/") {
            true => "Basic b25lOmh1c2g=",
            false => "Basic dHdvOmh1c2g=",
        };
        let sent = seen.header("authorization");
        assert!(sent.is_none_or(|sent| sent == expected), "{}: {sent:?}", seen.line());
    }
}

#[test]
fn registries_with_other_proxies_or_networks_share_no_connection() {
    let (server, ours) = (guarded(), network());
    let registry = |network: &Network, except: &[&str]| {
        let mut access = plain(me());
        access.proxies.except = except.iter().map(|&host| host.to_owned()).collect();
        Registry::paced(network, &server.host(), access, pace()).unwrap()
    };
    let one = registry(&ours, &[]);
    assert!(!comes_to_share(&server, &one, &registry(&network(), &[])));
    assert!(!comes_to_share(&server, &one, &registry(&ours, &["elsewhere.test"])));
}
