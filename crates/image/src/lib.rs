//! Container images, and the places where they live.
//!
//! The first half of the modules is plain data: [`Digest`], [`Descriptor`], [`Reference`],
//! [`Platform`], [`Manifest`], [`Index`], [`Config`], and the values made of them, [`Layer`] and
//! [`Image`]. The second half is one module a medium, which holds its [`Source`] and its [`Sink`]
//! together: [`layout`], [`archive`], `engine`, `registry`. [`Transfer`] moves an image from one to
//! the other.
//!
//! Nothing here encrypts or decrypts, prints, prompts, or reads the environment.

mod arrival;
mod aside;
mod blob;
mod compress;
mod compressor;
mod config;
mod descriptor;
mod digest;
mod document;
mod expansion;
mod image;
mod index;
mod layer;
mod leftovers;
mod location;
mod manifest;
mod media_type;
mod outgoing;
mod platform;
mod prefetch;
mod printable;
mod progress;
mod reference;
mod room;
mod sink;
mod source;
mod spool;
mod transfer;
mod unnamed;
mod verify;

pub mod archive;
#[cfg(feature = "engine")]
pub mod engine;
pub mod layout;
#[cfg(feature = "registry")]
pub mod registry;

pub use blob::Content;
pub use compress::{Compression, CompressionLevel, CompressionLevelError};
pub use compressor::{Compressor, Packing};
pub use config::{Config, ConfigError, HistoryEntry, MAX_CONFIG_BYTES};
pub use descriptor::Descriptor;
pub use digest::{ChainId, DiffId, Digest, DigestError, Hasher};
pub use expansion::{Expansion, ExpansionError};
pub use image::{Artifact, Image};
pub use index::{ATTESTATION, ATTESTED, Index, IndexError};
pub use layer::Layer;
pub use leftovers::{Cleared, Leftovers};
pub use location::{EngineName, Location, LocationError};
pub use manifest::{
    Family, MAX_LAYERS, MAX_MANIFEST_BYTES, Manifest, ManifestError, RawManifest, Remarks,
};
pub use media_type::MediaType;
pub use outgoing::{NoKeys, Outgoing};
pub use platform::{Platform, PlatformError};
pub use prefetch::Prefetch;
pub use printable::{Printable, is_printable, printable};
pub use progress::{Meter, MeteredReader, Progress, Quiet, Stage};
pub use reference::{Reference, ReferenceError, Repository};
pub use room::NoRoom;
pub use sink::{Ahead, LayerForm, Sink, WriteError};
pub use source::{ReadError, Source};
pub use spool::{FileSlice, Spool, Spooling};
pub use transfer::Transfer;
pub use unnamed::Unnamed;
pub use verify::Damage;
