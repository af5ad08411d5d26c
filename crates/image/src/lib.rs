//! Container images, and the places where they live.
//!
//! `model` is plain data: [`Digest`], [`Descriptor`], [`Reference`], [`Platform`], [`Manifest`],
//! [`Index`], [`Config`], and the values made of them, [`Layer`] and [`Image`]. `transfer` is the way of
//! bytes from any [`Source`] to any [`Sink`], on which [`Transfer`] moves an image. `media` has one folder
//! a medium, with its source and its sink: [`layout`], [`archive`], `engine`, `registry`. Each of the three
//! imports from those before it alone.
//!
//! Nothing here encrypts or decrypts, prints, prompts, or reads the environment.

mod class;
mod media;
mod model;
mod transfer;

pub use class::class;
#[cfg(feature = "engine")]
pub use media::engine;
#[cfg(feature = "registry")]
pub use media::registry;
#[cfg(any(feature = "engine", feature = "registry"))]
pub use media::runtime::Runtime;
pub use media::{archive, layout};
pub use model::compression::Compression;
pub use model::content::Content;
pub use model::damage::Damage;
pub use model::digest::{ChainId, DiffId, Digest, DigestError, Hasher};
pub use model::documents::config::{Config, ConfigError, HistoryEntry, MAX_CONFIG_BYTES};
pub use model::documents::descriptor::Descriptor;
pub use model::documents::family::Family;
pub use model::documents::index::{ATTESTATION, ATTESTED, Index, IndexError};
pub use model::documents::manifest::{
    MAX_LAYERS, MAX_MANIFEST_BYTES, Manifest, ManifestError, RawManifest, Remarks,
};
pub use model::documents::media_type::MediaType;
pub use model::documents::platform::{Platform, PlatformError};
pub use model::expansion::{Expansion, ExpansionError};
pub use model::image::{Artifact, Image};
pub use model::layer::Layer;
pub use model::location::{EngineName, Location, LocationError};
pub use model::outgoing::{NoKeys, Outgoing};
pub use model::printable::{Printable, is_printable, printable};
pub use model::reference::{Reference, ReferenceError, Repository};
pub use transfer::compression::compressor::{Compressor, Packing};
pub use transfer::compression::level::{CompressionLevel, CompressionLevelError};
pub use transfer::files::leftovers::{Cleared, Leftovers};
pub use transfer::files::room::NoRoom;
pub use transfer::files::spool::{FileSlice, Spool, Spooling};
pub use transfer::files::temporary::TemporaryFile;
pub use transfer::medium::{MediumError, MediumFailure};
pub use transfer::pipeline::Transfer;
pub use transfer::prefetch::Prefetch;
pub use transfer::progress::{Meter, MeteredReader, Progress, Quiet, Stage};
pub use transfer::sink::{LayerForm, Sink, StreamedUpload, WriteError};
pub use transfer::source::{ReadError, Source};
