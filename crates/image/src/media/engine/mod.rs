//! Images in the Docker engine, over its own API.
//!
//! An [`Engine`] gives images out as a [`Source`], through an unnamed file that holds its export.
//! It takes images as a [`Sink`]: it loads an archive while sealcrate writes it. The module
//! [`archive`](crate::archive) knows the form of archives. Requests run on the threads of the program's
//! [`Runtime`]; no caller sees anything asynchronous.

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

use crate::{DiffId, EngineName, Progress, ReadError, Reference, Runtime, Sink, Source, Spool};

use client::Client;
use sink::EngineSink;

pub use endpoint::{Endpoint, EndpointError, TlsFiles};
pub use error::EngineError;
pub use export::{ExportForm, Skipped};

/// A Docker engine, or another that speaks its language, such as Podman's service.
#[derive(Clone)]
pub struct Engine {
    client: Arc<Client>,
}

impl Engine {
    /// Connects to the engine at `endpoint`, which must answer, on the threads of `runtime`.
    ///
    /// # Errors
    /// No engine there, no permission, or certificates that cannot be used, each told apart.
    pub fn connect(endpoint: &Endpoint, runtime: &Runtime) -> Result<Self, EngineError> {
        Ok(Self { client: Arc::new(Client::connect(endpoint, runtime)?) })
    }

    /// Exports the image that `name` names into an unnamed file of `spool`, without the parts that
    /// `form` skips. Returns the image, with its layers in that form. Skipped layers cannot be
    /// read.
    ///
    /// # Errors
    /// No such image; an export that breaks off or holds another image; errors of the spool.
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

    /// Returns a sink that loads an image into the engine. It loads the image under `name`, if that
    /// has a tag, and else under its ID alone.
    ///
    /// It sends nothing before the first layer is put. A layer that fails cuts the load off, and
    /// the engine keeps nothing of the image.
    pub fn sink(&self, name: Option<&Reference>) -> Arc<dyn Sink> {
        Arc::new(EngineSink::new(Arc::clone(&self.client), name))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn error(socket: std::path::PathBuf) -> EngineError {
        Engine::connect(&Endpoint::Unix(socket), &Runtime::default()).err().unwrap()
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
