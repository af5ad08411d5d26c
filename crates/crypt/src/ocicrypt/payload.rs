//! The payload that containerd gives a stream processor: the layer's descriptor and the client's
//! keys.
//!
//! It is imgcrypt's `Payload` as JSON, in a message of the type `google.protobuf.Any`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::Descriptor;
use serde::Deserialize;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::keys::{Identity, IdentityError};
use super::secret_text::SecretText;

/// The longest payload, in bytes: as long as the largest manifest, with room for keys.
pub const MAX_PAYLOAD_BYTES: usize = 8 << 20;

/// The most keys that are taken from a client.
const MAX_KEYS: usize = 64;

const TYPE: &str = "io.containerd.ocicrypt.v1.Payload";
const PRIVATE_KEYS: &str = "privkeys";

/// Containerd's description of a layer to decrypt.
#[derive(Debug)]
pub struct Payload {
    /// The layer, with its annotations.
    pub descriptor: Descriptor,
    /// The identities that the client sent along.
    pub identities: Vec<Identity>,
}

/// The message `google.protobuf.Any`. Its value holds private keys.
#[derive(Clone, PartialEq, prost::Message, Zeroize, ZeroizeOnDrop)]
#[prost(skip_debug)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    #[serde(default)]
    decrypt_config: DecryptConfig,
    descriptor: Descriptor,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DecryptConfig {
    #[serde(default)]
    parameters: Option<BTreeMap<String, Option<Vec<SecretText>>>>,
}

impl Payload {
    /// Parses a payload.
    ///
    /// # Errors
    /// The payload is too long, malformed, or of another type; a key of the client cannot be used,
    /// or there are too many.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        if bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(PayloadError::TooLong);
        }
        let any = Any::decode(bytes).map_err(|_| PayloadError::Message)?;
        // The decoder passes over fields that it does not know.
        if has_other_fields(bytes) {
            return Err(PayloadError::Message);
        }
        let name = &any.type_url;
        if name.rsplit('/').next() != Some(TYPE) {
            return Err(PayloadError::Type(name.chars().take(100).collect()));
        }
        let members: Members =
            serde_json::from_slice(&any.value).map_err(|_| PayloadError::Malformed)?;
        let mut parameters = members.decrypt_config.parameters.unwrap_or_default();
        let keys = parameters.remove(PRIVATE_KEYS).flatten().unwrap_or_default();
        if keys.len() > MAX_KEYS {
            return Err(PayloadError::TooManyKeys);
        }
        let mut identities = Vec::with_capacity(keys.len());
        for key in &keys {
            let bytes = STANDARD.decode(&key.0).map(Zeroizing::new);
            let bytes = bytes.map_err(|_| PayloadError::Malformed)?;
            identities.push(Identity::parse(&bytes).map_err(PayloadError::Key)?);
        }
        Ok(Self { descriptor: members.descriptor, identities })
    }
}

/// Tells whether a message has fields that `Any` does not have.
fn has_other_fields(mut message: &[u8]) -> bool {
    while !message.is_empty() {
        let Ok((number, kind)) = decode_key(&mut message) else { return true };
        let skipped = skip_field(kind, number, &mut message, DecodeContext::default());
        if number > 2 || skipped.is_err() {
            return true;
        }
    }
    false
}

/// Why a payload cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// One of the client's keys cannot be used.
    #[error("a key that the client sent cannot be used")]
    Key(#[source] IdentityError),
    /// The JSON is not of the right shape.
    #[error("the payload is malformed")]
    Malformed,
    /// The message around it is not of the right shape.
    #[error("the payload is malformed: it is no message of type Any")]
    Message,
    /// It is longer than [`MAX_PAYLOAD_BYTES`].
    #[error("the payload is longer than 8 MiB")]
    TooLong,
    /// There are more keys than anybody sends.
    #[error("the client sent more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// It is a payload for something else.
    #[error("the payload is of the unknown type {0:?}")]
    Type(String),
}

impl Classified for PayloadError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Malformed | Self::Message | Self::TooLong | Self::TooManyKeys | Self::Type(_) => {
                Some(ErrorClass::Failure)
            }
            Self::Key(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(type_url: &str, value: &str) -> Vec<u8> {
        let mut bytes = vec![0x0a, type_url.len() as u8];
        bytes.extend(type_url.as_bytes());
        bytes.push(0x12);
        bytes.push(value.len() as u8 | 0x80);
        bytes.push((value.len() >> 7) as u8);
        bytes.extend(value.as_bytes());
        bytes
    }

    fn payload(parameters: &str) -> Result<Payload, PayloadError> {
        let digest = sealcrate_image::Digest::of(b"x");
        let json = format!(
            r#"{{"DecryptConfig":{{"Parameters":{parameters}}},"Descriptor":{{"mediaType":"a/b",
               "digest":"{digest}","size":1,"annotations":{{"a":"b"}}}}}}"#
        );
        Payload::parse(&any(TYPE, &json))
    }

    #[test]
    fn layer_and_absent_keys_are_read() {
        for parameters in ["null", "{}", r#"{"privkeys":null}"#, r#"{"x509s":["AAAA"]}"#] {
            let found = payload(parameters).unwrap();
            assert_eq!(found.descriptor.annotations["a"], "b");
            assert!(found.identities.is_empty());
        }
    }

    #[test]
    fn what_is_no_payload_is_refused() {
        let error = |bytes: &[u8]| Payload::parse(bytes).unwrap_err();
        assert!(matches!(error(b""), PayloadError::Type(_)));
        assert!(matches!(error(&[0x08, 1]), PayloadError::Message));
        assert!(matches!(error(&[0x1a, 0]), PayloadError::Message));
        let with_another = [any(TYPE, "{}"), vec![0x1a, 0]].concat();
        assert!(matches!(error(&with_another), PayloadError::Message));
        assert!(matches!(error(&any("other", "{}")), PayloadError::Type(_)));
        assert!(matches!(error(&any(TYPE, "{}")), PayloadError::Malformed));
        assert!(matches!(error(&vec![0; MAX_PAYLOAD_BYTES + 1]), PayloadError::TooLong));
        let key = payload(r#"{"privkeys":["AAAA"]}"#).unwrap_err();
        assert!(matches!(key, PayloadError::Key(IdentityError::NoKey)));
        assert!(matches!(payload(r#"{"privkeys":["?"]}"#).unwrap_err(), PayloadError::Malformed));
        let many = format!(r#"{{"privkeys":[{}]}}"#, vec![r#""""#; MAX_KEYS + 1].join(","));
        assert!(matches!(payload(&many).unwrap_err(), PayloadError::TooManyKeys));
    }
}
