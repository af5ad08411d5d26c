//! Unlocking opens all keys of an image, and holds the image to its record or bindings, before it
//! touches any layer.

use sealcrate_image::{Config, Descriptor, DiffId, Digest, Image, Manifest};
use zeroize::Zeroizing;

use super::error::DecryptError;
use super::keyring::Keyring;
use crate::ocicrypt::annotations::{Encryption, LayerEncryptions};
use crate::ocicrypt::keys::Identity;
use crate::ocicrypt::options::{Mark, PrivateOptions, SealedBinding};
use crate::ocicrypt::record::{self, DataKeys, RecordError};
use crate::sealed::{Binding, PlainLayer, SealedRecord, Unbound};

/// An image whose keys are all open. As far as they show, nobody has tampered with it.
pub(crate) struct Unlocked {
    /// The manifest.
    pub(crate) manifest: Manifest,
    /// The encryption of each layer, as the manifest describes it.
    pub(crate) encryptions: LayerEncryptions,
    /// Each encrypted layer's key, lowest first.
    pub(crate) keys: Vec<Option<UnlockedKey>>,
    /// Each layer's diff ID.
    pub(crate) diff_ids: Vec<DiffId>,
    /// How the image is bound.
    pub(crate) held: Held,
}

/// The binding of an image, with its content.
pub(crate) enum Held {
    /// Nothing: another tool wrote the image.
    Nothing,
    /// The bindings of version 1, with each layer's digest before encryption.
    Bindings(Vec<Digest>),
    /// The sealed record.
    Record(Box<SealedRecord>),
}

impl Held {
    /// Returns the version of the binding.
    pub(crate) fn binding(&self) -> Binding {
        match self {
            Self::Nothing => Binding::None,
            Self::Bindings(_) => Binding::Version1,
            Self::Record(_) => Binding::Version2,
        }
    }
}

/// The private options of a layer, unwrapped.
pub(crate) struct UnlockedKey {
    /// Their bytes.
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// The parsed options.
    pub(crate) options: PrivateOptions,
}

/// Opens the keys of `image` with `identities`. Returns `None` if nothing in the image is
/// encrypted.
///
/// # Errors
/// The errors of [`decrypt`](super::decrypt).
pub(crate) fn unlock(
    image: &Image,
    identities: &[Identity],
    unbound: Unbound,
) -> Result<Option<Unlocked>, DecryptError> {
    let Some(raw) = &image.manifest else { return Ok(None) };
    let manifest = Manifest::parse(raw)?;
    let encryptions = LayerEncryptions::of(&manifest)?;
    if !encryptions.is_any() {
        return Ok(None);
    }
    let diff_ids = Config::parse(&image.config)?.diff_ids().to_vec();
    if diff_ids.len() != manifest.layers.len() || image.layers.len() != manifest.layers.len() {
        let (diff_ids, layers) = (diff_ids.len(), manifest.layers.len());
        return Err(DecryptError::LayerCount { diff_ids, layers });
    }
    if manifest.config.digest != image.id() {
        return Err(RecordError::Contradiction("config").into());
    }
    let mut keyring = Keyring::new(identities);
    let mut keys = Vec::with_capacity(encryptions.layers.len());
    for (encryption, descriptor) in encryptions.layers.iter().zip(&manifest.layers) {
        let Some(encryption) = encryption else {
            keys.push(None);
            continue;
        };
        let layer = descriptor.digest.short();
        let content = keyring.open(encryption, &layer)?;
        let options = PrivateOptions::parse(&content)
            .map_err(|source| DecryptError::Options { layer, source })?;
        keys.push(Some(UnlockedKey { content, options }));
    }
    let held = held(&manifest, &encryptions, &keys, &diff_ids)?;
    if !held.binding().is_taken(unbound) {
        return Err(DecryptError::NotBound);
    }
    Ok(Some(Unlocked { manifest, encryptions, keys, diff_ids, held }))
}

