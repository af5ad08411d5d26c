//! Images in registries.
//!
//! This module owns the conversation with one registry: the OCI distribution protocol, its two ways of
//! authentication, repeated attempts, and the hosts that may get credentials. It knows nothing of
//! where credentials and certificates come from; an [`Access`] brings them as values.
//!
//! The interface is synchronous. All registries of a program share a [`Network`], on the threads of the
//! program's [`Runtime`](crate::Runtime). Any thread may use them that does not itself drive an asynchronous
//! runtime.

mod access;
mod auth;
mod client;
mod complaint;
mod download;
mod error;
mod http;
mod sink;
mod source;
mod tag;
mod upload;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use access::{Access, ClientCertificate, Credential, Proxies, SchemePolicy};
pub use auth::challenge;
pub use complaint::Complaint;
pub use error::RegistryError;
pub use http::network::Network;
pub use http::patience::Patience;
pub use http::redirect::is_loopback;

use client::Client;
use http::retry::Pace;

use crate::{Reference, Sink, Source};

/// One registry, reached with one credential.
///
/// Clones are cheap, and share connections and tokens.
#[derive(Clone)]
pub struct Registry {
    client: Arc<Client>,
}

impl Registry {
    /// Prepares to talk to the registry at `host`, as in
    /// [`Repository::registry`](crate::Repository::registry), over `network` and with this `patience`.
    /// It sends nothing yet.
    ///
    /// # Errors
    /// A certificate, key or proxy URL that cannot be used.
    pub fn connect(
        network: &Network,
        host: &str,
        access: Access,
        patience: Patience,
    ) -> Result<Self, RegistryError> {
        Self::paced(network, host, access, Pace::of(patience))
    }

    fn paced(
        network: &Network,
        host: &str,
        access: Access,
        pace: Pace,
    ) -> Result<Self, RegistryError> {
        Ok(Self { client: Arc::new(Client::new(network, host, access, pace)?) })
    }

    /// Returns the source of the image that `reference`, a name in this registry, names.
    pub fn source(&self, reference: &Reference) -> Arc<dyn Source> {
        Arc::new(source::RegistrySource::new(self.client.clone(), reference.clone()))
    }

    /// Returns the sink for an image that gets the name `reference` in this registry.
    pub fn sink(&self, reference: &Reference) -> Arc<dyn Sink> {
        Arc::new(sink::RegistrySink::new(self.client.clone(), reference.clone()))
    }
}
