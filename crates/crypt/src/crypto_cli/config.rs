//! The encrypted config. Some members stay in clear, and the others become one encrypted JSON
//! object. That object also has the original config's bytes, so that nothing of the config is lost.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::Digest;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use thiserror::Error;
use zeroize::Zeroizing;

use super::KeyData;
use super::kdf::DataKey;
use crate::sealed::{self, Binding, MAX_RECORD_BYTES, SealedRecord};

/// The members that stay in clear.
const CLEAR: [&str; 8] = [
    "created",
    "docker_version",
    "author",
    "architecture",
    "os",
    "Size",
    "os.version",
    "os.features",
];

/// The members that are encrypted. Members in neither list live on in the sealed bytes alone.
const SECRET: [&str; 8] =
    ["id", "parent", "comment", "container", "container_config", "config", "rootfs", "history"];

const ENCRYPTED: &str = "enc";
/// Sealcrate's member among the encrypted ones, which crypto-cli ignores.
const SEALED: &str = "sealcrate";

/// A layer as version 1 seals it beside the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SealedLayer {
    /// The digest of the blob.
    pub(super) blob: Digest,
    /// The digest of the gzipped layer before encryption, if it is known.
    pub(super) layer: Option<Digest>,
}

/// The key, nonce and salt that encrypt a config.
pub(super) struct Under<'k> {
    /// The config's data key.
    pub(super) key: &'k DataKey,
    /// The nonce, which stands in the descriptor.
    pub(super) nonce: [u8; 12],
    /// The salt, which stands in the descriptor.
    pub(super) salt: [u8; 16],
}

/// Encrypts `config`, and seals its bytes with `record`.
///
/// # Errors
/// The config is no JSON object; the record is too long.
pub(super) fn seal(
    config: &[u8],
    record: &SealedRecord,
    under: &Under<'_>,
) -> Result<Vec<u8>, SealedConfigError> {
    let members = object(config)?;
    let mut secret = project(&members, &SECRET);
    let record = serde_json::to_value(record).expect("a record is made of JSON values");
    let length = record.to_string().len();
    if length > MAX_RECORD_BYTES {
        return Err(SealedConfigError::RecordTooLong(length));
    }
    let config = STANDARD.encode(config);
    let sealed = json!({ "version": sealed::VERSION, "config": config, "record": record });
    secret.insert(SEALED.to_owned(), sealed);
    encrypt(project(&members, &CLEAR), &secret, under)
}

/// Encrypts a config of another tool as that tool did: clear members stay clear, and nothing seals
/// them.
///
/// # Errors
/// The errors of [`seal`].
pub(super) fn encrypt_again(
    unsealed: &UnsealedConfig,
    under: &Under<'_>,
) -> Result<Vec<u8>, SealedConfigError> {
    encrypt(unsealed.clear.clone(), &unsealed.secret, under)
}

fn encrypt(
    mut clear: Map<String, Value>,
    secret: &Map<String, Value>,
    under: &Under<'_>,
) -> Result<Vec<u8>, SealedConfigError> {
    let mut bytes = Zeroizing::new(json_bytes(secret));
    let tag = aead_key(under.key)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(under.nonce),
            Aad::from(under.salt),
            bytes.as_mut_slice(),
        )
        .map_err(|_| SealedConfigError::Authentication)?;
    bytes.extend_from_slice(tag.as_ref());
    clear.insert(ENCRYPTED.to_owned(), URL_SAFE.encode(&*bytes).into());
    Ok(json_bytes(&clear))
}

/// A config that was decrypted.
pub(super) struct Opened {
    /// The config's bytes.
    pub(super) config: Vec<u8>,
    /// The seal that authenticates its members in clear, and the layers.
    pub(super) seal: Seal,
}

impl Opened {
    /// Takes a config that was never encrypted.
    pub(super) fn in_clear(config: Vec<u8>) -> Self {
        let (clear, secret) = (Map::new(), Map::new());
        Self { config, seal: Seal::Unsealed(UnsealedConfig { clear, secret }) }
    }
}

/// The authentication of a config's clear members and of the layers.
pub(super) enum Seal {
    /// None: another tool wrote the image.
    Unsealed(UnsealedConfig),
    /// The original config and, except in the oldest images, the layers.
    Version1(Option<Vec<SealedLayer>>),
    /// The original config and the sealed record.
    Record(Box<SealedRecord>),
}

/// The two halves of a config that another tool encrypted.
pub(super) struct UnsealedConfig {
    /// The members that anybody may have changed.
    clear: Map<String, Value>,
    /// The members that were encrypted.
    secret: Map<String, Value>,
}

