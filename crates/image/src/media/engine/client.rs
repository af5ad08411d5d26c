//! The connection to an engine: few requests, each with its bounds. They block their caller; none is
//! asynchronous to it.

use std::fs::File;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error as ClientError;
use bollard::models::{ImageInspect, SystemInfo, SystemVersion};
use bollard::query_parameters::ListImagesOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::StreamExt as _;
use futures_util::{future, stream};
use tokio::runtime::{self, Handle};
use tracing::debug;

use crate::{DiffId, Digest, Runtime};

use super::{Endpoint, EngineError, TlsFiles};

/// How many seconds a small answer may take; a busy engine needs many to list its images.
const ANSWER_SECONDS: u64 = 120;

/// How many seconds an export may take to its first byte, or a load to its answer. An engine packs the
/// whole image before the first byte of an export, and unpacks it before it answers a load.
const NO_LIMIT: u64 = 365 * 24 * 60 * 60;

/// How many images are looked into, and how many at a time.
const MAX_IMAGES: usize = 2000;
const IMAGES_AT_ONCE: usize = 16;

/// An engine that has answered.
pub(super) struct Client {
    docker: Docker,
    endpoint: Endpoint,
    store: Store,
    handle: Handle,
    /// Keeps the threads.
    _runtime: Runtime,
}

/// How an engine keeps images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// As unpacked layers, by chain ID. An image's ID is its config's digest, and an archive need not
    /// have layers that the engine holds.
    Classic,
    /// In some other way: containerd's, or Podman's, or it does not say.
    Other,
}

impl Store {
    fn of(version: &SystemVersion, info: Option<&SystemInfo>) -> Self {
        let is_classic = info.is_some_and(|info| is_docker(version) && !is_containerd(info));
        if is_classic { Self::Classic } else { Self::Other }
    }
}

/// The answer of an engine about an image.
#[derive(Clone, Debug)]
pub(super) struct Inspected {
    /// The ID, as the engine spells it.
    pub(super) id: String,
    /// The diff IDs, lowest first; none where any is malformed.
    pub(super) diff_ids: Vec<DiffId>,
    /// Roughly how many bytes the layers have.
    pub(super) size: Option<u64>,
}

impl Inspected {
    /// Returns the ID, where it is a digest; Podman leaves the algorithm out.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.id.parse().or_else(|_| format!("sha256:{}", self.id).parse()).ok()
    }
}

impl From<ImageInspect> for Inspected {
    fn from(image: ImageInspect) -> Self {
        let diff_ids = image.root_fs.and_then(|fs| fs.layers).unwrap_or_default();
        let diff_ids: Result<_, _> = diff_ids.iter().map(|text| text.parse().map(DiffId)).collect();
        Self {
            id: image.id.unwrap_or_default(),
            diff_ids: diff_ids.unwrap_or_default(),
            size: image.size.and_then(|size| u64::try_from(size).ok()),
        }
    }
}

impl Client {
    /// Connects, and waits for the engine's first answer.
    pub(super) fn connect(endpoint: &Endpoint, runtime: &Runtime) -> Result<Self, EngineError> {
        let failed = |error| EngineError::new(endpoint, error);
        let handle = runtime.handle().map_err(|error| failed(error.into()))?;
        let docker = open(endpoint)?;
        // An engine starts other programs to answer each.
        debug!(%endpoint, "GET /version, GET /info");
        let answers = handle.block_on(future::join(docker.version(), docker.info()));
        let (version, info) = (answers.0.map_err(failed)?, answers.1);
        if let Err(error) = &info {
            debug!(%error, "the engine does not say how it keeps images");
        }
        let store = Store::of(&version, info.as_ref().ok());
        debug!(version = version.version, ?store, "the engine answers");
        let _runtime = runtime.clone();
        Ok(Self { docker, endpoint: endpoint.clone(), store, handle, _runtime })
    }

    /// Returns the client library's handle, whose requests have no time limit.
    pub(super) fn unlimited(&self) -> Docker {
        self.docker.clone().with_timeout(Duration::from_secs(NO_LIMIT))
    }

