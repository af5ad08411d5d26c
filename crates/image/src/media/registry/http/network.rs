//! The network: the connections of a program to all registries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::connection::Connections;
use crate::registry::{Access, RegistryError};
use crate::{Digest, Hasher, Runtime};

/// The connections of a program to registries. Clones share them.
///
/// Two registries that have the same host, certificates and proxies share connections. They share no credential and no token: those go with single requests.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

struct Shared {
    handle: Handle,
    /// Keeps the threads.
    _runtime: Runtime,
    connections: Mutex<HashMap<Digest, Arc<Connections>>>,
}

impl Network {
    /// Makes a network on the threads of `runtime`. It connects to nothing yet.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn new(runtime: &Runtime) -> Result<Self, RegistryError> {
        let handle = runtime.handle().map_err(RegistryError::Runtime)?;
        let connections = Mutex::default();
        Ok(Self(Arc::new(Shared { handle, _runtime: runtime.clone(), connections })))
    }

    /// Waits until `doing` is done.
    pub(crate) fn wait<T>(&self, doing: impl Future<Output = T>) -> T {
        self.0.handle.block_on(doing)
    }

    /// Returns the connections to the registry `host`. Connections that may be `plain` work on a machine
    /// that trusts no authority, too. Each may take as long as `limit` to be made.
    pub(crate) fn connections(
        &self,
        host: &str,
        access: &Access,
        plain: bool,
        limit: Duration,
    ) -> Result<Arc<Connections>, RegistryError> {
        let name = name(host, access, plain, limit);
        let mut connections = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = connections.get(&name) {
            return Ok(known.clone());
        }
        let made = Arc::new(Connections::new(access, plain, limit)?);
        connections.insert(name, made.clone());
        Ok(made)
    }
}

/// Returns a name for connections: two that are made in the same way have the same one. It is a digest, so
/// that no private key and no password of a proxy is kept for it.
fn name(host: &str, access: &Access, plain: bool, limit: Duration) -> Digest {
    let Access { certificate_authorities, client_certificate, proxies, scheme: _, credential: _ } =
        access;
    let mut hasher = Hasher::default();
    let mut add = |parts: &[&[u8]]| {
        hasher.update(&(parts.len() as u64).to_be_bytes());
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    };
    add(&[host.as_bytes(), &[u8::from(plain)], &limit.as_nanos().to_be_bytes()]);
    add(&certificate_authorities.iter().map(Vec::as_slice).collect::<Vec<_>>());
    match client_certificate {
        None => add(&[]),
        Some(client) => add(&[&client.certificate, &client.key]),
    }
    for proxy in [&proxies.https, &proxies.http] {
        add(&proxy.iter().map(String::as_bytes).collect::<Vec<_>>());
    }
    add(&proxies.except.iter().map(String::as_bytes).collect::<Vec<_>>());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use zeroize::Zeroizing;

    use super::*;
    use crate::registry::{ClientCertificate, Credential, Proxies, SchemePolicy};

    #[test]
    fn connections_of_different_making_have_different_names() {
        let proxies = |https: Option<&str>, http: Option<&str>, except: &[&str]| Access {
            proxies: Proxies {
                https: https.map(ToOwned::to_owned),
                http: http.map(ToOwned::to_owned),
                except: except.iter().map(|&host| host.to_owned()).collect(),
            },
            ..Access::default()
        };
        let client = |certificate: &[u8], key: &[u8]| Access {
            client_certificate: Some(ClientCertificate {
                certificate: certificate.to_vec(),
                key: Zeroizing::new(key.to_vec()),
            }),
            ..Access::default()
        };
        let trusting = |authorities: &[&[u8]]| Access {
            certificate_authorities: authorities.iter().map(|pem| pem.to_vec()).collect(),
            ..Access::default()
        };
        let accesses = [
            Access::default(),
            trusting(&[b"a"]),
            trusting(&[b"b"]),
            trusting(&[b"a", b"b"]),
            trusting(&[b"ab"]),
            client(b"a", b"b"),
            client(b"ab", b""),
            client(b"b", b"a"),
            proxies(Some("http://a"), None, &[]),
            proxies(None, Some("http://a"), &[]),
            proxies(None, None, &["a", "b"]),
            proxies(None, None, &["ab"]),
        ];
        let limit = Duration::from_secs(1);
        let mut names: HashSet<Digest> =
            accesses.iter().map(|access| name("r.io", access, false, limit)).collect();
        names.extend([
            name("r.io:1", &Access::default(), false, limit),
            name("r.io", &Access::default(), true, limit),
            name("r.io", &Access::default(), false, limit * 2),
        ]);
        assert_eq!(names.len(), accesses.len() + 3);
    }

    #[test]
    fn credentials_make_no_connections_of_their_own() {
        let credential = Credential::IdentityToken(Zeroizing::new("hush".to_owned()));
        let scheme = SchemePolicy::InsecureLoopback;
        let access = Access { credential, scheme, ..Access::default() };
        let of = |access: &Access| name("r.io", access, false, Duration::from_secs(1));
        assert_eq!(of(&access), of(&Access::default()));
    }
}
