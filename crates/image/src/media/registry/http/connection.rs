//! Connections: TLS, client certificates and proxies, as an [`Access`] says.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use reqwest::{Certificate, Client, Identity, NoProxy, Proxy, Url};
use zeroize::Zeroizing;

use crate::registry::{Access, RegistryError};

/// The connections to a registry, and to the hosts that it redirects to.
pub(crate) struct Connections {
    /// For the registry's own origin: shows the client's certificate.
    pub(crate) home: Client,
    /// For every other origin.
    pub(crate) away: Client,
}

impl Connections {
    /// Prepares connections. Each may take as long as `limit` to be made.
    pub(crate) fn new(
        access: &Access,
        plain: bool,
        limit: Duration,
    ) -> Result<Self, RegistryError> {
        let away = build(access, plain, limit, None)?;
        let home = match &access.client_certificate {
            None => away.clone(),
            Some(client) => {
                let mut pem = Zeroizing::new(client.certificate.clone());
                pem.push(b'\n');
                pem.extend_from_slice(&client.key);
                let identity = Identity::from_pem(&pem).map_err(setup("the client certificate"))?;
                build(access, plain, limit, Some(identity))?
            }
        };
        Ok(Self { home, away })
    }
}

fn build(
    access: &Access,
    plain: bool,
    limit: Duration,
    identity: Option<Identity>,
) -> Result<Client, RegistryError> {
    let mut authorities = Vec::new();
    for pem in &access.certificate_authorities {
        let certificates =
            Certificate::from_pem_bundle(pem).map_err(setup("the certificates of an authority"))?;
        if certificates.is_empty() {
            let empty = io::Error::other("the file holds no certificate in PEM");
            return Err(setup("the certificates of an authority")(empty));
        }
        authorities.extend(certificates);
    }
    let mut except = access.proxies.except.join(",");
    except.push_str(",localhost,127.0.0.0/8,::1");
    let mut proxies = Vec::new();
    for (url, make) in [
        (&access.proxies.https, Proxy::https as fn(Url) -> reqwest::Result<Proxy>),
        (&access.proxies.http, Proxy::http),
    ] {
        if let Some(url) = url {
            let proxy = make(proxy_url(url)?)
                .map_err(reqwest::Error::without_url)
                .map_err(setup("the URL of a proxy"))?;
            proxies.push(proxy.no_proxy(NoProxy::from_string(&except)));
        }
    }
    let builder = || {
        let mut builder = Client::builder()
            .user_agent(concat!("sealcrate/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(limit);
        for proxy in &proxies {
            builder = builder.proxy(proxy.clone());
        }
        match &identity {
            None => builder,
            Some(identity) => builder.identity(identity.clone()),
        }
    };
    match builder().tls_certs_merge(authorities).build() {
        // If the system trusts no authority, registries without TLS can be reached all the same.
        Err(_) if plain && access.certificate_authorities.is_empty() => {
            builder().tls_certs_only([]).build()
        }
        built => built,
    }
    .map_err(setup("TLS"))
}

/// Parses the URL of a proxy. Without this check the client would silently go past a proxy of an
/// unknown kind.
fn proxy_url(text: &str) -> Result<Url, RegistryError> {
    const WHAT: &str = "the URL of a proxy";
    let url: Url = text.parse().map_err(setup(WHAT))?;
    match (url.scheme(), url.host()) {
        ("http" | "https", Some(_)) => Ok(url),
        _ => Err(setup(WHAT)(io::Error::other("it is no URL of HTTP"))),
    }
}

fn setup<E: StdError + Send + Sync + 'static>(what: &'static str) -> impl Fn(E) -> RegistryError {
    move |source| RegistryError::Setup { what, source: Box::new(source) }
}
