//! Reuse: private layers of an earlier locked image that the new image takes over without encrypting them
//! again.
//!
//! The new image gets the earlier payload files unchanged, and its index gets the identity that opens them.
//! Nothing is ever encrypted to an identity that was read. So each reader of the earlier image can open
//! these layers of the new one. Therefore the new image has to be for all these readers too. The earlier
//! index also has to come from somebody who may choose a layer's identity: with public keys, anybody can
//! write an index.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::sync::Arc;

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{DiffId, Digest, Layer, MediaType, Spool};
use sealcrate_pack::{CoverError, Key, Openers};
use sealcrate_packfile::index::{Index, IndexLayer};
use thiserror::Error;

use crate::lock::encrypted_layer::EncryptedLayer;
use crate::unlock::decrypted_layer::DecryptedLayer;
use crate::{LockedImage, UnlockError};

/// How an earlier image was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// By the digest of its manifest or config, which no other image has.
    Digest,
    /// By a name, which somebody may have given to another image.
    Name,
}

/// How earlier images are decrypted.
#[derive(Clone, Copy, Debug)]
pub struct Opener<'a> {
    /// The passphrase or recipients of the new image.
    pub protection: &'a Openers,
    /// The identities that open the earlier image. Under a passphrase, the passphrase of `protection` opens
    /// it.
    pub identities: Option<&'a Key>,
}

/// Private layers of earlier images that can be used again.
#[derive(Default)]
pub struct Reusable(HashMap<DiffId, EncryptedLayer>);

impl Reusable {
    /// Adds the private layers of an earlier image that have `wanted` diff IDs. Each is checked whole. One
    /// failure adds none of them.
    ///
    /// # Errors
    /// The rules forbid reuse of the image; the payload is damaged; the image cannot be read; the spool
    /// cannot be written.
    pub fn add(
        &mut self,
        earlier: &LockedImage,
        found_by: FoundBy,
        opener: Opener<'_>,
        wanted: &BTreeSet<DiffId>,
        spool: &Spool,
    ) -> Result<(), ReuseError> {
        // The writer of an index under a passphrase has the passphrase.
        if found_by == FoundBy::Name && !opener.protection.is_passphrase() {
            return Err(ReuseError::Unproven);
        }
        let age = earlier.age();
        let file_key = opener.protection.unwrap_covered(age.header(), opener.identities)?;
        let bytes = earlier.index(&file_key)?;
        let index = Index::parse(&bytes).map_err(UnlockError::from)?;
        let mut checked = HashMap::new();
        for (layer, found) in earlier.places(&index)? {
            let IndexLayer::Private { diff_id, identity, parts } = layer else {
                continue;
            };
            let diff_id = DiffId(Digest::from(diff_id));
            let is_there = self.0.contains_key(&diff_id) || checked.contains_key(&diff_id);
            if is_there || !wanted.contains(&diff_id) {
                continue;
            }
            let decrypted = DecryptedLayer::find(found, parts, identity, spool)?;
            let (files, identity) = (decrypted.files.clone(), decrypted.identity.clone());
            let (len, content) = (parts.tar_len(), Arc::new(decrypted));
            let plain = Layer::decrypted(MediaType::DOCKER_LAYER, len, diff_id, content);
            io::copy(&mut plain.open().map_err(UnlockError::from)?, &mut io::sink())
                .map_err(UnlockError::from)?;
            let mut encrypted =
                EncryptedLayer::from_files(files, identity).map_err(UnlockError::from)?;
            // A layer with other content beside the payload is not ours. `find` has read and checked all of
            // the layer.
            if found.diff_id() == encrypted.layer.diff_id() {
                encrypted.layer = found.clone();
            }
            checked.insert(diff_id, encrypted);
        }
        self.0.extend(checked);
        Ok(())
    }

    /// Returns a private layer that is used again.
    pub(crate) fn get(&self, diff_id: DiffId) -> Option<EncryptedLayer> {
        self.0.get(&diff_id).cloned()
    }
}

impl fmt::Debug for Reusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why an earlier image cannot be used again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReuseError {
    /// Others can open it, or it cannot be decrypted.
    #[error("{0}")]
    Cover(#[from] CoverError),
    /// It cannot be read, or was changed.
    #[error("{0}")]
    Unlock(#[from] UnlockError),
    /// Anybody may have written it.
    #[error(
        "anybody can lock an image to a recipient, under keys that he knows: name the image by digest"
    )]
    Unproven,
}

