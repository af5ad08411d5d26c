//! Places: from a location on the command line to its source or sink.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Result;
use sealcrate_core::{Error, ErrorSource, Files};
use sealcrate_image::engine::{Engine, ExportForm};
use sealcrate_image::registry::{Network, Patience, Registry};
use sealcrate_image::{
    Artifact, Config, DiffId, Digest, EngineName, Leftovers, Location, Progress, Reference,
    Repository, Runtime, Sink, Source, Spool,
};

use crate::args::{MainRegistry, RegistryArgs};
use crate::environment::credentials::Stores;
use crate::environment::docker_host::{self, Machine};
use crate::environment::insecure::{Insecure, SYSTEM};
use crate::environment::registry_access::{self, CERTIFICATES, RegistrySettings};
use crate::output::failure::{Usage, boxed};
use crate::output::talk;

/// Opens places. It opens the engine, the network and each repository once.
pub(crate) struct Places {
    files: Files,
    spool: Spool,
    progress: Arc<dyn Progress>,
    settings: RegistrySettings,
    patience: Patience,
    stores: Stores,
    runtime: Runtime,
    engine: OnceLock<Engine>,
    network: OnceLock<Network>,
    /// By repository, since credentials belong to repositories.
    registries: Mutex<HashMap<Repository, Registry>>,
}

impl Places {
    /// Opens places as the environment and the options say. `main` is the registry for options without
    /// a host. Temporary names go on the list `leftovers`, and the network on the threads of `runtime`.
    ///
    /// # Errors
    /// An option that does not tell which registry it is for.
    pub(crate) fn new(
        args: &RegistryArgs,
        main: &MainRegistry,
        progress: Arc<dyn Progress>,
        leftovers: &Leftovers,
        runtime: &Runtime,
    ) -> Result<Self> {
        let settings = RegistrySettings {
            certificates: CERTIFICATES.into(),
            authorities: args.authorities(main)?,
            plain: args.plain_hosts(main)?,
            insecure: Insecure::of(SYSTEM.as_ref(), &variable),
            proxies: registry_access::proxies(&variable),
        };
        let spool = Spool::in_folder(std::env::temp_dir()).listed(leftovers);
        let unremoved = |told: &str| talk::warn(told);
        Ok(Self {
            files: Files::new(spool.clone(), leftovers.clone(), unremoved),
            spool,
            progress,
            settings,
            patience: args.patience(),
            stores: Stores::of(&variable),
            runtime: runtime.clone(),
            engine: OnceLock::new(),
            network: OnceLock::new(),
            registries: Mutex::default(),
        })
    }

    /// Returns the place where unnamed files are made.
    pub(crate) fn spool(&self) -> &Spool {
        &self.spool
    }

    fn open_source(
        &self,
        location: &Location,
        form: ExportForm<'_>,
    ) -> Result<Arc<dyn Source>, ErrorSource> {
        Ok(match location {
            Location::DockerDaemon(name) => {
                let engine = self.engine().map_err(boxed)?;
                engine.source(name, form, &self.spool, &*self.progress)?
            }
            Location::Registry(reference) => {
                self.registry(reference).map_err(boxed)?.source(reference)
            }
            file => self.files.source(file)?,
        })
    }

    fn open_sink(&self, location: &Location) -> Result<Arc<dyn Sink>, ErrorSource> {
        Ok(match location {
            Location::DockerDaemon(EngineName::Named(name)) => {
                self.engine().map_err(boxed)?.sink(Some(name))
            }
            Location::DockerDaemon(EngineName::Id(id)) => {
                let text = format!("an image cannot be given the ID {id}: name it");
                return Err(Usage(text).into());
            }
            Location::Registry(reference) => {
                self.registry(reference).map_err(boxed)?.sink(reference)
            }
            file => self.files.sink(file)?,
        })
    }

    fn engine(&self) -> Result<Engine> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine.clone());
        }
        let machine = Machine {
            variable: &|name| variable(name)?.into_string().ok(),
            docker_socket: Path::new("/var/run/docker.sock"),
            podman_socket: Path::new("/run/podman/podman.sock"),
        };
        let endpoint = machine.engine()?;
        if let Some(warning) = docker_host::warning(&endpoint) {
            talk::warn(warning);
        }
        let engine = Engine::connect(&endpoint, &self.runtime)?;
        Ok(self.engine.get_or_init(|| engine).clone())
    }

    /// Returns the one network of this program.
    fn network(&self) -> Result<Network> {
        if let Some(network) = self.network.get() {
            return Ok(network.clone());
        }
        let network = Network::new(&self.runtime)?;
        Ok(self.network.get_or_init(|| network).clone())
    }

    fn registry(&self, reference: &Reference) -> Result<Registry> {
        let repository = reference.repository();
        let mut registries = self.registries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registry) = registries.get(repository) {
            return Ok(registry.clone());
        }
        let credential = self.stores.credential(repository)?;
        let access = self.settings.to(repository, credential)?;
        let network = self.network()?;
        let registry = Registry::connect(&network, repository.registry(), access, self.patience)?;
        registries.insert(repository.clone(), registry.clone());
        Ok(registry)
    }
}

impl sealcrate_core::Places for Places {
    fn source(&self, location: &Location, form: ExportForm<'_>) -> Result<Arc<dyn Source>, Error> {
        self.open_source(location, form).map_err(|error| cannot("read", location, error))
    }

    fn sink(&self, location: &Location) -> Result<Arc<dyn Sink>, Error> {
        self.open_sink(location).map_err(|error| cannot("write", location, error))
    }

    fn registry_source(&self, reference: &Reference) -> Result<Arc<dyn Source>, Error> {
        Ok(self.registry(reference).map_err(|error| Error::Caller(boxed(error)))?.source(reference))
    }

    fn tag(&self, reference: &Reference) -> Result<Option<Digest>, Error> {
        let registry = self.registry(reference).map_err(|error| Error::Caller(boxed(error)))?;
        registry.digest(reference).map_err(|error| Error::Caller(error.into()))
    }

    fn diff_ids(&self, location: &Location) -> Result<Vec<DiffId>, Error> {
        if let Location::DockerDaemon(name) = location {
            let asked = self.engine().and_then(|engine| Ok(engine.diff_ids(name)?));
            return asked.map_err(|error| cannot("read", location, boxed(error)));
        }
        let source = self.source(location, ExportForm::AsTheyCome)?;
        let image = Artifact::read(&source)?.into_image(&source, None)?;
        Ok(Config::parse(&image.config)?.diff_ids().to_vec())
    }
}

/// Says which place cannot be opened.
fn cannot(action: &'static str, location: &Location, source: ErrorSource) -> Error {
    Error::Place { action, location: location.to_string(), source }
}

/// Reads a variable of the environment.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
