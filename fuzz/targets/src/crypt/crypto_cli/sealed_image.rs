//! Encrypted images by somebody who knows the passphrase. The encrypted parts are as hostile as the
//! clear parts, and still nothing comes out that is not in the input.

use std::io::Read;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::crypto_cli::{DecryptError, KeyData, KeyDataShape, KeyDerivation, decrypt};
use sealcrate_crypt::format::Opened;
use sealcrate_crypt::sealed::{Binding, Unbound};
use sealcrate_image::{Config, Descriptor, Family, Image, Layer, Manifest, MediaType};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::crypt::crypto_cli::{dare, gcm};
use crate::parts::parts;

const PASSPHRASE: &[u8] = b"fuzz";
const SALT: [u8; 16] = [1; 16];
const CONFIG_NONCE: [u8; 12] = [3; 12];
const DATA_KEY: [u8; 32] = [2; 32];

/// The key-encryption key, of one round.
static KEK: LazyLock<[u8; 32]> =
    LazyLock::new(|| pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(PASSPHRASE, &SALT, 1));

/// Makes an image of parts, and decrypts it. The parts are the clear members of its config, the
/// encrypted members, and the layers. A layer that begins with an odd byte is encrypted without
/// that byte.
pub(crate) fn run(data: &[u8]) {
    let parts = parts(data);
    let [clear, secret, layers @ ..] = parts.as_slice() else { return };
    let shape = if data.len().is_multiple_of(2) { KeyDataShape::Member } else { KeyDataShape::Url };
    let sealed = gcm::seal(&DATA_KEY, CONFIG_NONCE, &SALT, secret);
    let config = encrypted_config(clear, &sealed);
    let layers: Vec<Part<'_>> =
        layers.iter().enumerate().map(|(i, part)| Part::of(i, part)).collect();
    let image = image(config, &layers, shape);

    let wrong = decrypt(&image, &mut derivation(b"other"), Unencrypted::Refuse, Unbound::Accept);
    assert!(matches!(wrong.err(), Some(DecryptError::WrongPassphrase)));
    if let Ok(decrypted) =
        decrypt(&image, &mut derivation(PASSPHRASE), Unencrypted::Refuse, Unbound::Accept)
    {
        check(&decrypted, clear, secret, &layers);
    }

    let mut changed = sealed;
    let place = data.iter().fold(0, |sum, &byte| sum + usize::from(byte)) % changed.len();
    changed[place] ^= 1 << (data.len() % 8);
    let image = self::image(encrypted_config(clear, &changed), &layers, shape);
    assert!(
        decrypt(&image, &mut derivation(PASSPHRASE), Unencrypted::Refuse, Unbound::Accept).is_err()
    );
}

/// A layer: its content, and the key data if the content is encrypted.
struct Part<'d> {
    content: &'d [u8],
    data: Option<KeyData>,
}

impl<'d> Part<'d> {
    fn of(place: usize, part: &'d [u8]) -> Self {
        match part {
            [first, content @ ..] if first % 2 == 1 && !content.is_empty() => {
                Self { content, data: Some(key_data([16 + place as u8; 12])) }
            }
            content => Self { content, data: None },
        }
    }

    fn stored(&self, shape: KeyDataShape) -> Layer {
        let stored = match self.data {
            Some(_) => dare::encrypt(&DATA_KEY, self.content),
            None => self.content.to_vec(),
        };
        let mut descriptor = Descriptor::of(MediaType::DOCKER_LAYER_GZIP, &stored);
        if let Some(data) = &self.data {
            data.put(&mut descriptor, shape);
        }
        Layer::stored(descriptor, None, Arc::new(stored))
    }
}

fn image(config: Vec<u8>, layers: &[Part<'_>], shape: KeyDataShape) -> Image {
    let layers: Vec<Layer> = layers.iter().map(|part| part.stored(shape)).collect();
    let mut descriptor = Descriptor::of(MediaType::DOCKER_CONFIG, &config);
    key_data(CONFIG_NONCE).put(&mut descriptor, shape);
    let descriptors = layers.iter().filter_map(Layer::descriptor).cloned().collect();
    let manifest = Manifest::new(Family::Docker, descriptor, descriptors).to_raw();
    Image { manifest: Some(manifest), ..Image::new(config, layers) }
}

fn key_data(nonce: [u8; 12]) -> KeyData {
    let wrapped = gcm::seal(&KEK, nonce, &SALT, &DATA_KEY);
    let wrapped_key = wrapped.try_into().expect("32 bytes and a tag");
    KeyData { nonce, salt: SALT, iterations: 1, wrapped_key }
}

fn derivation(passphrase: &[u8]) -> KeyDerivation {
    let passphrase = Passphrase::new(Zeroizing::new(passphrase.to_vec()));
    KeyDerivation::new(passphrase.expect("it is not empty"))
}

/// Puts the encrypted member beside the clear ones. A part that is no object stays as it is.
fn encrypted_config(clear: &[u8], sealed: &[u8]) -> Vec<u8> {
    let Some(mut members) = object(clear) else { return clear.to_vec() };
    members.insert("enc".to_owned(), URL_SAFE.encode(sealed).into());
    Value::from(members).to_string().into_bytes()
}

fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(bytes).ok()
}

/// Checks that a decrypted image has nothing that is not in the input.
fn check(decrypted: &Opened, clear: &[u8], secret: &[u8], layers: &[Part<'_>]) {
    let secret = object(secret).expect("what is encrypted is an object");
    let mut clear = object(clear).expect("what is in clear is an object");
    clear.remove("enc");
    let config = object(&decrypted.image.config).expect("a config is an object");
    match (decrypted.binding, secret.get("sealcrate")) {
        // The oldest images seal their config, and nothing of their layers.
        (_, Some(sealed)) => {
            let original = sealed["config"].as_str().and_then(|text| STANDARD.decode(text).ok());
            assert_eq!(original.as_ref(), Some(&decrypted.image.config));
            let beside = clear.iter().chain(secret.iter().filter(|(name, _)| *name != "sealcrate"));
            for (name, value) in beside {
                assert_eq!(config.get(name), Some(value), "{name} contradicts what is sealed");
            }
        }
        (Binding::None, None) => {
            assert!(secret.iter().all(|(name, value)| config.get(name) == Some(value)));
            assert!(
                config.keys().all(|name| secret.contains_key(name) || clear.contains_key(name))
            );
        }
        (binding, None) => panic!("{binding:?}, though nothing is sealed"),
    }
    let diff_ids = Config::parse(&decrypted.image.config).expect("a config").diff_ids().to_vec();
    assert_eq!(diff_ids.len(), layers.len());
    for ((layer, part), diff_id) in decrypted.image.layers.iter().zip(layers).zip(diff_ids) {
        assert_eq!(layer.diff_id(), Some(diff_id));
        let mut bytes = Vec::new();
        if layer.open().and_then(|mut reader| reader.read_to_end(&mut bytes)).is_ok() {
            assert_eq!(bytes, part.content);
        } else {
            assert!(part.content.starts_with(&bytes));
        }
    }
}
