//! Key data, in which the descriptor of an encrypted blob describes the blob's key.
//!
//! It has two shapes with the same content: a member `crypto` of the descriptor, or a URL in the
//! schema's own member `urls`. The URL is for registries that drop unknown members. It only
//! contains data, and nobody fetches it.

use std::fmt;

use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::Descriptor;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

/// The only algorithms that are defined.
const ALGORITHMS: &str = "PBKDF2-AES256-GCM";
const VERSION: u64 = 0;
const HOST: &str = "crypto.senetas.com";

/// The data about a blob's key in its descriptor. Nothing in it is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyData {
    /// The nonce under which the data key is wrapped and a config's secrets are encrypted.
    pub nonce: [u8; 12],
    /// The salt from which the key-encryption key is derived.
    pub salt: [u8; 16],
    /// The rounds of the derivation.
    pub iterations: u32,
    /// The wrapped data key: 32 bytes and a tag.
    pub wrapped_key: [u8; 48],
}

/// The place of key data in a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDataShape {
    /// In a member of its own.
    Member,
    /// In the schema's member `urls`.
    Url,
}

/// The member as JSON has it.
#[derive(Serialize, Deserialize)]
struct Member {
    algos: String,
    nonce: String,
    salt: String,
    iters: u64,
    version: u64,
    key: String,
}

impl KeyData {
    /// Returns the key data in `descriptor`, and its shape. Returns `None` if the blob is not
    /// encrypted.
    ///
    /// # Errors
    /// The key data is malformed, of other algorithms or another version, or there twice.
    pub fn of(descriptor: &Descriptor) -> Result<Option<(Self, KeyDataShape)>, KeyDataError> {
        let mut urls = descriptor
            .urls
            .iter()
            .filter_map(|text| Url::parse(text).ok())
            .filter(|url| url.host_str() == Some(HOST));
        let member = descriptor.crypto.as_ref().filter(|member| !member.is_null());
        match (member, urls.next(), urls.next()) {
            (None, None, _) => Ok(None),
            (Some(member), None, _) => {
                let member = Member::deserialize(member).map_err(KeyDataError::Json)?;
                Self::decode(&member, &STANDARD).map(|data| Some((data, KeyDataShape::Member)))
            }
            (None, Some(url), None) => {
                let member = from_query(&url)?;
                Self::decode(&member, &URL_SAFE).map(|data| Some((data, KeyDataShape::Url)))
            }
            _ => Err(KeyDataError::Twice),
        }
    }

    /// Writes the key data into `descriptor`.
    pub fn put(&self, descriptor: &mut Descriptor, shape: KeyDataShape) {
        match shape {
            KeyDataShape::Member => {
                let member = serde_json::to_value(self.encode(&STANDARD))
                    .expect("the member is made of strings and numbers");
                descriptor.crypto = Some(member);
            }
            KeyDataShape::Url => {
                let member = self.encode(&URL_SAFE);
                let mut url = Url::parse(&format!("https://{HOST}/")).expect("a constant URL");
                url.query_pairs_mut()
                    .append_pair("algos", &member.algos)
                    .append_pair("iters", &member.iters.to_string())
                    .append_pair("key", &member.key)
                    .append_pair("nonce", &member.nonce)
                    .append_pair("salt", &member.salt)
                    .append_pair("version", &member.version.to_string());
                descriptor.urls.push(url.into());
            }
        }
    }

    fn encode(&self, base64: &impl base64::Engine) -> Member {
        Member {
            algos: ALGORITHMS.to_owned(),
            nonce: base64.encode(self.nonce),
            salt: base64.encode(self.salt),
            iters: self.iterations.into(),
            version: VERSION,
            key: base64.encode(self.wrapped_key),
        }
    }

    fn decode(member: &Member, base64: &impl base64::Engine) -> Result<Self, KeyDataError> {
        if member.algos != ALGORITHMS {
            return Err(KeyDataError::Algorithms(member.algos.chars().take(64).collect()));
        }
        if member.version != VERSION {
            return Err(KeyDataError::Version(member.version));
        }
        Ok(Self {
            nonce: bytes("nonce", &member.nonce, base64)?,
            salt: bytes("salt", &member.salt, base64)?,
            // A number beyond the type's range is beyond every bound as well.
            iterations: u32::try_from(member.iters).unwrap_or(u32::MAX),
            wrapped_key: bytes("key", &member.key, base64)?,
        })
    }
}

impl fmt::Debug for KeyData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyData").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