impl Seal {
    /// Returns the version of the binding.
    pub(super) fn binding(&self) -> Binding {
        match self {
            Self::Unsealed(_) | Self::Version1(None) => Binding::None,
            Self::Version1(Some(_)) => Binding::Version1,
            Self::Record(_) => Binding::Version2,
        }
    }
}

/// Tells whether a config has encrypted members.
pub(super) fn is_encrypted(config: &[u8]) -> bool {
    object(config).is_ok_and(|members| members.contains_key(ENCRYPTED))
}

/// Decrypts a config under `key`.
///
/// # Errors
/// The bytes are malformed, do not authenticate, or contradict the sealed original.
pub(super) fn open(
    stored: &[u8],
    key: &DataKey,
    data: &KeyData,
) -> Result<Opened, SealedConfigError> {
    let mut clear = object(stored)?;
    let Some(Value::String(encrypted)) = clear.remove(ENCRYPTED) else {
        return Err(SealedConfigError::Malformed("it has no encrypted member"));
    };
    let mut bytes = URL_SAFE
        .decode(encrypted)
        .map(Zeroizing::new)
        .map_err(|_| SealedConfigError::Malformed("its encrypted member is no base64"))?;
    let nonce = Nonce::assume_unique_for_key(data.nonce);
    let plain = aead_key(key)
        .open_in_place(nonce, Aad::from(&data.salt), &mut bytes)
        .map_err(|_| SealedConfigError::Authentication)?;
    let mut secret = object(plain)?;
    match secret.remove(SEALED) {
        None => {
            // Other members in clear might pass for encrypted ones.
            let clear = project(&clear, &CLEAR);
            let mut config = clear.clone();
            config.extend(secret.clone());
            let seal = Seal::Unsealed(UnsealedConfig { clear, secret });
            Ok(Opened { config: json_bytes(&config), seal })
        }
        Some(sealed) => {
            let config = sealed_config(&sealed)?;
            let seal = seal_of(&sealed, &config)?;
            let members = object(&config)?;
            // The sealed bytes decide. Every other member may only repeat them.
            if clear != project(&members, &CLEAR) {
                return Err(SealedConfigError::Contradiction("in clear"));
            }
            if secret != project(&members, &SECRET) {
                return Err(SealedConfigError::Contradiction("encrypted"));
            }
            Ok(Opened { config, seal })
        }
    }
}

fn sealed_config(sealed: &Value) -> Result<Vec<u8>, SealedConfigError> {
    sealed["config"]
        .as_str()
        .and_then(|text| STANDARD.decode(text).ok())
        .ok_or(SealedConfigError::Malformed("its sealed original is no base64"))
}

/// Reads the seal beside `config`.
fn seal_of(sealed: &Value, config: &[u8]) -> Result<Seal, SealedConfigError> {
    match sealed["version"].as_u64() {
        Some(1) => Ok(Seal::Version1(sealed_layers(sealed)?)),
        Some(sealed::VERSION) => {
            let record = SealedRecord::deserialize(&sealed["record"]);
            let record = record
                .map_err(|_| SealedConfigError::Malformed("its sealed record cannot be read"))?;
            if record.config.digest != Digest::of(config) {
                return Err(SealedConfigError::Contradiction("encrypted"));
            }
            Ok(Seal::Record(Box::new(record)))
        }
        _ => Err(SealedConfigError::Malformed("it is sealed in an unknown version")),
    }
}

/// Reads the layers that version 1 seals. The oldest seals have no blobs, and later ones no layers
/// beside them.
fn sealed_layers(sealed: &Value) -> Result<Option<Vec<SealedLayer>>, SealedConfigError> {
    let malformed = SealedConfigError::Malformed("its sealed list of blobs is none");
    let list = |name: &str| match &sealed[name] {
        Value::Null => Ok(None),
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::Null => Some(None),
                item => item.as_str()?.parse().ok().map(Some),
            })
            .collect::<Option<Vec<Option<Digest>>>>()
            .map(Some)
            .ok_or(malformed),
        _ => Err(malformed),
    };
    let (Some(blobs), layers) = (list("blobs")?, list("layers")?) else { return Ok(None) };
    let layers = layers.unwrap_or_else(|| vec![None; blobs.len()]);
    if layers.len() != blobs.len() {
        return Err(malformed);
    }
    let both = blobs.into_iter().zip(layers);
    let sealed = both.map(|(blob, layer)| Some(SealedLayer { blob: blob?, layer }));
    sealed.collect::<Option<_>>().map(Some).ok_or(malformed)
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, SealedConfigError> {
    serde_json::from_slice(bytes).map_err(|_| SealedConfigError::Malformed("it is no JSON object"))
}

fn project(members: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    names.iter().filter_map(|&name| Some((name.to_owned(), members.get(name)?.clone()))).collect()
}

fn json_bytes(members: &Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec(members).expect("a map of JSON values is JSON")
}

