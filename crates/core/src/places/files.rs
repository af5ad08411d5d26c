//! Layouts and archives: the places that are files.

use std::sync::Arc;

use sealcrate_image::archive::{
    self, DockerArchive, DockerArchiveSink, OciArchiveSink, OciArchiveSource,
};
use sealcrate_image::layout::{LayoutSink, LayoutSource};
use sealcrate_image::{Leftovers, Location, Sink, Source, Spool};

use crate::error::{ErrorSource, Refusal};

/// Opens layouts and archives.
pub struct Files {
    spool: Spool,
    leftovers: Leftovers,
    unremoved: fn(&str),
}

impl Files {
    /// Makes temporary names that are on the list `leftovers`. Unnamed files lie in `spool`. `unremoved`
    /// takes a sentence about each blob of a layout that nothing needs and nobody could remove.
    pub fn new(spool: Spool, leftovers: Leftovers, unremoved: fn(&str)) -> Self {
        Self { spool, leftovers, unremoved }
    }

    /// Opens a file or folder to read from.
    ///
    /// # Errors
    /// The location is neither, or cannot be read.
    pub fn source(&self, location: &Location) -> Result<Arc<dyn Source>, ErrorSource> {
        Ok(match location {
            Location::DockerArchive { file, name } => Arc::new(DockerArchive::open(
                archive::open_file(file, &self.spool)?,
                name.as_ref(),
            )?),
            Location::OciLayout { folder, name } => {
                Arc::new(LayoutSource::open(folder, name.as_deref())?)
            }
            Location::OciArchive { file, name } => {
                let file = archive::open_file(file, &self.spool)?;
                Arc::new(OciArchiveSource::open(file, name.as_deref())?)
            }
            Location::DockerDaemon(_) | Location::Registry(_) => return Err(Refusal::NoFile.into()),
        })
    }

    /// Opens a file or folder to write to.
    ///
    /// # Errors
    /// The location is neither, or cannot be written.
    pub fn sink(&self, location: &Location) -> Result<Arc<dyn Sink>, ErrorSource> {
        Ok(match location {
            Location::DockerArchive { file, name } => {
                Arc::new(DockerArchiveSink::create(file, name.as_ref(), &self.leftovers)?)
            }
            Location::OciLayout { folder, name } => {
                let (sink, tell) =
                    (LayoutSink::create(folder, name.as_deref(), &self.leftovers)?, self.unremoved);
                Arc::new(sink.telling(move |unremoved| tell(&unremoved.to_string())))
            }
            Location::OciArchive { file, name } => {
                Arc::new(OciArchiveSink::create(file, name.as_deref(), &self.leftovers)?)
            }
            Location::DockerDaemon(_) | Location::Registry(_) => return Err(Refusal::NoFile.into()),
        })
    }
}
