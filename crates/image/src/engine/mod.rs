//! Images in the Docker engine, over its own API.
//!
//! An [`Engine`] gives images out as a [`Source`], through an unnamed file that holds its export,
//! and takes them as a [`Sink`], as an archive that is written while the engine loads it. What an
//! archive is, is the business of [`archive`](crate::archive). The network runs on threads of this
//! module's own; nothing asynchronous is seen outside.

mod client;
mod endpoint;
mod error;
mod export;
mod held;
mod load;
mod sink;
mod unexported;

#[cfg(test)]
mod fake;

use std::sync::Arc;

use crate::{DiffId, EngineName, Progress, ReadError, Reference, Sink, Source, Spool};

use client::Client;
use sink::EngineSink;

pub use endpoint::{Endpoint, EndpointError, TlsFiles};
pub use error::EngineError;
pub use export::{ExportForm, Spared};

/// A Docker engine, or another that speaks its language, such as Podman's service.
#[derive(Clone)]
pub struct Engine {
    client: Arc<Client>,
}

impl Engine {
    /// Connects to the engine at `endpoint`, which must answer.
    ///
    /// # Errors
    /// No engine there, no permission, or certificates that cannot be used, each told apart.
    pub fn connect(endpoint: &Endpoint) -> Result<Self, EngineError> {
        Ok(Self { client: Arc::new(Client::connect(endpoint)?) })
    }

    /// Exports what is needed of the image that `name` names into an unnamed file of `spool`, and
    /// returns the image, with its layers in the form that `form` says. Layers that need not be
    /// exported cannot be read.
    ///
    /// # Errors
    /// No such image; an export that breaks off or is not of that image; those of the spool.
    pub fn source(
        &self,
        name: &EngineName,
        form: ExportForm<'_>,
        spool: &Spool,
        progress: &dyn Progress,
    ) -> Result<Arc<dyn Source>, ReadError> {
        export::export(&self.client, name, form, spool, progress)
    }

    /// Asks for the diff IDs of the image that `name` names, lowest first, without exporting it.
    ///
    /// # Errors
    /// No such image.
    pub fn diff_ids(&self, name: &EngineName) -> Result<Vec<DiffId>, EngineError> {
        match self.client.inspect(&name.to_string())? {
            Some(image) => Ok(image.diff_ids),
            None => Err(EngineError::NoSuchImage { name: name.clone() }),
        }
    }

    /// Returns what loads an image into the engine, under `name` where that has a tag, and else
    /// under its ID alone.
    ///
    /// Nothing is sent before the first layer is put. A layer that fails cuts the load off, and the
    /// engine keeps nothing of it.
    pub fn sink(&self, name: Option<&Reference>) -> Arc<dyn Sink> {
        Arc::new(EngineSink::new(Arc::clone(&self.client), name))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn error(socket: std::path::PathBuf) -> EngineError {
        Engine::connect(&Endpoint::Unix(socket)).err().unwrap()
    }

    #[test]
    fn missing_engines_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        assert!(matches!(error(socket.clone()), EngineError::NoSocket { .. }));
        drop(UnixListener::bind(&socket).unwrap());
        assert!(matches!(error(socket), EngineError::NotListening { .. }));
    }
}
