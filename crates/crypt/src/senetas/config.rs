//! The encrypted config: some members in clear, the others as one encrypted JSON object, and beside
//! them in that object the original config's bytes, so that nothing of it is lost.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sealcrate_image::Digest;
use serde_json::{Map, Value, json};
use thiserror::Error;
use zeroize::Zeroizing;

use super::KeyData;
use super::kdf::DataKey;

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

/// The members that are encrypted. What is in neither list lives on in the sealed bytes alone.
const SECRET: [&str; 8] =
    ["id", "parent", "comment", "container", "container_config", "config", "rootfs", "history"];

const ENCRYPTED: &str = "enc";
/// The member of ours among the encrypted ones; crypto-cli ignores it.
const SEALED: &str = "sealcrate";
const SEALED_VERSION: u64 = 1;

/// What is sealed of a layer beside the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SealedLayer {
    /// The digest of the blob.
    pub(super) blob: Digest,
    /// The digest of the gzipped layer that the blob is, or holds encrypted, where that is known.
    pub(super) layer: Option<Digest>,
}

/// Encrypts `config` under `key`, with the nonce and salt that its descriptor will bear, and seals
/// in it what the image's layers are, lowest first.
///
/// # Errors
/// A config that is no JSON object.
pub(super) fn seal(
    config: &[u8],
    layers: &[SealedLayer],
    key: &DataKey,
    nonce: [u8; 12],
    salt: &[u8; 16],
) -> Result<Vec<u8>, SealedConfigError> {
    let members = object(config)?;
    let mut secret = project(&members, &SECRET);
    let blobs: Vec<String> = layers.iter().map(|layer| layer.blob.to_string()).collect();
    let layers: Vec<_> = layers.iter().map(|layer| layer.layer.map(|it| it.to_string())).collect();
    let config = STANDARD.encode(config);
    let sealed = json!({
        "version": SEALED_VERSION, "config": config, "blobs": blobs, "layers": layers
    });
    secret.insert(SEALED.to_owned(), sealed);
    let mut bytes = Zeroizing::new(json_bytes(&secret));
    let tag = aead_key(key)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(salt),
            bytes.as_mut_slice(),
        )
        .map_err(|_| SealedConfigError::Authentication)?;
    bytes.extend_from_slice(tag.as_ref());
    let mut clear = project(&members, &CLEAR);
    clear.insert(ENCRYPTED.to_owned(), URL_SAFE.encode(&*bytes).into());
    Ok(json_bytes(&clear))
}

/// A config that was decrypted.
pub(super) struct Opened {
    /// The config's bytes.
    pub(super) config: Vec<u8>,
    /// Whether they are the sealed original.
    pub(super) seal: Seal,
    /// What the layers are, lowest first, where that is sealed beside it.
    pub(super) layers: Option<Vec<SealedLayer>>,
}

/// What authenticates the members of a config that are in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// The original config, sealed whole.
    Sealed,
    /// Nothing: another tool wrote the image.
    Unsealed,
}

/// Tells whether a config has encrypted members.
pub(super) fn is_encrypted(config: &[u8]) -> bool {
    object(config).is_ok_and(|members| members.contains_key(ENCRYPTED))
}

/// Decrypts a config under `key`.
///
/// # Errors
/// Bytes that are malformed, do not authenticate, or contradict what is sealed in them.
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
            clear.extend(secret);
            Ok(Opened { config: json_bytes(&clear), seal: Seal::Unsealed, layers: None })
        }
        Some(sealed) => {
            let config = sealed_config(&sealed)?;
            let layers = sealed_layers(&sealed)?;
            let members = object(&config)?;
            // The bytes that are sealed decide; whatever else there is may only repeat them.
            if clear != project(&members, &CLEAR) {
                return Err(SealedConfigError::Contradiction("in clear"));
            }
            if secret != project(&members, &SECRET) {
                return Err(SealedConfigError::Contradiction("encrypted"));
            }
            Ok(Opened { config, seal: Seal::Sealed, layers })
        }
    }
}

fn sealed_config(sealed: &Value) -> Result<Vec<u8>, SealedConfigError> {
    match sealed["version"].as_u64() {
        Some(SEALED_VERSION) => {}
        _ => return Err(SealedConfigError::Malformed("it is sealed in an unknown version")),
    }
    sealed["config"]
        .as_str()
        .and_then(|text| STANDARD.decode(text).ok())
        .ok_or(SealedConfigError::Malformed("its sealed original is no base64"))
}

/// What was sealed before blobs were, or layers beside them, is read, too.
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
    /// Members that stand beside the sealed original say something else.
    #[error("the image config was tampered with: members {0} contradict the sealed original")]
    Contradiction(&'static str),
    /// The config is not of the right shape.
    #[error("the image config is malformed: {0}")]
    Malformed(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn sealed() -> Map<String, Value> {
        object(&seal(CONFIG, &[layer()], &key(), [5; 12], &[6; 16]).unwrap()).unwrap()
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
        assert_eq!(opened.seal, Seal::Sealed);
        assert_eq!(opened.layers, Some(vec![layer()]));
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
            opened(&members).map(|opened| opened.layers)
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
        assert_eq!(opened.seal, Seal::Unsealed);
        let config = object(&opened.config).unwrap();
        assert_eq!(config["config"], json!({"Env": ["TOKEN=t"]}));
        assert_eq!(config["os"], "linux");
        assert!(!config.contains_key(ENCRYPTED));
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
        let unknown = json!({ "sealcrate": { "version": 2 } });
        members.insert(ENCRYPTED.to_owned(), encrypted(&unknown));
        assert!(matches!(opened(&members), Err(SealedConfigError::Malformed(_))));
    }
}
