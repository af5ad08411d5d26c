//! JWE: the wrapping of private options to RSA and EC keys. RFC 7516, 7518.
//!
//! This module reads a closed set of algorithms, in all three forms. The set has no wrapping under
//! passwords and no compression, so a JWE costs no more than one key operation for each recipient.

mod scheme;
mod wrap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, UnparsedPublicKey};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _};
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealcrate_errors::{Classified, ErrorClass};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use thiserror::Error;
use zeroize::Zeroizing;

use super::scheme::Unwrapped;
use crate::ocicrypt::keys::{Curve, EcKey, Identity, RsaKey};

pub(super) use scheme::JweScheme;

/// The longest JWE, which is many times what private options need.
const MAX_BYTES: usize = 64 << 10;

/// The member of the protected header that has the hint at the recipient; other readers ignore it.
const HINT: &str = "sealcrate";

/// A JWE that was parsed.
#[derive(Debug)]
pub struct Jwe {
    associated: String,
    iv: [u8; 12],
    sealed: Vec<u8>,
    recipients: Vec<Recipient>,
    hint: Option<String>,
}

/// One recipient's way to the content's key.
#[derive(Debug)]
struct Recipient {
    algorithm: Algorithm,
    encrypted_key: Vec<u8>,
}

#[derive(Debug)]
enum Algorithm {
    Ecdh { name: &'static str, key_len: usize, curve: Curve, point: Vec<u8>, parties: [Vec<u8>; 2] },
    Oaep(&'static OaepAlgorithm),
}

/// The members of both JSON forms, which put recipients in different places.
#[derive(Deserialize)]
struct Members {
    protected: String,
    #[serde(default)]
    unprotected: Map<String, Value>,
    #[serde(default)]
    header: Map<String, Value>,
    #[serde(default)]
    encrypted_key: Option<String>,
    #[serde(default)]
    recipients: Option<Vec<RecipientMembers>>,
    #[serde(default)]
    aad: Option<String>,
    iv: String,
    ciphertext: String,
    tag: String,
}

#[derive(Deserialize)]
struct RecipientMembers {
    #[serde(default)]
    header: Map<String, Value>,
    #[serde(default)]
    encrypted_key: Option<String>,
}

impl Jwe {
    /// Parses the compact form, or one of the two in JSON.
    ///
    /// # Errors
    /// The JWE is too long or malformed, or has no recipient with a known algorithm.
    pub fn parse(bytes: &[u8]) -> Result<Self, JweError> {
        if bytes.len() > MAX_BYTES {
            return Err(JweError::TooLong);
        }
        let members = if bytes.trim_ascii_start().first() == Some(&b'{') {
            serde_json::from_slice(bytes).map_err(|_| JweError::Malformed("JSON"))?
        } else {
            compact(bytes)?
        };
        let protected: Map<String, Value> = serde_json::from_slice(&decode(&members.protected)?)
            .map_err(|_| JweError::Malformed("protected header"))?;
        // The content's cipher must stand in the protected header, which is authenticated.
        match protected.get("enc").and_then(Value::as_str) {
            Some("A256GCM") => {}
            Some(other) => return Err(JweError::unsupported("enc", other)),
            None => return Err(JweError::Malformed("protected header")),
        }
        let listed = match members.recipients {
            // Some writers leave the first recipient's key at the top as well.
            Some(list) => list,
            None => vec![RecipientMembers {
                header: members.header,
                encrypted_key: members.encrypted_key,
            }],
        };
        let mut recipients = Vec::with_capacity(listed.len());
        let mut refused = JweError::Malformed("list of recipients");
        for one in listed {
            let mut header = protected.clone();
            for (name, value) in members.unprotected.iter().chain(&one.header) {
                if header.insert(name.clone(), value.clone()).is_some() {
                    return Err(JweError::Malformed("header: a member is there twice"));
                }
            }
            match Recipient::parse(&header, one.encrypted_key.as_deref().unwrap_or_default()) {
                Ok(recipient) => recipients.push(recipient),
                // Other recipients may be readable.
                Err(error) => refused = error,
            }
        }
        if recipients.is_empty() {
            return Err(refused);
        }
        let tag: [u8; 16] = fixed(&members.tag, "tag")?;
        let mut sealed = decode(&members.ciphertext)?;
        sealed.extend_from_slice(&tag);
        let associated = match members.aad {
            Some(aad) => format!("{}.{aad}", members.protected),
            None => members.protected,
        };
        let hint = protected.get(HINT).and_then(Value::as_str).map(ToOwned::to_owned);
        Ok(Self { associated, iv: fixed(&members.iv, "iv")?, sealed, recipients, hint })
    }

    /// Returns the number of recipients, which is the most that an identity costs.
    pub fn recipients(&self) -> usize {
        self.recipients.len()
    }

    /// Returns the hint at the recipient, if there is one.
    fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Opens the content with `identity`.
    fn open_with(&self, identity: &Identity) -> Unwrapped {
        let mut unwrapped = Unwrapped::NotMine;
        for key in self.recipients.iter().filter_map(|recipient| recipient.content_key(identity)) {
            match self.open(&key) {
                Some(content) => return Unwrapped::Content(content),
                None => unwrapped = Unwrapped::Damaged,
            }
        }
        unwrapped
    }

    fn open(&self, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
        let nonce = Nonce::assume_unique_for_key(self.iv);
        let mut bytes = Zeroizing::new(self.sealed.clone());
        let len = key.open_in_place(nonce, Aad::from(&self.associated), &mut bytes).ok()?.len();
        bytes.truncate(len);
        Some(bytes)
    }
}

impl Recipient {
    fn parse(header: &Map<String, Value>, encrypted_key: &str) -> Result<Self, JweError> {
        for name in ["zip", "crit"] {
            if let Some(value) = header.get(name) {
                return Err(JweError::unsupported(name, value.as_str().unwrap_or("…")));
            }
        }
        let name = header.get("alg").and_then(Value::as_str).ok_or(JweError::Malformed("alg"))?;
        let algorithm = match name {
            "RSA-OAEP" => Algorithm::Oaep(&OAEP_SHA1_MGF1SHA1),
            "RSA-OAEP-256" => Algorithm::Oaep(&OAEP_SHA256_MGF1SHA256),
            "ECDH-ES+A128KW" => Algorithm::ecdh("ECDH-ES+A128KW", 16, header)?,
            "ECDH-ES+A256KW" => Algorithm::ecdh("ECDH-ES+A256KW", 32, header)?,
            other => return Err(JweError::unsupported("alg", other)),
        };
        let encrypted_key = decode(encrypted_key)?;
        if encrypted_key.is_empty() {
            return Err(JweError::Malformed("encrypted key: it is empty"));
        }
        Ok(Self { algorithm, encrypted_key })
    }

    fn content_key(&self, identity: &Identity) -> Option<Zeroizing<Vec<u8>>> {
        match &self.algorithm {
            Algorithm::Oaep(algorithm) => {
                let key = &identity.secret::<RsaKey>()?.oaep;
                let mut bytes = Zeroizing::new(vec![0; key.min_output_size()]);
                let len = key.decrypt(algorithm, &self.encrypted_key, &mut bytes, None).ok()?.len();
                bytes.truncate(len);
                Some(bytes)
            }
            Algorithm::Ecdh { name, key_len, curve, point, parties } => {
                let EcKey { key, .. } =
                    identity.secret::<EcKey>().filter(|key| key.curve == *curve)?;
                let peer = UnparsedPublicKey::new(curve.agreement(), point);
                let kek = agreement::agree(key, peer, (), |secret| {
                    Ok(concat_kdf(secret, name, parties, *key_len))
                })
                .ok()?;
                let cipher = if *key_len == 16 { &AES_128 } else { &AES_256 };
                let mut bytes = Zeroizing::new(vec![0; self.encrypted_key.len()]);
                let kek = AesKek::new(cipher, &kek).ok()?;
                let len = kek.unwrap(&self.encrypted_key, &mut bytes).ok()?.len();
                bytes.truncate(len);
                Some(bytes)
            }
        }
    }
}

impl Algorithm {
    fn ecdh(
        name: &'static str,
        key_len: usize,
        header: &Map<String, Value>,
    ) -> Result<Self, JweError> {
        let text = |of: &Value, member: &str| of[member].as_str().unwrap_or_default().to_owned();
        let epk = header.get("epk").ok_or(JweError::Malformed("ephemeral key"))?;
        let crv = text(epk, "crv");
        let curve = Curve::named(&crv).ok_or_else(|| JweError::unsupported("crv", &crv))?;
        let mut point = vec![4];
        for coordinate in ["x", "y"] {
            point.extend(decode(&text(epk, coordinate))?);
        }
        if text(epk, "kty") != "EC" || point.len() != 1 + 2 * curve.coordinate_len() {
            return Err(JweError::Malformed("ephemeral key"));
        }
        let party = |member| match header.get(member) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => decode(text),
            Some(_) => Err(JweError::Malformed("party")),
        };
        let parties = [party("apu")?, party("apv")?];
        Ok(Self::Ecdh { name, key_len, curve, point, parties })
    }
}

/// Derives a key of at most 32 bytes. RFC 7518, section 4.6.2: one round of the Concat KDF.
fn concat_kdf(
    secret: &[u8],
    name: &str,
    parties: &[Vec<u8>; 2],
    key_len: usize,
) -> Zeroizing<Vec<u8>> {
    let mut hash = Context::new(&SHA256);
    hash.update(&1_u32.to_be_bytes());
    hash.update(secret);
    for part in [name.as_bytes(), &parties[0], &parties[1]] {
        hash.update(&(part.len() as u32).to_be_bytes());
        hash.update(part);
    }
    hash.update(&(key_len as u32 * 8).to_be_bytes());
    Zeroizing::new(hash.finish().as_ref()[..key_len].to_vec())
}

fn compact(bytes: &[u8]) -> Result<Members, JweError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JweError::Malformed("text"))?;
    let mut parts = text.trim().split('.').map(str::to_owned);
    let mut part = || parts.next().ok_or(JweError::Malformed("compact form"));
    let members = Members {
        protected: part()?,
        unprotected: Map::new(),
        header: Map::new(),
        encrypted_key: Some(part()?),
        recipients: None,
        aad: None,
        iv: part()?,
        ciphertext: part()?,
        tag: part()?,
    };
    match parts.next() {
        None => Ok(members),
        Some(_) => Err(JweError::Malformed("compact form")),
    }
}

