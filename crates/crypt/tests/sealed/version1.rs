//! Images of version 0.1 stay readable with their binding, and are refused if the reader demands
//! version 2.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sealcrate_crypt::crypto_cli::{self, KeyDerivation, SealedConfigError};
use sealcrate_crypt::format::Opened;
use sealcrate_crypt::ocicrypt::{self, Identity};
use sealcrate_crypt::sealed::{Binding, Unbound};
use sealcrate_crypt::{Passphrase, Unencrypted};
use sealcrate_image::layout::LayoutSource;
use sealcrate_image::{Artifact, Config, Digest, Image, Manifest, RawManifest, Source, Spool};
use serde_json::Value;

const JWE: &str = "org.opencontainers.image.enc.keys.jwe";

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn fixture(name: &str) -> Image {
    let folder = data().join("version-1").join(name);
    let source: Arc<dyn Source> = Arc::new(LayoutSource::open(&folder, Some("1")).unwrap());
    Artifact::read(&source).unwrap().into_image(&source, None).unwrap()
}

/// The config before encryption.
fn config() -> Vec<u8> {
    std::fs::read(data().join("version-1/config.json")).unwrap()
}

fn open_oci(image: &Image, unbound: Unbound) -> Result<Opened, ocicrypt::DecryptError> {
    let key = std::fs::read(data().join("ocicrypt/keys/rsa.pem")).unwrap();
    let keys = [Identity::parse(&key).unwrap()];
    let spool = Spool::in_folder(std::env::temp_dir());
    ocicrypt::decrypt(image, &keys, unbound, &spool)
}

fn open_crypto_cli(image: &Image, unbound: Unbound) -> Result<Opened, crypto_cli::DecryptError> {
    let passphrase = Passphrase::new(b"fixture".to_vec().into()).unwrap();
    crypto_cli::decrypt(image, &mut KeyDerivation::new(passphrase), Unencrypted::Refuse, unbound)
}

/// Checks that the layers are the ones from before encryption.
fn assert_has_layers(image: &Image) {
    let config = Config::parse(&config()).unwrap();
    assert_eq!(image.layers.len(), 3);
    for ((layer, diff_id), text) in
        image.layers.iter().zip(config.diff_ids()).zip(["public", "private one", "private two"])
    {
        assert_eq!(layer.diff_id(), Some(*diff_id));
        let mut tar = Vec::new();
        let mut reader = flate2::read::MultiGzDecoder::new(layer.open().unwrap());
        std::io::Read::read_to_end(&mut reader, &mut tar).unwrap();
        assert!(tar[512..].starts_with(text.as_bytes()), "{text}");
    }
}

#[test]
fn images_of_both_formats_open_and_are_bound() {
    for unbound in [Unbound::Accept, Unbound::Refuse] {
        let opened = open_oci(&fixture("ocicrypt"), unbound).unwrap();
        assert_eq!((opened.binding, opened.record), (Binding::Version1, None));
        assert_has_layers(&opened.image);
        let opened = open_crypto_cli(&fixture("crypto-cli"), unbound).unwrap();
        assert_eq!((opened.binding, opened.record), (Binding::Version1, None));
        assert_has_layers(&opened.image);
        assert_eq!(opened.image.config, config());
    }
}

#[test]
fn reader_who_wants_version_2_alone_gets_neither() {
    let error = open_oci(&fixture("ocicrypt"), Unbound::RefuseVersion1).err().unwrap();
    assert!(matches!(error, ocicrypt::DecryptError::NotBound), "{error}");
    let error = open_crypto_cli(&fixture("crypto-cli"), Unbound::RefuseVersion1).err().unwrap();
    assert!(matches!(error, crypto_cli::DecryptError::NotBound), "{error}");
}

/// Changes an image's manifest.
fn with_manifest(image: &Image, change: impl FnOnce(&mut Value)) -> Image {
    let raw = image.manifest.as_ref().unwrap();
    let mut json: Value = serde_json::from_slice(raw.bytes()).unwrap();
    change(&mut json);
    let raw = RawManifest::new(raw.media_type().clone(), json.to_string().into_bytes());
    Image { manifest: Some(raw), ..image.clone() }
}

#[test]
fn changed_byte_of_a_binding_for_recipients_is_damage() {
    let image = fixture("ocicrypt");
    let manifest = Manifest::parse(image.manifest.as_ref().unwrap()).unwrap();
    let item = STANDARD.decode(&manifest.layers[2].annotations[JWE]).unwrap();
    let jwe: Value = serde_json::from_slice(&item).unwrap();
    let text = jwe["ciphertext"].as_str().unwrap();
    let sealed = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
    for at in (0..sealed.len()).step_by(sealed.len() / 16) {
        let (mut sealed, mut jwe) = (sealed.clone(), jwe.clone());
        sealed[at] ^= 1;
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sealed);
        jwe["ciphertext"] = text.into();
        let changed = with_manifest(&image, |json| {
            json["layers"][2]["annotations"][JWE] = STANDARD.encode(jwe.to_string()).into();
        });
        let error = open_oci(&changed, Unbound::Accept).err().unwrap();
        assert!(matches!(error, ocicrypt::DecryptError::DamagedKey(_)), "{at}: {error}");
    }
}

