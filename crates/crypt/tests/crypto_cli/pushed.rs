//! Another push uses layers again only under the same passphrase, and encrypts nothing under a data
//! key that it read.

use std::collections::BTreeSet;
use std::io::Read as _;

use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::crypto_cli::{
    DecryptError, Encryptor, FreshKey, KeyData, KeyDataShape, KeyDerivation, Rewrapping, decrypt,
    open_pushed,
};
use sealcrate_crypt::format::ImageEncryptor;
use sealcrate_crypt::formats::choose;
use sealcrate_crypt::pushed::Pushed;
use sealcrate_crypt::sealed::{Sealing, Unbound};
use sealcrate_crypt::select::Selection;
use sealcrate_image::{Digest, Image, Layer, Manifest, RawManifest};
use serde_json::Value;

use crate::support::{encrypt, passphrase, plain_image, read};

/// The places of the encrypted layers in the image.
const PRIVATE: [usize; 2] = [1, 2];

fn encryptor(image: &Image, selection: &Selection) -> Encryptor {
    let key = FreshKey::derive(&passphrase("abc"), 100_000).unwrap();
    let chosen = choose(image, selection).unwrap();
    Encryptor::new(image, chosen, key, KeyDataShape::Member).unwrap()
}

fn first_push() -> Image {
    let plain = plain_image();
    encrypt(&plain, &encryptor(&plain, &Selection::Label))
}

fn pushed(image: &Image, there: &[bool], text: &str) -> Result<Pushed, DecryptError> {
    let mut pushed = Pushed::default();
    if let Some(opened) = open_pushed(image, &mut KeyDerivation::new(passphrase(text)))? {
        let both = opened.layers.into_iter().zip(there);
        both.filter(|(_, there)| **there).for_each(|(layer, _)| pushed.add(layer));
        pushed.add_config(opened.config);
    }
    Ok(pushed)
}

/// Pushes the image again. Layers that it uses again keep the bytes of `first`.
fn second_push(first: &Image, there: &[bool]) -> (Image, Vec<bool>) {
    let plain = plain_image();
    let mut again = encryptor(&plain, &Selection::Label);
    again.reuse(pushed(first, there, "abc").unwrap());
    let reused: Vec<Option<Layer>> = (0..plain.layers.len())
        .map(|place| again.reused(place, &plain.layers[place]).unwrap())
        .collect();
    let fresh = encrypt(&plain, &again);
    let layers = reused.iter().enumerate().map(|(place, reused)| match reused {
        Some(layer) => layer.with_content(first.layers[place].content().clone()),
        None => fresh.layers[place].clone(),
    });
    let image = again.finish(layers.collect(), &Sealing::default()).unwrap();
    (image.into_image(), reused.iter().map(Option::is_some).collect())
}

fn key_data(image: &Image) -> Vec<KeyData> {
    let manifest = Manifest::parse(image.manifest.as_ref().unwrap()).unwrap();
    let all = [&manifest.config].into_iter().chain(&manifest.layers);
    all.filter_map(|descriptor| Some(KeyData::of(descriptor).unwrap()?.0)).collect()
}

fn opens(image: &Image) {
    let mut kdf = KeyDerivation::new(passphrase("abc"));
    let opened = decrypt(image, &mut kdf, Unencrypted::Refuse, Unbound::Accept).unwrap().image;
    assert_eq!(opened.config, plain_image().config);
    opened.layers.iter().for_each(|layer| drop(read(layer).unwrap()));
}

#[test]
fn layers_stay_and_their_keys_are_wrapped_anew() {
    let first = first_push();
    let (second, reused) = second_push(&first, &[true; 4]);
    assert_eq!(reused, [true; 4]);
    let digests = |image: &Image| image.layers.iter().map(Layer::digest).collect::<Vec<_>>();
    assert_eq!(digests(&second), digests(&first));
    assert_ne!(second.config, first.config);
    for (old, new) in key_data(&first).iter().zip(key_data(&second)) {
        assert!(old.salt != new.salt && old.nonce != new.nonce);
        assert!(old.wrapped_key != new.wrapped_key);
    }
    // The same nonce twice under one key-encryption key would give data keys away.
    let nonces: BTreeSet<_> = key_data(&second).iter().map(|data| data.nonce).collect();
    assert_eq!(nonces.len(), PRIVATE.len() + 1);
    opens(&second);
}

