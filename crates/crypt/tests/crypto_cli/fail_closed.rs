//! Every change to an encrypted image is refused, and so is every image that is not encrypted.

use std::sync::Arc;

use crate::support::{Folder, encrypt, passphrase, plain_image, read};
use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::crypto_cli::{
    DecryptError, EncryptError, Encryptor, FreshKey, KeyDataShape, KeyDerivation,
    SealedConfigError, decrypt,
};
use sealcrate_crypt::formats::{ChooseError, choose};
use sealcrate_crypt::sealed::Unbound;
use sealcrate_crypt::select::Selection;
use sealcrate_image::{Descriptor, Digest, Family, Image, Layer, Manifest, RawManifest};
use serde_json::{Value, json};

fn encrypted() -> Image {
    let plain = plain_image();
    let key = passphrase("abc");
    let shape = KeyDataShape::Member;
    let key = FreshKey::derive(&key, 100_000).unwrap();
    let encryptor =
        Encryptor::new(&plain, choose(&plain, &Selection::Label).unwrap(), key, shape).unwrap();
    encrypt(&plain, &encryptor)
}

/// Decrypts the image and reads everything, as a pull would.
fn open(image: &Image) -> Result<(), String> {
    let mut kdf = KeyDerivation::new(passphrase("abc"));
    let image = decrypt(image, &mut kdf, Unencrypted::Refuse, Unbound::Accept)
        .map_err(|e| e.to_string())?
        .image;
    for layer in &image.layers {
        read(layer).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn refused(image: &Image) -> DecryptError {
    let mut kdf = KeyDerivation::new(passphrase("abc"));
    decrypt(image, &mut kdf, Unencrypted::Refuse, Unbound::Accept)
        .err()
        .expect("it must be refused")
}

/// Changes the manifest's JSON, and gives the image the layers that the manifest names then.
fn with_manifest(image: &Image, change: impl FnOnce(&mut Value)) -> Image {
    let raw = image.manifest.as_ref().unwrap();
    let mut json: Value = serde_json::from_slice(raw.bytes()).unwrap();
    change(&mut json);
    let raw = RawManifest::new(raw.media_type().clone(), json.to_string().into_bytes());
    let layers = Manifest::parse(&raw)
        .unwrap()
        .layers
        .into_iter()
        .map(|descriptor| {
            let stored = image.layers.iter().find(|l| l.digest() == Some(descriptor.digest));
            Layer::stored(descriptor, None, stored.unwrap().content().clone())
        })
        .collect();
    Image { manifest: Some(raw), ..Image::new(image.config.clone(), layers) }
}

#[test]
fn image_comes_back_with_its_config_bytes_and_one_derivation() {
    let (plain, image) = (plain_image(), encrypted());
    let mut kdf = KeyDerivation::new(passphrase("abc"));
    let opened = decrypt(&image, &mut kdf, Unencrypted::Refuse, Unbound::Accept).unwrap().image;
    assert_eq!(kdf.runs(), 1);
    assert_eq!(opened.id(), plain.id());
    for (one, other) in opened.layers.iter().zip(&plain.layers) {
        assert_eq!(one.diff_id(), other.diff_id());
        read(one).unwrap();
    }
}

#[test]
fn layers_cannot_be_reordered_dropped_or_added() {
    let image = encrypted();
    open(&with_manifest(&image, |_| {})).unwrap();
    for (a, b) in [(0, 1), (1, 2), (0, 3), (2, 3)] {
        let swapped = with_manifest(&image, |json| {
            json["layers"].as_array_mut().unwrap().swap(a, b);
        });
        open(&swapped).unwrap_err();
    }
    let dropped = with_manifest(&image, |json| drop(json["layers"].as_array_mut().unwrap().pop()));
    assert!(matches!(refused(&dropped), DecryptError::LayerCount { .. }));
    let added = with_manifest(&image, |json| {
        let again = json["layers"][0].clone();
        json["layers"].as_array_mut().unwrap().push(again);
    });
    assert!(matches!(refused(&added), DecryptError::LayerCount { .. }));
}

#[test]
fn plain_layer_cannot_stand_for_an_encrypted_one() {
    let image = encrypted();
    let replaced = with_manifest(&image, |json| json["layers"][1] = json["layers"][0].clone());
    assert!(matches!(refused(&replaced), DecryptError::OtherBlobs));
    let stripped = with_manifest(&image, |json| {
        json["layers"][1].as_object_mut().unwrap().remove("crypto");
    });
    open(&stripped).unwrap_err();
}

#[test]
fn key_data_of_another_blob_or_image_does_not_fit() {
    let (image, other) = (encrypted(), encrypted());
    let swapped = with_manifest(&image, |json| {
        json["layers"][1]["crypto"] = json["layers"][2]["crypto"].clone();
    });
    open(&swapped).unwrap_err();
    let foreign: Value = serde_json::from_slice(other.manifest.as_ref().unwrap().bytes()).unwrap();
    let transplanted = with_manifest(&image, |json| {
        json["layers"][1]["crypto"] = foreign["layers"][1]["crypto"].clone();
    });
    open(&transplanted).unwrap_err();
    let config = with_manifest(&image, |json| {
        json["config"]["crypto"] = foreign["config"]["crypto"].clone();
    });
    let error = refused(&config);
    let expected = SealedConfigError::Authentication;
    assert!(matches!(error, DecryptError::SealedConfig(e) if e == expected), "{error}");
}

#[test]
fn broken_layer_key_is_tampering_once_the_config_has_opened() {
    let image = with_manifest(&encrypted(), |json| {
        json["layers"][1]["crypto"]["key"] = "A".repeat(64).into();
    });
    assert!(matches!(refused(&image), DecryptError::LayerKey(_)));
}

/// Replaces the bytes of one layer, and their digest in the manifest.
fn with_layer_bytes(image: &Image, place: usize, bytes: Vec<u8>, digest: Digest) -> Image {
    let mut layers = image.layers.clone();
    let descriptor = layers[place].descriptor().unwrap().clone();
    let descriptor = Descriptor { digest, ..descriptor };
    layers[place] = Layer::stored(descriptor, None, Arc::new(bytes));
    let manifest = Manifest::parse(image.manifest.as_ref().unwrap()).unwrap();
    let descriptors = layers.iter().map(|l| l.descriptor().unwrap().clone()).collect();
    let raw = Manifest::new(Family::Docker, manifest.config, descriptors).to_raw();
    Image { manifest: Some(raw), ..Image::new(image.config.clone(), layers) }
}

#[test]
fn flip_of_any_stored_byte_is_noticed() {
    let image = encrypted();
    for (place, layer) in image.layers.iter().enumerate() {
        let mut stored = Vec::new();
        layer.content().open().unwrap().read_to_end(&mut stored).unwrap();
        for position in (0..stored.len()).step_by(stored.len() / 13 + 1) {
            let mut changed = stored.clone();
            changed[position] ^= 0x10;
            let kept = layer.digest().unwrap();
            open(&with_layer_bytes(&image, place, changed.clone(), kept)).unwrap_err();
            // A stranger who writes the manifest as well can give the bytes their own digest. In a
            // clear layer, this could change the compression of the tar, but not the tar.
            if matches!(place, 1 | 2) {
                let own = Digest::of(&changed);
                open(&with_layer_bytes(&image, place, changed, own)).unwrap_err();
            }
        }
    }
    let config = image.config.clone();
    for position in (0..config.len()).step_by(7) {
        let mut changed = config.clone();
        changed[position] ^= 1;
        open(&Image { config: changed, ..image.clone() }).unwrap_err();
    }
}

#[test]
fn clear_layer_with_another_tar_is_noticed() {
    let image = encrypted();
    // The bytes have the stated length, so that the test does not only notice a wrong length.
    let other = vec![b'x'; usize::try_from(image.layers[0].size()).unwrap()];
    let digest = Digest::of(&other);
    let replaced = with_layer_bytes(&image, 0, other, digest);
    assert!(matches!(refused(&replaced), DecryptError::OtherBlobs));
}

#[test]
fn what_is_not_encrypted_is_refused_unless_accepted() {
    let plain = plain_image().with_manifest(Family::Docker).unwrap();
    assert!(matches!(refused(&plain), DecryptError::NotEncrypted));
    let half = with_manifest(&encrypted(), |json| {
        json["config"].as_object_mut().unwrap().remove("crypto");
    });
    assert!(matches!(refused(&half), DecryptError::ConfigNotEncrypted));
    let mut kdf = KeyDerivation::new(passphrase("abc"));
    let accepted = decrypt(&plain, &mut kdf, Unencrypted::Accept, Unbound::Accept).unwrap().image;
    assert_eq!(accepted.id(), plain.id());
    assert_eq!(kdf.runs(), 0);
}

#[test]
fn costly_or_too_many_derivations_are_refused_before_they_run() {
    let image = encrypted();
    let costly =
        with_manifest(&image, |json| json["config"]["crypto"]["iters"] = json!(10_000_001));
    assert!(matches!(refused(&costly), DecryptError::Kdf(_)));
    let huge = with_manifest(&image, |json| json["config"]["crypto"]["iters"] = json!(u64::MAX));
    assert!(matches!(refused(&huge), DecryptError::Kdf(_)));
}

#[test]
fn encrypting_twice_or_with_too_few_rounds_is_refused() {
    let (image, passphrase) = (encrypted(), passphrase("abc"));
    let error = choose(&image, &Selection::All).err().unwrap();
    assert!(matches!(error, ChooseError::AlreadyEncrypted));
    for rounds in [0, 99_999, 10_000_001] {
        let error = FreshKey::derive(&passphrase, rounds).err().unwrap();
        assert!(matches!(error, EncryptError::Iterations(_)), "{error}");
    }
}

/// Configs by crypto-cli name no blobs, so layers are checked while somebody reads them.
#[test]
fn changed_layers_of_crypto_cli_are_noticed_when_they_are_read() {
    let text = Folder::fixture("middle").json("expected.json")["passphrase"].clone();
    let image = Folder::fixture("middle").image();
    for place in 0..image.layers.len() {
        let mut bytes = read(&image.layers[place]).unwrap();
        bytes[40] ^= 1;
        let digest = Digest::of(&bytes);
        let changed = with_layer_bytes(&image, place, bytes, digest);
        let mut kdf = KeyDerivation::new(passphrase(text.as_str().unwrap()));
        let opened =
            decrypt(&changed, &mut kdf, Unencrypted::Refuse, Unbound::Accept).unwrap().image;
        let error = read(&opened.layers[place]).unwrap_err().to_string();
        let named = format!("cannot decrypt layer {}", digest.short());
        assert!(error == named || error.contains("layer sha256:"), "{place}: {error}");
    }
}
