//! Images in archives: files as `docker save` writes them, and tar files of OCI image layouts.
//!
//! [`DockerArchive`] reads the archives of engines of all generations, and [`DockerArchiveWriter`]
//! writes archives that they load. The engine's own [`Source`](crate::Source) and
//! [`Sink`](crate::Sink) are made of these two. Nothing is ever unpacked: an archive is a list of
//! names and of places in its file.

mod bounds;
mod docker;
mod entries;
#[cfg(test)]
pub(crate) mod fixtures;
mod listed;
mod oci;
mod received;
mod target;
mod wanted;
mod writer;

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use crate::layout::LayoutError;
use crate::{Compression, ConfigError, Damage, Expansion, MediumError, Spool};

pub use bounds::{BoundedReader, HeaderBounds};
pub use docker::DockerArchive;
pub use docker::sink::DockerArchiveSink;
pub use oci::{OciArchiveSink, OciArchiveSource};
pub use wanted::Wanted;
pub use writer::DockerArchiveWriter;

/// Opens an archive's file for [`DockerArchive::open`] and its like.
///
/// A file that is gzipped, or that cannot be read out of order (a pipe), is first written to
/// `spool`, as an unnamed file.
///
/// # Errors
/// Errors of the file and of the spool.
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
        whole = compression.reader(whole, Expansion::default())?;
    }
    Ok(Arc::new(spool.copy(&mut whole)?))
}

/// Why an operation on archives failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The image's config cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The config has another digest than its name says.
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
    /// A layer is not the one that the config names.
    #[error("the archive's layer {name:?} is damaged")]
    Layer {
        /// The entry.
        name: String,
        /// The two diff IDs.
        source: Damage,
    },
    /// The layout that the archive holds cannot be used.
    #[error("{0}")]
    Layout(#[from] LayoutError),
    /// A link leads out of the archive, to nothing, or in a circle.
    #[error("the archive's link {0:?} leads to no file in it")]
    Link(String),
    /// The archive lacks an entry that its image needs.
    #[error("the archive has no file {0:?}")]
    Missing(String),
    /// An entry's name is too long, or leads out of the archive.
    #[error("the archive has an entry with the unacceptable name {0:?}")]
    Name(String),
    /// A layer's diff ID is not known, as in an encrypted image. An archive for engines cannot hold
    /// it.
    #[error("layer {0} cannot go into a docker archive: its diff ID is not known")]
    NoDiffId(String),
    /// There is no image of the name or number that the caller gave.
    #[error("the archive has no image {wanted}, only: {there}")]
    NoImage {
        /// The name or number.
        wanted: String,
        /// The names that there are.
        there: String,
    },
    /// A name for an image in an archive has no tag.
    #[error("{0} has no tag")]
    NoTag(String),
    /// There are several images, and the caller meant none of them or more than one.
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
    /// A layer is not where it was expected, so that the wrong one may have been left out.
    #[error("the archive's layer {0:?} has another name than was expected")]
    Unforeseen(String),
}

impl Classified for ArchiveError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Config(_) | Self::ConfigDigest { .. } | Self::Layer { .. } => {
                Some(ErrorClass::Damaged)
            }
            Self::Duplicate(_)
            | Self::Exists(_)
            | Self::Link(_)
            | Self::Missing(_)
            | Self::Name(_)
            | Self::NoDiffId(_)
            | Self::NoImage { .. }
            | Self::NoTag(_)
            | Self::Several { .. }
            | Self::TooLarge(_)
            | Self::TooManyEntries
            | Self::Truncated(_)
            | Self::Unfinished
            | Self::Unforeseen(_) => Some(ErrorClass::Failure),
            Self::Io(_) | Self::Json(_) | Self::Layout(_) | Self::Target { .. } => None,
        }
    }
}

impl MediumError for ArchiveError {
    fn follows_another(&self) -> bool {
        matches!(self, Self::Unfinished)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use sealcrate_test_kit::gzip;

    use super::fixtures::{TARS, image, layer, put, read, tars, write};
    use super::*;
    use crate::layout::{LayoutSink, LayoutSource};
    use crate::{
        DiffId, Digest, Image, Leftovers, MediaType, Outgoing, Quiet, Sink, Source, WriteError,
    };

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    fn is_damage(error: &WriteError) -> bool {
        let WriteError::Io(error) = error else { return false };
        error.get_ref().is_some_and(|inner| inner.is::<Damage>())
    }

    #[test]
    fn image_goes_through_every_form_and_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let spool = Spool::in_folder(folder.path());
        let open = |name: &str| open_file(&at(name), &spool).unwrap();
        let original = image();
        let name = "app:1".parse().unwrap();

        let id = write(
            &original,
            &DockerArchiveSink::create(&at("docker"), Some(&name), &Leftovers::default()).unwrap(),
        );
        assert_eq!(id.unwrap().digest, original.id());
        let docker = DockerArchive::open(open("docker"), Some(&name)).unwrap();
        let (docker, _) = read(docker).unwrap();

        let sink = OciArchiveSink::create(&at("oci"), Some("v1"), &Leftovers::default()).unwrap();
        let digest = write(&Image { manifest: None, ..docker.clone() }, &sink).unwrap().digest;
        let (oci, _) = read(OciArchiveSource::open(open("oci"), Some("v1")).unwrap()).unwrap();
        assert_eq!(*oci.manifest.as_ref().unwrap().media_type(), MediaType::OCI_MANIFEST);
        assert_eq!(oci.manifest.as_ref().unwrap().digest(), digest);

        let sink = LayoutSink::create(&at("layout"), None, &Leftovers::default()).unwrap();
        assert_eq!(write(&oci, &sink).unwrap().digest, digest);
        let (layout, _) = read(LayoutSource::open(&at("layout"), None).unwrap()).unwrap();
        assert_eq!(layout.manifest, oci.manifest);

        let sink = DockerArchiveSink::create(&at("again"), None, &Leftovers::default()).unwrap();
        write(&layout, &sink).unwrap();
        let (again, _) = read(DockerArchive::open(open("again"), None).unwrap()).unwrap();
        for image in [docker, oci, layout, again] {
            assert_eq!(image.config, original.config);
            assert_eq!(tars(&image), TARS);
        }
        assert_eq!(count(folder.path()), 4);
    }