/// Finds the binding of the image, and compares the image with it.
fn held(
    manifest: &Manifest,
    encryptions: &LayerEncryptions,
    keys: &[Option<UnlockedKey>],
    diff_ids: &[DiffId],
) -> Result<Held, DecryptError> {
    let marks = || keys.iter().flatten().map(|key| &key.options.mark);
    if marks().all(|mark| *mark == Mark::None) {
        return Ok(Held::Nothing);
    }
    if marks().all(|mark| *mark == Mark::Record) {
        let text = record::of(manifest).ok_or(RecordError::Missing)?;
        let record = record::open(text, &data_keys(manifest, keys)?)?;
        check_record(&record, manifest, encryptions, keys, diff_ids)?;
        return Ok(Held::Record(Box::new(record)));
    }
    if marks().any(|mark| *mark == Mark::Record) {
        return Err(RecordError::Mixed.into());
    }
    Ok(Held::Bindings(bound_digests(manifest, keys, diff_ids)?))
}

/// Returns the data keys by the digests of their stored layers.
pub(crate) fn data_keys(
    manifest: &Manifest,
    keys: &[Option<UnlockedKey>],
) -> Result<DataKeys, RecordError> {
    let mut data_keys = DataKeys::new();
    for (layer, key) in manifest.layers.iter().zip(keys) {
        let Some(UnlockedKey { options, .. }) = key else { continue };
        let other = data_keys.insert(layer.digest, options.key.clone());
        if other.is_some_and(|other| other != options.key) {
            return Err(RecordError::Damaged);
        }
    }
    Ok(data_keys)
}

/// Holds the image to its record, member by member.
fn check_record(
    record: &SealedRecord,
    manifest: &Manifest,
    encryptions: &LayerEncryptions,
    keys: &[Option<UnlockedKey>],
    diff_ids: &[DiffId],
) -> Result<(), RecordError> {
    if !record.config.is_named_by(&manifest.config) {
        return Err(RecordError::Contradiction("config"));
    }
    if record.layers.len() != manifest.layers.len() {
        return Err(RecordError::Contradiction("number of layers"));
    }
    for (i, sealed) in record.layers.iter().enumerate() {
        let encryption = encryptions.layers[i].as_ref();
        let plain = encryption.zip(keys[i].as_ref()).map(|(Encryption { media_type, .. }, key)| {
            PlainLayer { media_type: media_type.clone(), digest: key.options.digest }
        });
        let digest_is_known = plain.as_ref().is_none_or(|plain| plain.digest.is_some());
        let is_same = sealed.stored.is_named_by(&manifest.layers[i])
            && sealed.plain == plain
            && sealed.diff_id == Some(diff_ids[i]);
        if !is_same || !digest_is_known {
            return Err(RecordError::Contradiction("list of layers"));
        }
    }
    Ok(())
}

