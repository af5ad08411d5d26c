//! How to reach a registry, as values that the caller has gathered.

use std::fmt;

use zeroize::Zeroizing;

/// How to reach one registry, and as which user. The default is anonymously and over HTTPS.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// When to speak plain HTTP.
    pub scheme: SchemePolicy,
    /// Certificate authorities beyond the system's: PEM files, each of one or more certificates.
    pub certificate_authorities: Vec<Vec<u8>>,
    /// The certificate for a registry that asks the client for one.
    pub client_certificate: Option<ClientCertificate>,
    /// The proxies on the way.
    pub proxies: Proxies,
    /// The credential of the user.
    pub credential: Credential,
}

/// When to speak plain HTTP with a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemePolicy {
    /// HTTPS. On loopback names (`localhost`, 127.0.0.0/8, `[::1]`) plain HTTP, if the server does
    /// not speak HTTPS. The credential is not sent over plain HTTP: any program on this machine may
    /// be the one that listens.
    #[default]
    HttpsExceptLoopback,
    /// The same, and the credential is sent over plain HTTP, too.
    InsecureLoopback,
    /// Plain HTTP.
    PlainHttp,
}

/// A certificate that authenticates the client, and its key.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate, and those that lead to its authority, in PEM.
    pub certificate: Vec<u8>,
    /// The private key in PEM.
    pub key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(..)")
    }
}

/// The proxies through which registries are reached. Loopback names are never proxied.
#[derive(Clone, Default)]
pub struct Proxies {
    /// The URL of the proxy for HTTPS; it may bear a user name and password.
    pub https: Option<String>,
    /// The URL of the proxy for plain HTTP; it may bear a user name and password.
    pub http: Option<String>,
    /// Hosts that are reached directly: domain names, which include their subdomains, addresses,
    /// networks such as `10.0.0.0/8`, or `*`.
    pub except: Vec<String>,
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URLs may hold passwords.
        f.write_str("Proxies(..)")
    }
}

/// The credential of a user.
#[derive(Clone, Default)]
pub enum Credential {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// A user name and password, or a substitute for a password, such as an access token.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Zeroizing<String>,
    },
    /// An OAuth 2 refresh token, which Docker calls identity token.
    IdentityToken(Zeroizing<String>),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Basic { .. } => "Basic(..)",
            Self::IdentityToken(_) => "IdentityToken(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_no_secret() {
        let secret = || Zeroizing::new("hush".to_owned());
        let access = Access {
            client_certificate: Some(ClientCertificate {
                certificate: b"hush".to_vec(),
                key: Zeroizing::new(b"hush".to_vec()),
            }),
            proxies: Proxies {
                https: Some("http://me:hush@proxy".to_owned()),
                ..Proxies::default()
            },
            credential: Credential::Basic { username: "me".to_owned(), password: secret() },
            ..Access::default()
        };
        let text = format!("{access:?} {:?}", Credential::IdentityToken(secret()));
        assert!(!text.contains("hush") && !text.contains("104"), "{text}");
    }
}
