//! One layer of the record, with its readers, places and tags.

use std::sync::Arc;

use sealcrate_image::{Digest, Reference, Repository};

use super::{PushedLayer, Readers};

/// A layer that this machine has pushed.
#[derive(Clone)]
pub(super) struct Recorded {
    pub(super) layer: PushedLayer,
    pub(super) readers: Readers,
    /// The repositories, the newest first.
    pub(super) places: Vec<Repository>,
    /// The tags, the newest first.
    pub(super) tags: Vec<Arc<Tagged>>,
}

/// A tag that this machine has given to a manifest, or to the index that the manifest is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tagged {
    /// The tag, with its repository.
    pub name: Reference,
    /// The digest of the manifest or index.
    pub digest: Digest,
}