impl Classified for ReuseError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Unproven => Some(ErrorClass::Failure),
            Self::Cover(_) | Self::Unlock(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use sealcrate_image::{Image, Quiet};
    use sealcrate_pack::{KeyError, MIN_WORK_FACTOR, NewIdentity};
    use sealcrate_packfile::index::UnlockOn;
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;
    use crate::{Locker, PathRules, Start, payload};

    fn spool() -> Spool {
        Spool::in_folder(std::env::temp_dir())
    }

    fn layer_of(bytes: Vec<u8>) -> Layer {
        let diff_id = DiffId(Digest::of(&bytes));
        Layer::decrypted(MediaType::DOCKER_LAYER, bytes.len() as u64, diff_id, Arc::new(bytes))
    }

    /// A layer with one file.
    fn layer(name: &str) -> Layer {
        let mut tar = tar::Builder::new(Vec::new());
        payload::append(&mut tar, name, 0o644, name.as_bytes()).unwrap();
        layer_of(tar.into_inner().unwrap())
    }

    fn diff_ids(layers: &[Layer]) -> Vec<DiffId> {
        layers.iter().filter_map(Layer::diff_id).collect()
    }

    /// An image whose config names these diff IDs.
    fn image(layers: Vec<Layer>, diff_ids: &[DiffId]) -> Image {
        let diff_ids: Vec<_> = diff_ids.iter().map(|diff_id| diff_id.0).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        Image::new(config.to_string().into_bytes(), layers)
    }

    fn honest(names: &[&str]) -> Image {
        let layers: Vec<Layer> = names.iter().map(|name| layer(name)).collect();
        let diff_ids = diff_ids(&layers);
        image(layers, &diff_ids)
    }

    /// Locks all but the lowest layer.
    fn lock(image: &Image, protection: &Openers, reusable: &Reusable) -> Image {
        let locker = Locker {
            start: Start { variable: "KEY", key_file: b"/key", banner: b"" },
            protection,
            rules: PathRules::default(),
            dropped_volumes: Vec::new(),
            unlock_on: UnlockOn::Memory,
            spool: &spool(),
            progress: &Quiet,
        };
        locker.lock(image, &(1..image.layers.len()).collect(), reusable).unwrap().image.into_image()
    }

    fn under(passphrase: &str) -> Openers {
        Openers::passphrase(passphrase.as_bytes(), MIN_WORK_FACTOR).unwrap()
    }

    fn key(text: &str) -> Key {
        Key::parse(Zeroizing::new(text.as_bytes().to_vec())).unwrap()
    }

    /// Finds the layers of an earlier image that a new one can use again.
    fn reusable(
        earlier: &Image,
        found_by: FoundBy,
        opener: Opener<'_>,
        new: &Image,
    ) -> Result<Reusable, ReuseError> {
        let mut reusable = Reusable::default();
        let wanted = diff_ids(&new.layers).into_iter().collect();
        let earlier = LockedImage::read(earlier.clone()).unwrap();
        reusable.add(&earlier, found_by, opener, &wanted, &spool())?;
        Ok(reusable)
    }

    /// The identities of an image's private layers, and the header of its index.
    fn secrets(locked: &Image, protection: &Openers) -> (Vec<String>, Vec<u8>) {
        let locked = LockedImage::read(locked.clone()).unwrap();
        let file_key = protection.unwrap_covered(locked.age().header(), None).unwrap();
        let bytes = locked.index(&file_key).unwrap();
        let index = Index::parse(&bytes).unwrap();
        let identities = index.layers().filter_map(|layer| match layer {
            IndexLayer::Private { identity, .. } => Some(identity.to_owned()),
            IndexLayer::Clear { .. } => None,
        });
        (identities.collect(), locked.header().to_vec())
    }

    #[test]
    fn unchanged_layers_stay_and_nothing_is_encrypted_under_a_key_that_was_read() {
        let protection = under("a passphrase");
        let (old, new) = (honest(&["base", "a", "b"]), honest(&["base", "c", "a"]));
        let earlier = lock(&old, &protection, &Reusable::default());
        let opener = Opener { protection: &protection, identities: None };
        let found = reusable(&earlier, FoundBy::Name, opener, &new).unwrap();
        let locked = lock(&new, &protection, &found);
        let (before, after) = (diff_ids(&earlier.layers), diff_ids(&locked.layers));
        assert_eq!(after[2], before[1], "the payload of a");
        assert!(!before.contains(&after[1]), "the payload of c");

        let (old_keys, old_header) = secrets(&earlier, &protection);
        let (new_keys, new_header) = secrets(&locked, &protection);
        assert_eq!(new_keys[1], old_keys[0], "the key of a, wrapped again");
        assert!(!old_keys.contains(&new_keys[0]), "the key of c");
        assert_ne!(new_header, old_header, "the index has a key of its own");

        let unlocked = LockedImage::read(locked).unwrap();
        let unlocked = unlocked.unlock(&key("a passphrase"), &spool()).unwrap();
        assert_eq!(unlocked.config, new.config);
        for layer in &unlocked.layers {
            io::copy(&mut layer.open().unwrap(), &mut io::sink()).unwrap();
        }
    }

    #[test]
    fn other_passphrases_and_recipients_are_no_source() {
        let identity = NewIdentity::generate().unwrap();
        let to = Openers::recipients(vec![identity.recipient.clone()]).unwrap();
        let identities = key(&identity.secret);
        let image = honest(&["base", "a"]);
        let (one, two) = (under("one"), under("two"));
        let earlier = lock(&image, &one, &Reusable::default());
        let refused = |protection, earlier: &Image, found_by| {
            let opener = Opener { protection, identities: Some(&identities) };
            reusable(earlier, found_by, opener, &image).unwrap_err()
        };
        let wrong = refused(&two, &earlier, FoundBy::Digest);
        assert!(matches!(wrong, ReuseError::Cover(CoverError::Key(KeyError::Wrong))), "{wrong}");
        let other = refused(&to, &earlier, FoundBy::Digest);
        assert!(matches!(other, ReuseError::Cover(CoverError::OtherKind)), "{other}");
        let removed = NewIdentity::generate().unwrap();
        let both = vec![identity.recipient, removed.recipient];
        let both = Openers::recipients(both).unwrap();
        let earlier = lock(&image, &both, &Reusable::default());
        let others = refused(&to, &earlier, FoundBy::Digest);
        assert!(matches!(others, ReuseError::Cover(CoverError::Others)), "{others}");
    }

    #[test]
    fn index_that_anybody_can_have_written_is_no_source() {
        let identity = NewIdentity::generate().unwrap();
        let to = Openers::recipients(vec![identity.recipient.clone()]).unwrap();
        let identities = key(&identity.secret);
        let opener = Opener { protection: &to, identities: Some(&identities) };
        let image = honest(&["base", "a"]);
        let earlier = lock(&image, &to, &Reusable::default());
        let unproven = reusable(&earlier, FoundBy::Name, opener, &image).unwrap_err();
        assert!(matches!(unproven, ReuseError::Unproven), "{unproven}");
        let found = reusable(&earlier, FoundBy::Digest, opener, &image).unwrap();
        let locked = lock(&image, &to, &found);
        assert_eq!(diff_ids(&locked.layers)[1], diff_ids(&earlier.layers)[1]);
    }

    #[test]
    fn payload_of_something_else_is_damage() {
        let protection = under("a passphrase");
        let opener = Opener { protection: &protection, identities: None };
        let wanted = honest(&["base", "a"]);
        // The index names one layer, and the payload holds another.
        let lying = image(vec![layer("base"), layer("evil")], &diff_ids(&wanted.layers));
        let earlier = lock(&lying, &protection, &Reusable::default());
        let damage = reusable(&earlier, FoundBy::Digest, opener, &wanted).unwrap_err();
        assert!(matches!(damage, ReuseError::Unlock(UnlockError::Io(_))), "{damage}");

        let earlier = lock(&wanted, &protection, &Reusable::default());
        let mut whole = Vec::new();
        earlier.layers[1].open().unwrap().read_to_end(&mut whole).unwrap();
        let age = age_file(&whole);
        // Bytes of the header, which a stranger can write, and of the last piece's tag.
        for at in [age.start, age.start + 30, age.end - 17, age.end - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            let mut changed = earlier.clone();
            changed.layers[1] = layer_of(bytes);
            let found = reusable(&changed, FoundBy::Digest, opener, &wanted);
            assert!(matches!(found, Err(ReuseError::Unlock(_))), "byte {at} of {age:?}");
        }
    }

    /// Returns the place of the age file in a payload layer: the only file that is not empty.
    fn age_file(layer: &[u8]) -> std::ops::Range<usize> {
        let mut tar = tar::Archive::new(layer);
        let mut files = tar.entries().unwrap().map(Result::unwrap).filter(|file| file.size() > 0);
        let (file, None) = (files.next().unwrap(), files.next()) else { panic!("there is one") };
        let start = usize::try_from(file.raw_file_position()).unwrap();
        let range = start..start + usize::try_from(file.size()).unwrap();
        assert!(layer[range.clone()].starts_with(b"age-encryption.org/v1\n"));
        range
    }

    #[test]
    fn what_lies_beside_a_payload_does_not_come_along() {
        let protection = under("a passphrase");
        let opener = Opener { protection: &protection, identities: None };
        let wanted = honest(&["base", "a"]);
        let mut earlier = lock(&wanted, &protection, &Reusable::default());
        let ours = diff_ids(&earlier.layers)[1];
        let mut bytes = Vec::new();
        earlier.layers[1].open().unwrap().read_to_end(&mut bytes).unwrap();
        // The new entry goes before the two records of zeros that end the tar file.
        bytes.truncate(bytes.len() - 1024);
        let mut evil = Vec::new();
        layer("bin/evil").content().open().unwrap().read_to_end(&mut evil).unwrap();
        bytes.extend(evil);
        earlier.layers[1] = layer_of(bytes);
        let found = reusable(&earlier, FoundBy::Digest, opener, &wanted).unwrap();
        let locked = lock(&wanted, &protection, &found);
        assert_eq!(diff_ids(&locked.layers)[1], ours);
        assert_eq!(secrets(&locked, &protection).0, secrets(&earlier, &protection).0);
    }

    #[test]
    fn image_that_is_damaged_in_one_place_is_no_source_in_any() {
        let protection = under("a passphrase");
        let opener = Opener { protection: &protection, identities: None };
        let image = honest(&["base", "a", "b"]);
        let mut earlier = lock(&image, &protection, &Reusable::default());
        earlier.layers[2] = layer("another");
        let earlier = LockedImage::read(earlier).unwrap();
        let [_, a, b] = diff_ids(&image.layers)[..] else { panic!("there are three") };
        let mut reusable = Reusable::default();
        let mut add = |wanted: &[DiffId]| {
            let wanted = wanted.iter().copied().collect();
            let added = reusable.add(&earlier, FoundBy::Name, opener, &wanted, &spool());
            (added.is_ok(), reusable.get(a).is_some())
        };
        assert_eq!(add(&[a, b]), (false, false));
        // A layer that nobody wants is not checked.
        assert_eq!(add(&[a]), (true, true));
    }

    #[test]
    fn layer_that_is_there_twice_is_used_again_twice() {
        let protection = under("a passphrase");
        let opener = Opener { protection: &protection, identities: None };
        let image = honest(&["base", "a", "b", "a"]);
        let earlier = lock(&image, &protection, &Reusable::default());
        let found = reusable(&earlier, FoundBy::Name, opener, &image).unwrap();
        let locked = lock(&image, &protection, &found);
        let (before, after) = (diff_ids(&earlier.layers), diff_ids(&locked.layers));
        assert_eq!(after[1..4], [before[1], before[2], before[1]]);
        let unlocked = LockedImage::read(locked).unwrap();
        let unlocked = unlocked.unlock(&key("a passphrase"), &spool()).unwrap();
        for (layer, original) in unlocked.layers.iter().zip(&image.layers) {
            let [mut found, mut expected] = [Vec::new(), Vec::new()];
            layer.open().unwrap().read_to_end(&mut found).unwrap();
            original.open().unwrap().read_to_end(&mut expected).unwrap();
            assert_eq!(found, expected);
        }
    }
}