/// Holds the image to the bindings of version 1, and returns each layer's digest before encryption.
fn bound_digests(
    manifest: &Manifest,
    keys: &[Option<UnlockedKey>],
    diff_ids: &[DiffId],
) -> Result<Vec<Digest>, DecryptError> {
    let tampered = |layer: &Descriptor| DecryptError::Tampered(layer.digest.short());
    let mut digests = Vec::with_capacity(manifest.layers.len());
    for (layer, key) in manifest.layers.iter().zip(keys) {
        digests.push(match key {
            None => layer.digest,
            Some(key) => key.options.digest.ok_or_else(|| tampered(layer))?,
        });
    }
    for (i, key) in keys.iter().enumerate() {
        let Some(UnlockedKey { options, .. }) = key else { continue };
        let expected = SealedBinding::new(manifest.config.digest, diff_ids[i], i, &digests);
        if options.mark != Mark::Binding(expected) {
            return Err(tampered(&manifest.layers[i]));
        }
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use sealcrate_image::{Family, MediaType};

    use super::*;
    use crate::sealed::scene;

    /// An image, and the facts that a reader compares with its record.
    struct Scene {
        record: SealedRecord,
        manifest: Manifest,
        encryptions: LayerEncryptions,
        keys: Vec<Option<UnlockedKey>>,
        diff_ids: Vec<DiffId>,
    }

    impl Scene {
        fn new() -> Self {
            let encrypted = "text/plain+encrypted".to_owned().into();
            let scene::Scene { record, manifest, diff_ids } =
                scene::Scene::new(Family::Oci, encrypted);
            let media_type = MediaType::OCI_LAYER_GZIP;
            let encryption = Encryption { media_type, hmac: [0; 32], wraps: Vec::new() };
            let (key, digest) = (Zeroizing::new([1; 32]), Some(scene::Scene::private()));
            let options = PrivateOptions { key, nonce: [2; 16], digest, mark: Mark::Record };
            let key = UnlockedKey { content: Zeroizing::default(), options };
            let encryptions = LayerEncryptions { layers: vec![None, Some(encryption)] };
            Self { record, manifest, encryptions, keys: vec![None, Some(key)], diff_ids }
        }

        fn check(&self) -> Result<(), RecordError> {
            let Self { record, manifest, encryptions, keys, diff_ids } = self;
            check_record(record, manifest, encryptions, keys, diff_ids)
        }

        /// Returns the part that contradicts the record after a change.
        fn contradiction(change: impl FnOnce(&mut Self)) -> &'static str {
            let mut scene = Self::new();
            scene.check().unwrap();
            change(&mut scene);
            match scene.check() {
                Err(RecordError::Contradiction(part)) => part,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn every_part_of_the_record_is_compared() {
        let config = |change: fn(&mut Descriptor)| {
            let part = Scene::contradiction(|scene| change(&mut scene.manifest.config));
            assert_eq!(part, "config");
        };
        config(|config| config.digest = Digest::of(b"other"));
        config(|config| config.size += 1);
        config(|config| config.media_type = MediaType::DOCKER_CONFIG);
        let fewer = Scene::contradiction(|scene| drop(scene.record.layers.pop()));
        assert_eq!(fewer, "number of layers");
        let layers = |change: fn(&mut Scene)| {
            assert_eq!(Scene::contradiction(change), "list of layers");
        };
        layers(|scene| scene.manifest.layers[0].digest = Digest::of(b"other"));
        layers(|scene| scene.manifest.layers[1].size += 1);
        layers(|scene| scene.manifest.layers[0].media_type = MediaType::DOCKER_LAYER_GZIP);
        layers(|scene| scene.record.layers[1].plain = None);
        layers(|scene| {
            let plain = scene.record.layers[1].plain.as_mut().unwrap();
            plain.digest = Some(Digest::of(b"other"));
        });
        layers(|scene| {
            let plain = scene.record.layers[1].plain.as_mut().unwrap();
            plain.media_type = MediaType::OCI_LAYER;
        });
        layers(|scene| {
            scene.record.layers[0].plain = scene.record.layers[1].plain.clone();
        });
        layers(|scene| scene.diff_ids.swap(0, 1));
        layers(|scene| scene.record.layers[0].diff_id = None);
    }

    #[test]
    fn sealed_layer_without_a_digest_before_encryption_is_refused() {
        let part = Scene::contradiction(|scene| {
            scene.record.layers[1].plain.as_mut().unwrap().digest = None;
            scene.keys[1].as_mut().unwrap().options.digest = None;
        });
        assert_eq!(part, "list of layers");
    }

    #[test]
    fn one_blob_under_two_keys_is_damage() {
        let mut scene = Scene::new();
        scene.manifest.layers[0] = scene.manifest.layers[1].clone();
        let mut other = Scene::new().keys.remove(1).unwrap();
        scene.keys[0] = Scene::new().keys.remove(1);
        assert!(data_keys(&scene.manifest, &scene.keys).is_ok());
        other.options.key = Zeroizing::new([9; 32]);
        scene.keys[0] = Some(other);
        assert_eq!(data_keys(&scene.manifest, &scene.keys), Err(RecordError::Damaged));
    }
}
