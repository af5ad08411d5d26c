//! Exports: an image on its way out of the engine, into an unnamed file.

use std::io::Write as _;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use tracing::debug;

use crate::archive::DockerArchive;
use crate::{EngineName, Manifest, Progress, ReadError, Source as _, Spool, Stage};

use super::EngineError;
use super::client::{Client, Inspected, Store};

/// Exports the image that `name` names.
pub(super) fn export(
    client: &Client,
    name: &EngineName,
    spool: &Spool,
    progress: &dyn Progress,
) -> Result<DockerArchive, ReadError> {
    let image = client
        .inspect(&name.to_string())?
        .ok_or_else(|| EngineError::NoSuchImage { name: name.clone() })?;
    let store = client.store()?;
    // By its ID it is the image that was looked at, whatever becomes of the name. In other stores
    // the ID may be that of an index, and the size that of compressed layers.
    let (asked, size) = match (store, image.digest()) {
        (Store::Classic, Some(id)) => (id.to_string(), image.size),
        _ => (name.to_string(), None),
    };
    let meter = progress.begin(Stage::Export, &name.to_string(), size);
    let mut file = spool.file()?;
    let docker = client.unlimited();
    debug!("GET /images/{asked}/get");
    let mut parts = pin!(docker.export_image(&asked));
    while let Some(part) = client.runtime().block_on(parts.next()) {
        let part = part.map_err(|error| EngineError::new(client.endpoint(), error))?;
        file.write_all(&part)?;
        meter.advance(part.len() as u64);
    }
    let archive = DockerArchive::open(Arc::new(file), None)?;
    if store == Store::Classic {
        check(&archive, &image)?;
    }
    meter.done();
    Ok(archive)
}

/// Checks that the archive holds the image that the engine named.
fn check(archive: &DockerArchive, image: &Inspected) -> Result<(), ReadError> {
    let found = Manifest::parse(&archive.root()?)?.config.digest;
    match image.digest() {
        Some(wanted) if wanted != found => Err(EngineError::OtherImage { wanted, found }.into()),
        _ => Ok(()),
    }
}