fn decode(text: &str) -> Result<Vec<u8>, JweError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JweError::Malformed("base64"))
}

fn fixed<const N: usize>(text: &str, name: &'static str) -> Result<[u8; N], JweError> {
    decode(text)?.try_into().map_err(|_| JweError::Malformed(name))
}

/// Why a JWE cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum JweError {
    /// A part is not of the right shape.
    #[error("a wrapped key (JWE) is malformed: {0}")]
    Malformed(&'static str),
    /// It is longer than any that holds private options.
    #[error("a wrapped key (JWE) is longer than 64 KiB")]
    TooLong,
    /// It asks for something outside the closed set.
    #[error("a wrapped key (JWE) asks for {name} {value}, which is not supported")]
    Unsupported {
        /// The header's member.
        name: &'static str,
        /// The member's value, quoted.
        value: String,
    },
}

impl Classified for JweError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Malformed(_) | Self::TooLong | Self::Unsupported { .. } => {
                Some(ErrorClass::Failure)
            }
        }
    }
}

impl JweError {
    fn unsupported(name: &'static str, value: &str) -> Self {
        let short: String = value.chars().take(64).collect();
        Self::Unsupported { name, value: json!(short).to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwe(header: &str, key: &str) -> Result<Jwe, JweError> {
        let tag = URL_SAFE_NO_PAD.encode([0; 16]);
        let iv = URL_SAFE_NO_PAD.encode([0; 12]);
        let text = format!("{}.{key}.{iv}.AAAA.{tag}", URL_SAFE_NO_PAD.encode(header));
        Jwe::parse(text.as_bytes())
    }

    /// RFC 7518, appendix C.
    #[test]
    fn concat_kdf_derives_what_the_rfc_says() {
        let secret = [
            158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49,
            110, 163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
        ];
        let parties = [b"Alice".to_vec(), b"Bob".to_vec()];
        let key = concat_kdf(&secret, "A128GCM", &parties, 16);
        assert_eq!(URL_SAFE_NO_PAD.encode(&*key), "VqqN6vgjbSBcIijNcacQGg");
    }

    #[test]
    fn only_known_algorithms_without_compression_are_taken() {
        assert!(jwe(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, "AAAA").is_ok());
        for (header, name) in [
            (r#"{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF"}"#, "zip"),
            (r#"{"alg":"RSA-OAEP","enc":"A256GCM","crit":["x"]}"#, "crit"),
            (r#"{"alg":"RSA-OAEP","enc":"A128CBC-HS256"}"#, "enc"),
            (r#"{"alg":"RSA1_5","enc":"A256GCM"}"#, "alg"),
            (r#"{"alg":"dir","enc":"A256GCM"}"#, "alg"),
            (r#"{"alg":"ECDH-ES+A192KW","enc":"A256GCM"}"#, "alg"),
            (r#"{"alg":"PBES2-HS256+A128KW","p2c":1000000000,"enc":"A256GCM"}"#, "alg"),
            (r#"{"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":{"crv":"X25519"}}"#, "crv"),
        ] {
            match jwe(header, "AAAA") {
                Err(JweError::Unsupported { name: found, .. }) => assert_eq!(found, name),
                other => panic!("{header}: {other:?}"),
            }
        }
    }

    #[test]
    fn malformed_parts_are_refused() {
        let good = r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#;
        for (header, key) in [(good, ""), (good, "?"), ("{}", "AAAA"), ("", "AAAA")] {
            assert!(matches!(jwe(header, key), Err(JweError::Malformed(_))), "{header} {key}");
        }
        for text in ["", "a.b", "a.b.c.d.e.f", "{}", "{"] {
            assert!(matches!(Jwe::parse(text.as_bytes()), Err(JweError::Malformed(_))), "{text}");
        }
        assert_eq!(Jwe::parse(&[b'a'; MAX_BYTES + 1]).unwrap_err(), JweError::TooLong);
    }
}
