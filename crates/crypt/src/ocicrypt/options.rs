//! The options of the layer cipher. The public options stand in clear. Every scheme wraps the
//! private options, which have sealcrate's mark in them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{DiffId, Digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use thiserror::Error;
use zeroize::Zeroizing;

use super::secret_buffer::SecretBuffer;
use super::secret_text::SecretText;
use crate::sealed;

const CIPHER: &str = "AES_256_CTR_HMAC_SHA256";
const BINDING_VERSION: u64 = 1;

/// The public options, which stand in clear beside the wrapped keys.
#[derive(Debug)]
pub(super) struct PublicOptions {
    /// The HMAC of the encrypted bytes.
    pub(super) hmac: [u8; 32],
}

#[derive(Deserialize)]
struct PublicMembers {
    cipher: String,
    hmac: String,
    #[serde(default)]
    cipheroptions: Option<Map<String, Value>>,
}

impl PublicOptions {
    /// Parses the JSON of public options.
    ///
    /// # Errors
    /// The options are malformed, name another cipher, or have a nonce. A nonce belongs in the
    /// private options, where no stranger can change it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, OptionsError> {
        let members: PublicMembers =
            serde_json::from_slice(bytes).map_err(|_| OptionsError::Malformed("public options"))?;
        if members.cipher != CIPHER {
            return Err(OptionsError::Cipher(members.cipher.chars().take(64).collect()));
        }
        if members.cipheroptions.is_some_and(|options| options.contains_key("nonce")) {
            return Err(OptionsError::PublicNonce);
        }
        Ok(Self { hmac: bytes_of(&members.hmac, "hmac")? })
    }

    /// Writes the JSON of public options.
    pub(super) fn to_json(&self) -> String {
        let hmac = STANDARD.encode(self.hmac);
        json!({ "cipher": CIPHER, "hmac": hmac, "cipheroptions": {} }).to_string()
    }
}

/// The private options, which are wrapped: the key of a layer, and its place in an image.
pub(super) struct PrivateOptions {
    /// The key of cipher and HMAC.
    pub(super) key: Zeroizing<[u8; 32]>,
    /// The first counter block.
    pub(super) nonce: [u8; 16],
    /// The digest of the layer before encryption. Other tools do not always state the right one.
    pub(super) digest: Option<Digest>,
    /// Sealcrate's mark.
    pub(super) mark: Mark,
}

/// The way in which a layer is bound to the rest of its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing binds the layer: another tool wrote it.
    None,
    /// The binding of version 1, which stands beside the key.
    Binding(SealedBinding),
    /// Version 2: the image has a sealed record.
    Record,
}

impl fmt::Debug for PrivateOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateOptions(..)")
    }
}

#[derive(Serialize, Deserialize)]
struct PrivateMembers {
    symkey: SecretText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    cipheroptions: CipherOptions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealcrate: Option<Member>,
}

/// Sealcrate's member: a version, or an object in version 1.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Member {
    Version(u64),
    Binding(SealedBinding),
}

#[derive(Serialize, Deserialize)]
struct CipherOptions {
    nonce: String,
}

/// The layer and the image that a key belongs to: the binding of version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SealedBinding {
    version: u64,
    layer: usize,
    count: usize,
    pub(super) config: Digest,
    diff_id: Digest,
    blobs: Digest,
}

impl SealedBinding {
    /// Describes layer number `layer` of the image with the config `config`. `blobs` are the
    /// digests of all layers before encryption, lowest first.
    pub(super) fn new(config: Digest, diff_id: DiffId, layer: usize, blobs: &[Digest]) -> Self {
        let lines: String = blobs.iter().map(|digest| format!("{digest}\n")).collect();
        Self {
            version: BINDING_VERSION,
            layer,
            count: blobs.len(),
            config,
            diff_id: diff_id.0,
            blobs: Digest::of(lines.as_bytes()),
        }
    }
}

impl PrivateOptions {
    /// Parses private options that were unwrapped.
    ///
    /// # Errors
    /// The bytes are malformed, or the mark is of an unknown version.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, OptionsError> {
        let members: PrivateMembers = serde_json::from_slice(bytes)
            .map_err(|_| OptionsError::Malformed("private options"))?;
        let mark = match members.sealcrate {
            None => Mark::None,
            Some(Member::Version(sealed::VERSION)) => Mark::Record,
            Some(Member::Binding(binding)) if binding.version == BINDING_VERSION => {
                Mark::Binding(binding)
            }
            Some(Member::Version(version) | Member::Binding(SealedBinding { version, .. })) => {
                return Err(OptionsError::Version(version));
            }
        };
        Ok(Self {
            key: Zeroizing::new(bytes_of(&members.symkey.0, "symkey")?),
            nonce: bytes_of(&members.cipheroptions.nonce, "nonce")?,
            digest: members.digest.and_then(|text| text.parse().ok()),
            mark,
        })
    }
}