fn from_query(url: &Url) -> Result<Member, KeyDataError> {
    let value = |name: &'static str| {
        let mut values = url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value.into_owned()),
            _ => Err(KeyDataError::Member(name)),
        }
    };
    let number = |name: &'static str| value(name)?.parse().map_err(|_| KeyDataError::Member(name));
    Ok(Member {
        algos: value("algos")?,
        nonce: value("nonce")?,
        salt: value("salt")?,
        iters: number("iters")?,
        version: number("version")?,
        key: value("key")?,
    })
}

fn bytes<const N: usize>(
    name: &'static str,
    text: &str,
    base64: &impl base64::Engine,
) -> Result<[u8; N], KeyDataError> {
    base64
        .decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(KeyDataError::Member(name))
}

/// Why key data cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyDataError {
    /// The key data names other algorithms than the defined ones.
    #[error("the key data names unknown algorithms {0:?}")]
    Algorithms(String),
    /// The member is not of the right shape.
    #[error("the key data is malformed")]
    Json(#[source] serde_json::Error),
    /// A value is missing, there twice, or of a wrong length.
    #[error("the key data's {0:?} is malformed")]
    Member(&'static str),
    /// The descriptor carries key data more than once.
    #[error("a descriptor carries key data more than once")]
    Twice,
    /// The key data is of another version than 0.
    #[error("key data of version {0} is not supported")]
    Version(u64),
}

impl Classified for KeyDataError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use sealcrate_image::MediaType;

    use super::*;

    fn descriptor() -> Descriptor {
        Descriptor::of(MediaType::DOCKER_LAYER_GZIP, b"x")
    }

    fn data() -> KeyData {
        KeyData {
            nonce: [0xfb; 12],
            salt: [0xff; 16],
            iterations: 600_000,
            wrapped_key: [0xfe; 48],
        }
    }

    #[test]
    fn both_shapes_are_read_back() {
        for shape in [KeyDataShape::Member, KeyDataShape::Url] {
            let mut descriptor = descriptor();
            data().put(&mut descriptor, shape);
            assert_eq!(KeyData::of(&descriptor).unwrap(), Some((data(), shape)));
        }
        assert_eq!(KeyData::of(&descriptor()).unwrap(), None);
    }

    #[test]
    fn url_percent_encodes_the_padding() {
        let mut descriptor = descriptor();
        data().put(&mut descriptor, KeyDataShape::Url);
        let expected = format!(
            "https://crypto.senetas.com/?algos=PBKDF2-AES256-GCM&iters=600000&key={}&nonce={}\
             &salt={}%3D%3D&version=0",
            "_v7-".repeat(16),
            "-_v7".repeat(4),
            "_".repeat(21) + "w",
        );
        assert_eq!(descriptor.urls, [expected]);
    }

    #[test]
    fn other_urls_are_not_key_data() {
        let mut descriptor = descriptor();
        descriptor.urls.push("https://example.com/?algos=x".to_owned());
        descriptor.urls.push("not a url".to_owned());
        assert_eq!(KeyData::of(&descriptor).unwrap(), None);
    }

    #[test]
    fn key_data_in_two_places_is_refused() {
        let mut descriptor = descriptor();
        data().put(&mut descriptor, KeyDataShape::Member);
        data().put(&mut descriptor, KeyDataShape::Url);
        assert!(matches!(KeyData::of(&descriptor), Err(KeyDataError::Twice)));
        descriptor.crypto = None;
        data().put(&mut descriptor, KeyDataShape::Url);
        assert!(matches!(KeyData::of(&descriptor), Err(KeyDataError::Twice)));
    }

    #[test]
    fn malformed_members_are_refused_by_name() {
        let with = |name: &str, value: serde_json::Value| {
            let mut descriptor = descriptor();
            data().put(&mut descriptor, KeyDataShape::Member);
            descriptor.crypto.as_mut().unwrap()[name] = value;
            KeyData::of(&descriptor).unwrap_err()
        };
        assert!(matches!(with("algos", "ROT13".into()), KeyDataError::Algorithms(_)));
        assert!(matches!(with("version", 1.into()), KeyDataError::Version(1)));
        assert!(matches!(with("nonce", "AAAA".into()), KeyDataError::Member("nonce")));
        assert!(matches!(with("salt", "?".into()), KeyDataError::Member("salt")));
        assert!(matches!(with("key", "".into()), KeyDataError::Member("key")));
        assert!(matches!(with("iters", (-1).into()), KeyDataError::Json(_)));
    }
}