fn aead_key(key: &DataKey) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &**key).expect("an AES-256 key is 32 bytes"))
}

/// Why a config cannot be encrypted or decrypted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealedConfigError {
    /// The encrypted members were changed.
    #[error("the encrypted image config is damaged: it does not authenticate")]
    Authentication,
    /// Members beside the sealed original contradict it.
    #[error("the image config was tampered with: members {0} contradict the sealed original")]
    Contradiction(&'static str),
    /// The config is not of the right shape.
    #[error("the image config is malformed: {0}")]
    Malformed(&'static str),
    /// The record is longer than a reader takes.
    #[error(
        "the sealed record becomes {0} bytes long, more than 1 MiB: there are too many annotations"
    )]
    RecordTooLong(usize),
}

impl Classified for SealedConfigError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::RecordTooLong(_) => Some(ErrorClass::Usage),
            Self::Authentication | Self::Contradiction(_) | Self::Malformed(_) => {
                Some(ErrorClass::Damaged)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sealcrate_image::{Descriptor, MediaType};

    use super::*;
    use crate::sealed::{SealedBlob, Sealing, SourceRemarks};

    const CONFIG: &[u8] = br#"{ "os":"linux", "architecture":"amd64", "created":"now",
        "config":{"Env":["TOKEN=t"]}, "rootfs":{"diff_ids":[]}, "history":[], "variant":"v3" }"#;

    fn key() -> DataKey {
        DataKey::new([4; 32])
    }

    fn data() -> KeyData {
        KeyData { nonce: [5; 12], salt: [6; 16], iterations: 1, wrapped_key: [0; 48] }
    }

    fn layer() -> SealedLayer {
        let blob = Digest::of(b"the only layer's blob");
        SealedLayer { blob, layer: Some(Digest::of(b"the only layer")) }
    }

    fn record() -> SealedRecord {
        let config = SealedBlob::of(&Descriptor::of(MediaType::DOCKER_CONFIG, CONFIG));
        SealedRecord::new(config, Vec::new(), &SourceRemarks::default(), &Sealing::default())
    }

    #[test]
    fn record_of_another_config_is_a_contradiction() {
        let mut record = record();
        record.config.digest = Digest::of(b"another config");
        let under = Under { key: &key(), nonce: [5; 12], salt: [6; 16] };
        let stored = seal(CONFIG, &record, &under).unwrap();
        let error = open(&stored, &key(), &data()).err().unwrap();
        assert_eq!(error, SealedConfigError::Contradiction("encrypted"));
    }

    fn sealed() -> Map<String, Value> {
        let under = Under { key: &key(), nonce: [5; 12], salt: [6; 16] };
        object(&seal(CONFIG, &record(), &under).unwrap()).unwrap()
    }

    fn opened(members: &Map<String, Value>) -> Result<Opened, SealedConfigError> {
        open(&json_bytes(members), &key(), &data())
    }

    /// Encrypts `secret` as another writer would.
    fn encrypted(secret: &Value) -> Value {
        let mut bytes = secret.to_string().into_bytes();
        let tag = aead_key(&key())
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key([5; 12]),
                Aad::from(&[6; 16]),
                &mut bytes,
            )
            .unwrap();
        bytes.extend_from_slice(tag.as_ref());
        URL_SAFE.encode(bytes).into()
    }

    #[test]
    fn original_bytes_come_back() {
        let opened = opened(&sealed()).unwrap();
        assert_eq!(opened.config, CONFIG);
        assert!(matches!(opened.seal, Seal::Record(sealed) if *sealed == record()));
    }

    #[test]
    fn sealed_original_without_blobs_or_layers_is_read_and_one_with_others_is_not() {
        let mut members = sealed();
        let secret = project(&object(CONFIG).unwrap(), &SECRET);
        let mut opened_with = |blobs: Value, layers: Value| {
            let config = STANDARD.encode(CONFIG);
            let seal = json!({ "version": 1, "config": config, "blobs": blobs, "layers": layers });
            let mut secret = secret.clone();
            secret.insert(SEALED.to_owned(), seal);
            members.insert(ENCRYPTED.to_owned(), encrypted(&secret.into()));
            opened(&members).map(|opened| match opened.seal {
                Seal::Version1(layers) => layers,
                Seal::Record(_) | Seal::Unsealed(_) => panic!("it is of version 1"),
            })
        };
        let blob = json!([layer().blob.to_string()]);
        assert_eq!(opened_with(Value::Null, Value::Null).unwrap(), None);
        assert_eq!(opened_with(Value::Null, blob.clone()).unwrap(), None);
        let unnamed = SealedLayer { layer: None, ..layer() };
        for layers in [Value::Null, json!([null])] {
            assert_eq!(opened_with(blob.clone(), layers).unwrap(), Some(vec![unnamed]));
        }
        let wrong = [json!("sha256:1"), json!([1]), json!(["sha256:1"]), json!([null, null])];
        for wrong in wrong {
            for (blobs, layers) in [(wrong.clone(), Value::Null), (blob.clone(), wrong)] {
                let error = opened_with(blobs, layers).err();
                assert!(matches!(error, Some(SealedConfigError::Malformed(_))), "{error:?}");
            }
        }
    }

    #[test]
    fn only_the_named_members_stay_in_clear() {
        let names: Vec<String> = sealed().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["architecture", "created", "enc", "os"]);
    }

    #[test]
    fn clear_members_that_disagree_are_tampering() {
        let changes: [fn(&mut Map<String, Value>); 4] = [
            |members| drop(members.insert("os".into(), "windows".into())),
            |members| drop(members.insert("config".into(), json!({"Cmd": ["x"]}))),
            |members| drop(members.insert("author".into(), "me".into())),
            |members| drop(members.remove("created")),
        ];
        for change in changes {
            let mut members = sealed();
            change(&mut members);
            let error = opened(&members).err();
            assert_eq!(error, Some(SealedConfigError::Contradiction("in clear")));
        }
    }

    #[test]
    fn encrypted_members_that_disagree_are_tampering() {
        let seal = json!({ "version": 1, "config": STANDARD.encode(CONFIG) });
        let secret = json!({ "sealcrate": seal, "rootfs": {"diff_ids": ["sha256:1"]} });
        let mut members = sealed();
        members.insert(ENCRYPTED.to_owned(), encrypted(&secret));
        let error = opened(&members).err();
        assert_eq!(error, Some(SealedConfigError::Contradiction("encrypted")));
    }

    #[test]
    fn config_of_another_tool_is_put_together_again() {
        let mut members = project(&object(CONFIG).unwrap(), &CLEAR);
        let secret = json!({ "config": {"Env": ["TOKEN=t"]}, "rootfs": {"diff_ids": []} });
        members.insert(ENCRYPTED.to_owned(), encrypted(&secret));
        let opened = opened(&members).unwrap();
        assert_eq!(opened.seal.binding(), Binding::None);
        let config = object(&opened.config).unwrap();
        assert_eq!(config["config"], json!({"Env": ["TOKEN=t"]}));
        assert_eq!(config["os"], "linux");
        assert!(!config.contains_key(ENCRYPTED));
    }

    #[test]
    fn members_in_clear_never_pass_for_encrypted_ones() {
        let mut members = project(&object(CONFIG).unwrap(), &CLEAR);
        members.insert(ENCRYPTED.to_owned(), encrypted(&json!({ "os": "plan9" })));
        members.insert("config".to_owned(), json!({ "Entrypoint": ["/steal"] }));
        members.insert("Config".to_owned(), json!({ "Entrypoint": ["/steal"] }));
        members.insert("history".to_owned(), json!([]));
        let opened = opened(&members).unwrap();
        let config = object(&opened.config).unwrap();
        assert_eq!(config.keys().collect::<Vec<_>>(), ["architecture", "created", "os"]);
        assert_eq!(config["os"], "plan9");
    }

    #[test]
    fn config_of_another_tool_is_encrypted_again_without_a_seal() {
        let mut members = project(&object(CONFIG).unwrap(), &CLEAR);
        members.insert(ENCRYPTED.to_owned(), encrypted(&json!({ "config": {"User": "a"} })));
        let Seal::Unsealed(unsealed) = opened(&members).unwrap().seal else {
            panic!("it is sealed")
        };
        let under = Under { key: &key(), nonce: [5; 12], salt: [6; 16] };
        let again = object(&encrypt_again(&unsealed, &under).unwrap()).unwrap();
        assert_eq!(again, members);
    }

    #[test]
    fn changed_or_malformed_members_are_refused() {
        let mut members = sealed();
        let text = members[ENCRYPTED].as_str().unwrap().to_owned();
        let flipped = if text.starts_with('A') { "B" } else { "A" }.to_owned() + &text[1..];
        for (value, error) in [
            (flipped.into(), SealedConfigError::Authentication),
            ("AAAA".into(), SealedConfigError::Authentication),
            ("?".into(), SealedConfigError::Malformed("its encrypted member is no base64")),
            (Value::Null, SealedConfigError::Malformed("it has no encrypted member")),
        ] {
            members.insert(ENCRYPTED.to_owned(), value);
            assert_eq!(opened(&members).err(), Some(error));
        }
        let config = STANDARD.encode(CONFIG);
        let unknown = json!({ "sealcrate": { "version": 3, "config": config } });
        members.insert(ENCRYPTED.to_owned(), encrypted(&unknown));
        assert!(matches!(opened(&members), Err(SealedConfigError::Malformed(_))));
    }
}