#[test]
fn layer_whose_blob_is_gone_is_encrypted_under_another_key() {
    let first = first_push();
    let (second, reused) = second_push(&first, &[true, false, true, true]);
    assert_eq!(reused, [true, false, true, true]);
    // The lengths are the same, so the same key and nonce would give the same bytes.
    assert_eq!(first.layers[1].size(), second.layers[1].size());
    let bytes = |image: &Image| read(&image.layers[1]).unwrap();
    let (old, new) = (bytes(&first), bytes(&second));
    assert!(old[16..64] != new[16..64]);
    opens(&second);
}

#[test]
fn another_passphrase_reuses_nothing() {
    let error = pushed(&first_push(), &[true; 4], "other").err();
    assert!(matches!(error, Some(DecryptError::WrongPassphrase)));
}

#[test]
fn poisoned_manifest_is_noticed() {
    let first = first_push();
    let other = first_push();
    let [low, high] = PRIVATE;
    // A layer of another push, with its own key data. The passphrase opens all of it.
    for (place, stranger) in
        [(low, &other.layers[low]), (low, &first.layers[high]), (0, &first.layers[3])]
    {
        let raw = first.manifest.as_ref().unwrap();
        let mut json: Value = serde_json::from_slice(raw.bytes()).unwrap();
        json["layers"][place] = serde_json::to_value(stranger.descriptor().unwrap()).unwrap();
        let raw = RawManifest::new(raw.media_type().clone(), json.to_string().into_bytes());
        let mut poisoned = Image { manifest: Some(raw), ..first.clone() };
        poisoned.layers[place] = stranger.clone();
        let error = pushed(&poisoned, &[true; 4], "abc").err();
        assert!(matches!(error, Some(DecryptError::OtherBlobs)), "{error:?}");
    }
}

#[test]
fn layers_that_become_private_or_clear_are_told() {
    let first = first_push();
    let plain = plain_image();
    let pushed = pushed(&first, &[true; 4], "abc").unwrap();
    let mut again = encryptor(&plain, &Selection::Indices(vec![2, 3]));
    let changed = again.changed(&pushed, &plain);
    assert_eq!(changed, [plain.layers[1].diff_id().unwrap(), plain.layers[3].diff_id().unwrap()]);
    again.reuse(pushed);
    let is_reused = |place: usize| again.reused(place, &plain.layers[place]).unwrap().is_some();
    assert_eq!([0, 1, 2, 3].map(is_reused), [true, false, true, false]);
}

#[test]
fn decrypted_layers_are_of_the_digests_that_are_sealed_however_often_they_were_pushed() {
    let first = first_push();
    let (second, _) = second_push(&first, &[true, true, false]);
    let fresh = FreshKey::derive(&passphrase("abc"), 100_000).unwrap();
    let mut kdf = KeyDerivation::new(passphrase("abc"));
    let rewrapping = Rewrapping::open(&second, &mut kdf, Unbound::Refuse).unwrap();
    let rewrapped = rewrapping.finish(&fresh, &Sealing::default()).unwrap();
    for image in [first, second, rewrapped.into_image()] {
        let opened = decrypt(&image, &mut kdf, Unencrypted::Refuse, Unbound::Accept).unwrap().image;
        for layer in &opened.layers {
            let mut bytes = Vec::new();
            layer.content().open().unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!(layer.digest(), Some(Digest::of(&bytes)));
        }
    }
}

#[test]
fn image_that_binds_no_blobs_is_of_no_use() {
    let fixture = crate::support::Folder::fixture("tail").image();
    let there = vec![true; fixture.layers.len()];
    let expected = crate::support::Folder::fixture("tail").json("expected.json");
    let pushed = pushed(&fixture, &there, expected["passphrase"].as_str().unwrap()).unwrap();
    assert_eq!(pushed.diff_ids().count(), 0);
    assert!(pushed.configs().is_empty());
}