impl PrivateOptions {
    /// Writes the JSON of private options, with every member that other readers insist on.
    pub(super) fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let members = PrivateMembers {
            symkey: SecretText(STANDARD.encode(*self.key)),
            digest: self.digest.map(|digest| digest.to_string()),
            cipheroptions: CipherOptions { nonce: STANDARD.encode(self.nonce) },
            sealcrate: match &self.mark {
                Mark::None => None,
                Mark::Binding(binding) => Some(Member::Binding(binding.clone())),
                Mark::Record => Some(Member::Version(sealed::VERSION)),
            },
        };
        SecretBuffer::json(&members)
    }
}

fn bytes_of<const N: usize>(text: &str, name: &'static str) -> Result<[u8; N], OptionsError> {
    let bytes = STANDARD.decode(text).map(Zeroizing::new);
    bytes
        .ok()
        .and_then(|bytes| bytes.as_slice().try_into().ok())
        .ok_or(OptionsError::Malformed(name))
}

/// Why the options of a layer's cipher cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionsError {
    /// The options name another cipher than the defined one.
    #[error("the layer is encrypted with the unknown cipher {0:?}")]
    Cipher(String),
    /// The options, or one of them, are not of the right shape.
    #[error("the encrypted layer's {0} cannot be read")]
    Malformed(&'static str),
    /// The public options have a nonce, which anybody could change.
    #[error("the encrypted layer was tampered with: its public options have a nonce")]
    PublicNonce,
    /// The mark is of another version.
    #[error("the layer is sealed in version {0}, which is not supported")]
    Version(u64),
}

impl Classified for OptionsError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Cipher(_) | Self::Malformed(_) | Self::PublicNonce | Self::Version(_) => {
                Some(ErrorClass::Failure)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(cipher: &str, options: &str) -> Result<PublicOptions, OptionsError> {
        let hmac = STANDARD.encode([1; 32]);
        let json = format!(r#"{{"cipher":"{cipher}","hmac":"{hmac}","cipheroptions":{options}}}"#);
        PublicOptions::parse(json.as_bytes())
    }

    #[test]
    fn nonce_in_public_options_is_refused() {
        assert!(public(CIPHER, "{}").is_ok());
        assert!(public(CIPHER, "null").is_ok());
        let error = public(CIPHER, r#"{"nonce":"AAAA"}"#).unwrap_err();
        assert_eq!(error, OptionsError::PublicNonce);
        assert!(matches!(public("ROT13", "{}"), Err(OptionsError::Cipher(_))));
    }

    #[test]
    fn short_keys_and_missing_nonces_are_refused() {
        let parse = |key: &[u8], rest: &str| {
            let json = format!(r#"{{"symkey":"{}",{rest}}}"#, STANDARD.encode(key));
            PrivateOptions::parse(json.as_bytes()).map(|_| ())
        };
        let nonce = format!(r#""cipheroptions":{{"nonce":"{}"}}"#, STANDARD.encode([2; 16]));
        assert_eq!(parse(&[1; 32], &nonce), Ok(()));
        assert_eq!(parse(&[1; 31], &nonce), Err(OptionsError::Malformed("symkey")));
        let none = Err(OptionsError::Malformed("private options"));
        assert_eq!(parse(&[1; 32], r#""cipheroptions":{}"#), none);
        let parsed = |version: u64| {
            let json = format!(
                r#"{{"symkey":"{}",{nonce},"sealcrate":{version}}}"#,
                STANDARD.encode([1; 32])
            );
            PrivateOptions::parse(json.as_bytes()).map(|options| options.mark)
        };
        assert_eq!(parsed(2), Ok(Mark::Record));
        assert_eq!(parsed(3), Err(OptionsError::Version(3)));
        let zeros = Digest::of(b"");
        let sealed = format!(
            r#"{nonce},"sealcrate":{{"version":2,"layer":0,"count":1,"config":"{zeros}",
               "diff_id":"{zeros}","blobs":"{zeros}"}}"#
        );
        assert_eq!(parse(&[1; 32], &sealed), Err(OptionsError::Version(2)));
    }
}