    /// Opens a connection of its own, whose requests have no time limit. Its runtime runs only while
    /// somebody waits, so that bytes need not change threads.
    pub(super) fn alone(&self) -> Result<(Docker, runtime::Runtime), EngineError> {
        let failed = |error: io::Error| EngineError::new(&self.endpoint, error.into());
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        Ok((open(&self.endpoint)?.with_timeout(Duration::from_secs(NO_LIMIT)), runtime))
    }

    /// Returns where the engine is.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the way to the threads that speak to the engine.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns how the engine keeps images.
    pub(super) fn store(&self) -> Store {
        self.store
    }

    /// Asks for the image that `name` names, by its ID or by a name that has been parsed; `None` if
    /// there is none.
    pub(super) fn inspect(&self, name: &str) -> Result<Option<Inspected>, EngineError> {
        self.wait(inspect(&self.docker, name))
    }

    /// Asks for the first 2000 images, parents of others and nameless ones too.
    pub(super) fn images(&self) -> Result<Vec<Inspected>, EngineError> {
        debug!("GET /images/json?all=true");
        let options = ListImagesOptionsBuilder::new().all(true).build();
        self.wait(async {
            let images = self.docker.list_images(Some(options)).await?;
            // IDs from this answer go into the next request, so that they must be digests.
            let ids = images.into_iter().map(|image| image.id);
            let ids = ids.filter(|id| id.parse::<Digest>().is_ok()).take(MAX_IMAGES);
            let mut answers = stream::iter(ids)
                .map(|id| async move { inspect(&self.docker, &id).await })
                .buffer_unordered(IMAGES_AT_ONCE);
            let mut images = Vec::new();
            while let Some(image) = answers.next().await {
                images.extend(image?);
            }
            Ok(images)
        })
    }

    fn wait<T>(
        &self,
        request: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, EngineError> {
        self.handle.block_on(request).map_err(|error| EngineError::new(&self.endpoint, error))
    }
}

async fn inspect(docker: &Docker, name: &str) -> Result<Option<Inspected>, ClientError> {
    debug!("GET /images/{name}/json");
    match docker.inspect_image(name).await {
        Ok(image) => Ok(Some(image.into())),
        Err(ClientError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn open(endpoint: &Endpoint) -> Result<Docker, EngineError> {
    // The library puts no version into the path, so that every engine answers in the version that it
    // prefers.
    let version = API_DEFAULT_VERSION;
    let docker = match endpoint {
        Endpoint::Tcp { host, port } => {
            Docker::connect_with_http(&format!("{host}:{port}"), ANSWER_SECONDS, version)
        }
        Endpoint::Tls { host, port, files: TlsFiles { ca, cert, key } } => {
            // The library leaves out a client certificate that it cannot read, without a word.
            for path in [ca, cert, key] {
                File::open(path).map_err(|error| EngineError::Certificate {
                    path: path.clone(),
                    source: Some(Arc::new(error)),
                })?;
            }
            let address = format!("{host}:{port}");
            Docker::connect_with_ssl(&address, key, cert, ca, ANSWER_SECONDS, version)
        }
        Endpoint::Unix(path) => {
            // The library reports a folder that it may not look into as a socket that is not there.
            path.metadata().map_err(|error| EngineError::new(endpoint, error.into()))?;
            Docker::connect_with_unix(&path.to_string_lossy(), ANSWER_SECONDS, version)
        }
    };
    docker.map_err(|error| EngineError::new(endpoint, error))
}

/// Distinguishes Docker's own engine from others that speak its language.
fn is_docker(version: &SystemVersion) -> bool {
    let components = version.components.iter().flatten();
    components.into_iter().any(|component| component.name == "Engine")
}

/// Tells whether an engine keeps images in containerd's store, as it may since version 23.
fn is_containerd(info: &SystemInfo) -> bool {
    let status = info.driver_status.iter().flatten().flatten();
    status.into_iter().any(|text| text.starts_with("io.containerd.snapshotter"))
}