    #[test]
    fn damaged_layer_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut image = image();
        image.layers[1] = layer(b"tar", Compression::Gzip, Some(DiffId(Digest::of(b"other"))));
        let sinks: [Box<dyn Sink>; 2] = [
            Box::new(
                DockerArchiveSink::create(&folder.path().join("a"), None, &Leftovers::default())
                    .unwrap(),
            ),
            Box::new(
                OciArchiveSink::create(&folder.path().join("b"), None, &Leftovers::default())
                    .unwrap(),
            ),
        ];
        for sink in sinks {
            assert!(is_damage(&put(&image, &*sink).err().unwrap()));
            assert!(sink.commit(&Outgoing::built(image.clone())).is_err());
            assert!(sink.put(&image.layers[0], &Quiet).is_err());
            drop(sink);
            assert_eq!(count(folder.path()), 0);
        }
    }

    #[test]
    fn archives_that_lack_a_layer_are_not_named() {
        let folder = tempfile::tempdir().unwrap();
        let image = image();
        let docker =
            DockerArchiveSink::create(&folder.path().join("a"), None, &Leftovers::default())
                .unwrap();
        docker.put(&image.layers[0], &Quiet).unwrap();
        assert!(matches!(
            docker.commit(&Outgoing::built(image.clone())).unwrap_err().medium(),
            Some(ArchiveError::Missing(_))
        ));
        let oci =
            OciArchiveSink::create(&folder.path().join("b"), None, &Leftovers::default()).unwrap();
        oci.put(&image.layers[0], &Quiet).unwrap();
        assert!(matches!(
            oci.commit(&Outgoing::built(image.clone())).unwrap_err().medium(),
            Some(LayoutError::BlobAbsent(digest))
                if Some(*digest) == image.layers[1].digest()
        ));
        drop((docker, oci));
        assert_eq!(count(folder.path()), 0);
    }

    #[test]
    fn files_that_exist_are_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.tar");
        let (early, late) = (
            DockerArchiveSink::create(&file, None, &Leftovers::default()).unwrap(),
            OciArchiveSink::create(&file, None, &Leftovers::default()),
        );
        fs::write(&file, "mine").unwrap();
        for refused in [
            DockerArchiveSink::create(&file, None, &Leftovers::default()).err(),
            OciArchiveSink::create(&file, None, &Leftovers::default()).err(),
        ] {
            assert!(matches!(refused, Some(ArchiveError::Exists(path)) if path == file));
        }
        let exists = |result: Result<_, WriteError>| {
            matches!(result.unwrap_err().medium(), Some(ArchiveError::Exists(_)))
        };
        assert!(exists(write(&image(), &early)));
        assert!(exists(write(&image(), &late.unwrap())));
        assert_eq!(fs::read(&file).unwrap(), b"mine");
        let nowhere =
            DockerArchiveSink::create(&folder.path().join("no/a.tar"), None, &Leftovers::default())
                .err();
        assert!(matches!(nowhere, Some(ArchiveError::Target { .. })));
    }

    #[test]
    fn archive_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.tar");
        write(&image(), &DockerArchiveSink::create(&file, None, &Leftovers::default()).unwrap())
            .unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn gzipped_archives_and_pipes_are_unpacked_into_nameless_files() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::in_folder(folder.path());
        let file = folder.path().join("a.tar");
        write(&image(), &DockerArchiveSink::create(&file, None, &Leftovers::default()).unwrap())
            .unwrap();
        let bytes = fs::read(&file).unwrap();

        let zipped = folder.path().join("a.tar.gz");
        fs::write(&zipped, gzip(&bytes)).unwrap();
        let archive = DockerArchive::open(open_file(&zipped, &spool).unwrap(), None).unwrap();
        assert_eq!(tars(&read(archive).unwrap().0), TARS);

        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let archive = std::thread::scope(|scope| {
            scope.spawn(|| File::create(&pipe).unwrap().write_all(&bytes).unwrap());
            DockerArchive::open(open_file(&pipe, &spool).unwrap(), None).unwrap()
        });
        assert_eq!(archive.root().unwrap(), {
            DockerArchive::open_bytes(&bytes).unwrap().root().unwrap()
        });
        assert_eq!(count(folder.path()), 3);
        assert!(open_file(folder.path(), &spool).is_err());
    }
}
