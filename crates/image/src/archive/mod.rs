//! Images in archives: files as `docker save` writes them, and tar files of OCI image layouts.
//!
//! [`DockerArchive`] reads what engines of all generations save, and [`DockerArchiveWriter`] writes
//! what they load; the engine's own [`Source`](crate::Source) and [`Sink`](crate::Sink) are made of
//! these two. Nothing is ever unpacked: an archive is a list of names and of places in its file.

mod docker;
mod docker_sink;
mod entries;
mod oci;
mod target;
mod writer;

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::layout::LayoutError;
use crate::{Compression, ConfigError, Damage, Spool};

pub use docker::DockerArchive;
pub use docker_sink::DockerArchiveSink;
pub use oci::{OciArchiveSink, OciArchiveSource};
pub use writer::DockerArchiveWriter;

/// Opens an archive's file for [`DockerArchive::open`] and its like.
///
/// What is gzipped, or cannot be read out of order (a pipe), is first written to `spool`, in an
/// unnamed file.
///
/// # Errors
/// Those of the file and of the spool.
pub fn open_file(path: &Path, spool: &Spool) -> Result<Arc<File>, ArchiveError> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
    }
    let mut head = Vec::with_capacity(4);
    file.by_ref().take(4).read_to_end(&mut head)?;
    let compression = Compression::sniff(&mut head.as_slice())?;
    if metadata.is_file() && compression != Compression::Gzip {
        return Ok(Arc::new(file));
    }
    let mut whole: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(file));
    // Engines load gzipped archives too. Gzip unpacks to a thousand times its length at most.
    if compression == Compression::Gzip {
        whole = compression.reader(whole)?;
    }
    let mut spooled = spool.file()?;
    io::copy(&mut whole, &mut spooled)?;
    Ok(Arc::new(spooled))
}

/// Why an operation on archives failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The image's config cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The config is not the one that its name says.
    #[error("the archive's {name:?} is not what its name says")]
    ConfigDigest {
        /// The entry.
        name: String,
        /// The two digests.
        source: Damage,
    },
    /// Two entries have the same name.
    #[error("the archive has two entries named {0:?}")]
    Duplicate(String),
    /// There is something where the archive should be written.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// Reading the file failed, or it is no tar.
    #[error("the archive cannot be read")]
    Io(#[from] io::Error),
    /// The list of images is malformed.
    #[error("the archive's manifest.json is malformed")]
    Json(#[source] serde_json::Error),
    /// The layout that the archive holds cannot be used.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A link leads out of the archive, to nothing, or in a circle.
    #[error("the archive's link {0:?} leads to no file in it")]
    Link(String),
    /// An entry that is needed is not there.
    #[error("the archive has no file {0:?}")]
    Missing(String),
    /// An entry's name is too long, or leads out of the archive.
    #[error("the archive has an entry with the unacceptable name {0:?}")]
    Name(String),
    /// An archive for engines holds images whose diff IDs are known: encrypted ones it cannot hold.
    #[error("layer {0} cannot go into a docker archive: its diff ID is not known")]
    NoDiffId(String),
    /// There is no image of the name or number that was asked for.
    #[error("the archive has no image {wanted}, only: {there}")]
    NoImage {
        /// What was asked for.
        wanted: String,
        /// The names that there are.
        there: String,
    },
    /// A name for an image in an archive has no tag.
    #[error("{0} has no tag")]
    NoTag(String),
    /// There are several images, and none or more than one was meant.
    #[error("the archive has several images that are meant by this: {there}")]
    Several {
        /// The names that there are.
        there: String,
    },
    /// The archive's file cannot be made or named.
    #[error("{path} cannot be written")]
    Target {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An entry is larger than anything of its kind.
    #[error("the archive's {0:?} is too large")]
    TooLarge(String),
    /// There are more entries than any image needs.
    #[error("the archive has more than 100000 entries")]
    TooManyEntries,
    /// The file ends within an entry.
    #[error("the archive ends in the middle of {0:?}")]
    Truncated(String),
    /// A layer could not be written, so that the archive cannot be finished.
    #[error("the archive is incomplete, since a layer could not be written")]
    Unfinished,
}
