//! Readers: to whom the keys of an image are wrapped, as its record lists them.
//!
//! Opening an image does not depend on the list. A change of readers does: without a key nobody can make one
//! reader's wrapped key pass for another's.

use std::collections::BTreeSet;

use sealcrate_image::Digest;

use super::Recipient;
use super::annotations::{Encryption, Protection, Scheme};
use crate::sealed::{SealedReader, SealedRecord};

/// The readers of an image, while its layers' keys are wrapped one after the other.
pub(super) struct Readers(Vec<SealedReader>);

impl Readers {
    /// Begins the list of `recipients`.
    pub(super) fn of(recipients: &[Recipient]) -> Self {
        let reader = |of: &Recipient| SealedReader { hint: of.name(), items: Vec::new() };
        Self(recipients.iter().map(reader).collect())
    }

    /// Adds the wrapped keys of the next encrypted layer, one for each recipient.
    pub(super) fn add(&mut self, wraps: &[(Scheme, Vec<u8>)]) {
        for (reader, (_, item)) in self.0.iter_mut().zip(wraps) {
            reader.items.push(Digest::of(item));
        }
    }

    /// Returns the list.
    pub(super) fn into_list(self) -> Vec<SealedReader> {
        self.0
    }
}

/// Tells whether `record` lists exactly the wrapped keys that `protection` shows.
pub fn lists_all(record: &SealedRecord, protection: &Protection) -> bool {
    agree(&record.readers, &protection.layers.iter().flatten().collect::<Vec<_>>())
}

/// Tells whether `listed` are exactly the wrapped keys of the encrypted `layers`, lowest first.
pub(super) fn agree(listed: &[SealedReader], layers: &[&Encryption]) -> bool {
    listed.iter().all(|reader| reader.items.len() == layers.len())
        && layers.iter().enumerate().all(|(place, layer)| {
            let items: Vec<Digest> = layer.wraps.iter().map(|(_, item)| Digest::of(item)).collect();
            let there: BTreeSet<Digest> = items.iter().copied().collect();
            let sealed: BTreeSet<Digest> =
                listed.iter().map(|reader| reader.items[place]).collect();
            items.len() == listed.len() && there == sealed
        })
}
