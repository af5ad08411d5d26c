//! Readers: the recipients to whom the keys of an image are wrapped, as its record lists them.
//!
//! Opening an image does not depend on the list, but a change of readers does. Nobody without a key
//! can pass one reader's wrapped key off as another's.

use std::collections::BTreeSet;

use sealcrate_image::Digest;

use super::annotations::{Encryption, LayerEncryptions};
use super::schemes::Recipient;
use crate::sealed::{SealedReader, SealedRecord};

/// The readers of an image, while the keys of its layers are wrapped one after the other.
pub(super) struct Readers(Vec<SealedReader>);

impl Readers {
    /// Begins the list of `recipients`.
    pub(super) fn of(recipients: &[Recipient]) -> Self {
        let reader = |of: &Recipient| SealedReader { hint: of.name(), items: Vec::new() };
        Self(recipients.iter().map(reader).collect())
    }

    /// Adds the wrapped keys of the next encrypted layer, one for each recipient.
    pub(super) fn add(&mut self, wraps: &[(String, Vec<u8>)]) {
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
pub fn lists_all(record: &SealedRecord, encryptions: &LayerEncryptions) -> bool {
    agree(&record.readers, &encryptions.layers.iter().flatten().collect::<Vec<_>>())
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

#[cfg(test)]
mod tests {
    use sealcrate_image::MediaType;

    use super::*;

    fn layer(items: &[&str]) -> Encryption {
        let wraps = items.iter().map(|item| ("jwe".to_owned(), item.as_bytes().to_vec())).collect();
        Encryption { media_type: MediaType::OCI_LAYER_GZIP, hmac: [0; 32], wraps }
    }

    fn reader(items: &[&str]) -> SealedReader {
        let items = items.iter().map(|item| Digest::of(item.as_bytes())).collect();
        SealedReader { hint: "somebody".to_owned(), items }
    }

    #[test]
    fn wrapped_keys_are_exactly_those_of_the_readers() {
        let listed = [reader(&["a0", "a1"]), reader(&["b0", "b1"])];
        let agree =
            |first: &[&str], second: &[&str]| agree(&listed, &[&layer(first), &layer(second)]);
        assert!(agree(&["a0", "b0"], &["b1", "a1"]));
        assert!(!agree(&["a0"], &["a1", "b1"]), "one was taken away");
        assert!(!agree(&["a0", "b0", "a0"], &["a1", "b1"]), "one occurs twice");
        assert!(!agree(&["a0", "b0", "c0"], &["a1", "b1"]), "one was added");
        assert!(!agree(&["a0", "a0"], &["a1", "b1"]), "one stands in the place of another");
        assert!(!agree(&["a1", "b1"], &["a0", "b0"]), "they are of other layers");
    }

    #[test]
    fn lists_of_another_number_of_layers_agree_with_nothing() {
        let one = layer(&["a0"]);
        assert!(agree(&[reader(&["a0"])], &[&one]));
        assert!(!agree(&[reader(&["a0", "a1"])], &[&one]));
        assert!(!agree(&[reader(&[])], &[&one]));
        assert!(!agree(&[], &[&one]));
    }
}