#[test]
fn parts_that_a_binding_names_cannot_be_changed() {
    let image = fixture("ocicrypt");
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    config["config"]["Cmd"] = "steal".into();
    let config = config.to_string().into_bytes();
    let changed = with_manifest(&image, |json| {
        json["config"]["digest"] = Digest::of(&config).to_string().into();
        json["config"]["size"] = config.len().into();
    });
    let error = open_oci(&Image { config, ..changed }, Unbound::Accept).err().unwrap();
    assert!(matches!(error, ocicrypt::DecryptError::Tampered(_)), "{error}");
    let keys = with_manifest(&image, |json| {
        let one = json["layers"][1]["annotations"].clone();
        json["layers"][2]["annotations"] = one;
    });
    let error = open_oci(&keys, Unbound::Accept).err().unwrap();
    assert!(matches!(error, ocicrypt::DecryptError::Tampered(_)), "{error}");
    let image = fixture("crypto-cli");
    let mut layers = image.layers.clone();
    layers.swap(1, 2);
    let swapped = with_manifest(&image, |json| json["layers"].as_array_mut().unwrap().swap(1, 2));
    let error = open_crypto_cli(&Image { layers, ..swapped }, Unbound::Accept).err().unwrap();
    assert!(matches!(error, crypto_cli::DecryptError::OtherBlobs), "{error}");
}

#[test]
fn changed_byte_of_a_config_with_its_binding_is_damage() {
    let image = fixture("crypto-cli");
    let config: Value = serde_json::from_slice(&image.config).unwrap();
    let sealed = URL_SAFE.decode(config["enc"].as_str().unwrap()).unwrap();
    for at in (0..sealed.len()).step_by(sealed.len() / 4) {
        let (mut sealed, mut config) = (sealed.clone(), config.clone());
        sealed[at] ^= 1;
        config["enc"] = URL_SAFE.encode(sealed).into();
        let changed = Image { config: config.to_string().into_bytes(), ..image.clone() };
        let error = open_crypto_cli(&changed, Unbound::Accept).err().unwrap();
        let crypto_cli::DecryptError::SealedConfig(error) = error else { panic!("{at}: {error}") };
        assert_eq!(error, SealedConfigError::Authentication);
    }
    let mut clear = config;
    clear["os"] = "windows".into();
    let changed = Image { config: clear.to_string().into_bytes(), ..image };
    let error = open_crypto_cli(&changed, Unbound::Accept).err().unwrap();
    assert!(matches!(error, crypto_cli::DecryptError::SealedConfig(_)), "{error}");
}

/// Returns the fixture in crypto-cli's format in the form of the first images, which sealed their
/// config but no blobs.
fn without_blobs() -> Image {
    let image = fixture("crypto-cli");
    let raw = image.manifest.as_ref().unwrap();
    let manifest: Value = serde_json::from_slice(raw.bytes()).unwrap();
    let data = &manifest["config"]["crypto"];
    let bytes = |name: &str| STANDARD.decode(data[name].as_str().unwrap()).unwrap();
    let (nonce, salt, wrapped) = (bytes("nonce"), bytes("salt"), bytes("key"));
    let rounds = data["iters"].as_u64().unwrap().try_into().unwrap();
    let kek = pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(b"fixture", &salt, rounds);
    let cipher = |key: &[u8]| Aes256Gcm::new(&Key::<Aes256Gcm>::try_from(key).unwrap());
    let nonce = &Nonce::try_from(&*nonce).unwrap();
    let key = cipher(&kek).decrypt(nonce, Payload { msg: &wrapped, aad: &salt }).unwrap();
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    let sealed = URL_SAFE.decode(config["enc"].as_str().unwrap()).unwrap();
    let secret = cipher(&key).decrypt(nonce, Payload { msg: &sealed, aad: &salt }).unwrap();
    let mut secret: Value = serde_json::from_slice(&secret).unwrap();
    let ours = secret["sealcrate"].as_object_mut().unwrap();
    assert!(ours.remove("blobs").is_some());
    let secret = secret.to_string().into_bytes();
    let secret = cipher(&key).encrypt(nonce, Payload { msg: &secret, aad: &salt }).unwrap();
    config["enc"] = URL_SAFE.encode(secret).into();
    Image { config: config.to_string().into_bytes(), ..image }
}

#[test]
fn first_images_which_sealed_no_blobs_are_bound_by_nothing() {
    let image = without_blobs();
    let opened = open_crypto_cli(&image, Unbound::Accept).unwrap();
    assert_eq!((opened.binding, opened.record), (Binding::None, None));
    assert_has_layers(&opened.image);
    assert_eq!(opened.image.config, config());
    for unbound in [Unbound::Refuse, Unbound::RefuseVersion1] {
        let error = open_crypto_cli(&image, unbound).err().unwrap();
        assert!(matches!(error, crypto_cli::DecryptError::NotBound), "{error}");
    }
}

#[test]
fn change_of_passphrase_seals_no_layers_that_nobody_sealed() {
    let rewrap = |image: &Image| {
        let passphrase = Passphrase::new(b"fixture".to_vec().into()).unwrap();
        let mut kdf = KeyDerivation::new(passphrase);
        crypto_cli::Rewrapping::open(image, &mut kdf, Unbound::Accept)
    };
    assert_eq!(rewrap(&fixture("crypto-cli")).unwrap().binding(), Binding::Version1);
    let error = rewrap(&without_blobs()).err().unwrap();
    assert!(matches!(error, crypto_cli::DecryptError::NotBound), "{error}");
}
