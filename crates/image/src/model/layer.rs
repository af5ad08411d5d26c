//! Layers: the bytes of each, with its digest and diff ID.

use std::io;
use std::sync::Arc;

use crate::{Compression, Content, Descriptor, DiffId, Digest, Expansion, MediaType};

/// One layer of an image.
///
/// At least one of digest and diff ID is known, mostly both, so that reading a layer to its end checks
/// it. A layer of an encrypted image has a digest, and a diff ID that nobody could read. A layer that was
/// just decrypted has a diff ID, and gets a digest only when it has been read.
#[derive(Clone)]
pub struct Layer {
    media_type: MediaType,
    size: u64,
    identity: LayerIdentity,
    content: Arc<dyn Content>,
    expansion: Expansion,
}

#[derive(Clone)]
enum LayerIdentity {
    Bound { descriptor: Box<Descriptor>, diff_id: DiffId },
    Decrypted { diff_id: DiffId },
    Stored { descriptor: Box<Descriptor>, diff_id: Option<DiffId> },
}

impl Layer {
    /// Takes a layer that some medium holds under its digest.
    pub fn stored(
        descriptor: Descriptor,
        diff_id: Option<DiffId>,
        content: Arc<dyn Content>,
    ) -> Self {
        Self {
            media_type: descriptor.media_type.clone(),
            size: descriptor.size,
            identity: LayerIdentity::Stored { descriptor: Box::new(descriptor), diff_id },
            content,
            expansion: Expansion::default(),
        }
    }

    /// Takes a layer whose bytes come out of decryption: `size` bytes of no known digest.
    pub fn decrypted(
        media_type: MediaType,
        size: u64,
        diff_id: DiffId,
        content: Arc<dyn Content>,
    ) -> Self {
        let (identity, expansion) = (LayerIdentity::Decrypted { diff_id }, Expansion::default());
        Self { media_type, size, identity, content, expansion }
    }

    /// Takes a layer whose digest and diff ID a trusted writer has bound to each other: bytes of that digest
    /// unpack to that diff ID.
    pub fn bound(descriptor: Descriptor, diff_id: DiffId, content: Arc<dyn Content>) -> Self {
        Self {
            media_type: descriptor.media_type.clone(),
            size: descriptor.size,
            identity: LayerIdentity::Bound { descriptor: Box::new(descriptor), diff_id },
            content,
            expansion: Expansion::default(),
        }
    }

    /// Returns the media type of the bytes.
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// Returns how many bytes [`open`](Self::open) yields.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the layer's descriptor, unless the layer has never been stored.
    pub fn descriptor(&self) -> Option<&Descriptor> {
        match &self.identity {
            LayerIdentity::Decrypted { .. } => None,
            LayerIdentity::Bound { descriptor, .. } | LayerIdentity::Stored { descriptor, .. } => {
                Some(descriptor)
            }
        }
    }

    /// Returns the digest of the bytes, unless the layer has never been stored.
    pub fn digest(&self) -> Option<Digest> {
        self.descriptor().map(|descriptor| descriptor.digest)
    }

    /// Returns the diff ID, where it is known.
    pub fn diff_id(&self) -> Option<DiffId> {
        match &self.identity {
            LayerIdentity::Bound { diff_id, .. } | LayerIdentity::Decrypted { diff_id } => {
                Some(*diff_id)
            }
            LayerIdentity::Stored { diff_id, .. } => *diff_id,
        }
    }

    /// Returns the diff ID, if a trusted writer has bound it to the digest.
    pub(crate) fn bound_diff_id(&self) -> Option<DiffId> {
        match &self.identity {
            LayerIdentity::Bound { diff_id, .. } => Some(*diff_id),
            LayerIdentity::Decrypted { .. } | LayerIdentity::Stored { .. } => None,
        }
    }

    /// Returns a name to show to people: the digest's beginning, or the diff ID's.
    pub fn name(&self) -> String {
        match &self.identity {
            LayerIdentity::Decrypted { diff_id } => diff_id.0.short(),
            LayerIdentity::Bound { descriptor, .. } | LayerIdentity::Stored { descriptor, .. } => {
                descriptor.digest.short()
            }
        }
    }

    /// Returns the same layer with a diff ID that has become known.
    pub fn with_diff_id(&self, diff_id: DiffId) -> Self {
        let mut layer = self.clone();
        layer.identity = match layer.identity {
            LayerIdentity::Decrypted { .. } => LayerIdentity::Decrypted { diff_id },
            LayerIdentity::Bound { descriptor, .. } | LayerIdentity::Stored { descriptor, .. } => {
                LayerIdentity::Stored { descriptor, diff_id: Some(diff_id) }
            }
        };
        layer
    }

    /// Returns the same layer with its bytes taken from elsewhere.
    pub fn with_content(&self, content: Arc<dyn Content>) -> Self {
        Self { content, ..self.clone() }
    }

    /// Returns the same layer, which may unpack to as much as `expansion` allows.
    pub fn with_expansion(&self, expansion: Expansion) -> Self {
        Self { expansion, ..self.clone() }
    }

    /// Returns how much it may unpack to.
    pub(crate) fn expansion(&self) -> Expansion {
        self.expansion
    }

    /// Returns the bytes, which nothing has checked.
    pub fn content(&self) -> &Arc<dyn Content> {
        &self.content
    }

    /// Returns how the bytes are compressed: as the media type says, or, if that is no ordinary layer's,
    /// as their beginning shows.
    ///
    /// # Errors
    /// Errors of reading.
    pub fn compression(&self) -> io::Result<Compression> {
        match self.media_type.compression() {
            Some(compression) => Ok(compression),
            None => Compression::sniff(&mut *self.content.open()?),
        }
    }

    /// Tells whether the layer has the form that registries and layouts take: compressed, with a known
    /// digest.
    ///
    /// # Errors
    /// Errors of reading.
    pub fn is_packed(&self) -> io::Result<bool> {
        Ok(self.digest().is_some() && self.compression()? != Compression::None)
    }
}
