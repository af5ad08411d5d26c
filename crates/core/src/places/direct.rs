//! Places that need nothing from the machine around: files, and registries whose access the caller knows.

use std::sync::{Arc, OnceLock};

use sealcrate_image::engine::ExportForm;
use sealcrate_image::registry::{Access, Network, Patience, Registry};
use sealcrate_image::{
    Artifact, Config, DiffId, Digest, Leftovers, Location, Reference, Repository, Runtime, Sink,
    Source, Spool,
};

use super::Places;
use super::files::Files;
use crate::Result;
use crate::error::{Error, ErrorSource, Refusal};

/// Layouts, archives and registries. There is no engine, so that registries have the runtime to themselves.
pub struct Direct {
    files: Files,
    network: OnceLock<Network>,
    access: Box<dyn Fn(&Repository) -> Access + Send + Sync>,
}

impl Direct {
    /// Makes places whose unnamed files lie in `spool`. `access` returns the way to a repository, with its
    /// credential.
    pub fn new(
        spool: Spool,
        access: impl Fn(&Repository) -> Access + Send + Sync + 'static,
    ) -> Self {
        let files = Files::new(spool, Leftovers::default(), |_| ());
        Self { files, network: OnceLock::new(), access: Box::new(access) }
    }

    fn open_source(&self, location: &Location) -> Result<Arc<dyn Source>, ErrorSource> {
        match location {
            Location::Registry(reference) => Ok(self.registry(reference)?.source(reference)),
            Location::DockerDaemon(_) => Err(Refusal::NoEngine.into()),
            file => self.files.source(file),
        }
    }

    fn open_sink(&self, location: &Location) -> Result<Arc<dyn Sink>, ErrorSource> {
        match location {
            Location::Registry(reference) => Ok(self.registry(reference)?.sink(reference)),
            Location::DockerDaemon(_) => Err(Refusal::NoEngine.into()),
            file => self.files.sink(file),
        }
    }

    fn registry(&self, reference: &Reference) -> Result<Registry, ErrorSource> {
        let network = match self.network.get() {
            Some(network) => network,
            None => {
                let network = Network::new(&Runtime::default())?;
                self.network.get_or_init(|| network)
            }
        };
        let repository = reference.repository();
        let access = (self.access)(repository);
        Ok(Registry::connect(network, repository.registry(), access, Patience::default())?)
    }
}

impl Places for Direct {
    fn source(&self, location: &Location, _form: ExportForm<'_>) -> Result<Arc<dyn Source>> {
        self.open_source(location).map_err(|source| cannot("read", location, source))
    }

    fn sink(&self, location: &Location) -> Result<Arc<dyn Sink>> {
        self.open_sink(location).map_err(|source| cannot("write", location, source))
    }

    fn registry_source(&self, reference: &Reference) -> Result<Arc<dyn Source>> {
        Ok(self.registry(reference).map_err(Error::Caller)?.source(reference))
    }

    fn tag(&self, reference: &Reference) -> Result<Option<Digest>> {
        let registry = self.registry(reference).map_err(Error::Caller)?;
        registry.digest(reference).map_err(|error| Error::Caller(error.into()))
    }

    fn diff_ids(&self, location: &Location) -> Result<Vec<DiffId>> {
        let source = self.source(location, ExportForm::AsTheyCome)?;
        let image = Artifact::read(&source)?.into_image(&source, None)?;
        Ok(Config::parse(&image.config)?.diff_ids().to_vec())
    }
}

fn cannot(action: &'static str, location: &Location, source: ErrorSource) -> Error {
    Error::Place { action, location: location.to_string(), source }
}
