//! The sealed record in an annotation of the manifest. A key of its own encrypts the record, and
//! everybody who has the data key of a layer can unwrap that key.
//!
//! `docs/formats/sealed.md` specifies the bytes.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{Digest, Manifest, Remarks};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::random::random;
use crate::sealed::{self, MAX_RECORD_BYTES, SealedRecord};

/// The annotation of a manifest that holds the record.
pub const RECORD_ANNOTATION: &str = "io.sealcrate.record";

/// The additional data of the record, and the beginning of HKDF's `info`.
const LABEL: &[u8] = b"sealcrate record 2";

/// The data keys of an image by the digests of their stored layers. Layers with the same bytes share a key.
pub(super) type DataKeys = BTreeMap<Digest, Zeroizing<[u8; 32]>>;

/// The annotation's value.
#[derive(Serialize, Deserialize)]
struct Envelope {
    version: u64,
    salt: String,
    keys: BTreeMap<Digest, String>,
    record: String,
}

/// The random parts of an envelope.
struct Fresh {
    salt: [u8; 32],
    key: Zeroizing<[u8; 32]>,
}

/// Seals `record` so that each of `keys` opens it, and returns the annotation's value.
///
/// # Errors
/// The record is too long; the system gives no random bytes.
pub(super) fn seal(record: &SealedRecord, keys: &DataKeys) -> Result<String, SealError> {
    let fresh = Fresh { salt: random()?, key: Zeroizing::new(random()?) };
    seal_with(record, keys, &fresh)
}

fn seal_with(record: &SealedRecord, keys: &DataKeys, fresh: &Fresh) -> Result<String, SealError> {
    let mut bytes = serde_json::to_vec(record).expect("a record is made of JSON values");
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(SealError::TooLong(bytes.len()));
    }
    encrypt(cipher(&fresh.key), LABEL, &mut bytes);
    let wrapped = keys.iter().map(|(layer, key)| {
        let mut wrapped = fresh.key.to_vec();
        encrypt(wrapping_key(key, &fresh.salt, *layer), b"", &mut wrapped);
        (*layer, STANDARD.encode(wrapped))
    });
    let envelope = Envelope {
        version: sealed::VERSION,
        salt: STANDARD.encode(fresh.salt),
        keys: wrapped.collect(),
        record: STANDARD.encode(bytes),
    };
    Ok(serde_json::to_string(&envelope).expect("an envelope is made of strings"))
}

/// Puts `record` into `manifest`, and removes all other remarks of the manifest.
///
/// # Errors
/// The errors of [`seal`].
pub(super) fn put(
    record: &SealedRecord,
    keys: &DataKeys,
    manifest: &mut Manifest,
) -> Result<(), SealError> {
    let annotations = [(RECORD_ANNOTATION.to_owned(), seal(record, keys)?)].into();
    manifest.remarks = Remarks { annotations, ..Remarks::default() };
    Ok(())
}

/// Returns the record's annotation in `manifest`, if it has one.
pub(super) fn of(manifest: &Manifest) -> Option<&str> {
    manifest.remarks.annotations.get(RECORD_ANNOTATION).map(String::as_str)
}

/// Opens the annotation's value `text` with every key in `keys`. All must lead to the same record.
///
/// # Errors
/// The text is malformed or too long; a key does not open it, or opens another record.
pub(super) fn open(text: &str, keys: &DataKeys) -> Result<SealedRecord, RecordError> {
    let envelope: Envelope = serde_json::from_str(text).map_err(|_| RecordError::Malformed)?;
    if envelope.version != sealed::VERSION {
        return Err(RecordError::Version(envelope.version));
    }
    // Four characters of base64 stand for three bytes.
    if envelope.record.len() / 4 > (MAX_RECORD_BYTES + 64) / 3 {
        return Err(RecordError::TooLong);
    }
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| RecordError::Malformed);
    let salt: [u8; 32] = decode(&envelope.salt)?.try_into().map_err(|_| RecordError::Malformed)?;
    let mut record_key: Option<Zeroizing<Vec<u8>>> = None;
    for (layer, key) in keys {
        let wrapped = envelope.keys.get(layer).ok_or(RecordError::Damaged)?;
        let unwrapped = decrypt(wrapping_key(key, &salt, *layer), b"", decode(wrapped)?)?;
        match &record_key {
            Some(other) if *other != unwrapped => return Err(RecordError::Damaged),
            _ => record_key = Some(unwrapped),
        }
    }
    let record_key = record_key.ok_or(RecordError::Damaged)?;
    let record_key = record_key.as_slice().try_into().map_err(|_| RecordError::Malformed)?;
    let bytes = decrypt(cipher(record_key), LABEL, decode(&envelope.record)?)?;
    serde_json::from_slice(&bytes).map_err(|_| RecordError::Malformed)
}

/// Derives the key that wraps the record's key for the layer with the stored digest `layer`. The
/// data key is an HMAC key as well, so it goes through the extract step first (RFC 5869, section
/// 2.2).
fn wrapping_key(data_key: &[u8; 32], salt: &[u8; 32], layer: Digest) -> LessSafeKey {
    let info = format!("\n{layer}");
    let derived = Salt::new(HKDF_SHA256, salt).extract(data_key);
    let info = [LABEL, info.as_bytes()];
    let derived = derived.expand(&info, &AES_256_GCM).expect("32 bytes can be derived");
    LessSafeKey::new(UnboundKey::from(derived))
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key is 32 bytes"))
}

/// Returns the nonce, which can be the same for every key: each key encrypts one message alone.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn encrypt(key: LessSafeKey, beside: &[u8], bytes: &mut Vec<u8>) {
    key.seal_in_place_append_tag(nonce(), Aad::from(beside), bytes)
        .expect("a short message can be encrypted");
}

fn decrypt(
    key: LessSafeKey,
    beside: &[u8],
    bytes: Vec<u8>,
) -> Result<Zeroizing<Vec<u8>>, RecordError> {
    let mut bytes = Zeroizing::new(bytes);
    let opened = key.open_in_place(nonce(), Aad::from(beside), &mut bytes);
    let length = opened.map_err(|_| RecordError::Damaged)?.len();
    bytes.truncate(length);
    Ok(bytes)
}

/// Why a record cannot be sealed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The system gives no random bytes.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is longer than [`MAX_RECORD_BYTES`].
    #[error(
        "the sealed record becomes {0} bytes long, more than 1 MiB: there are too many annotations or recipients"
    )]
    TooLong(usize),
}

impl Classified for SealError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::TooLong(_) => Some(ErrorClass::Usage),
            Self::Io(_) => None,
        }
    }
}

/// Why a record cannot be opened.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// The named part of the image contradicts the record.
    #[error("the image was tampered with: its {0} is not the sealed one")]
    Contradiction(&'static str),
    /// The image's keys do not open it.
    #[error("the image was tampered with: its sealed record does not open under its layers' keys")]
    Damaged,
    /// The layers are sealed in different versions, or only some of them are sealed.
    #[error("the image was tampered with: its layers are sealed in different ways")]
    Mixed,
    /// It is not of the right shape.
    #[error("the image's sealed record cannot be read")]
    Malformed,
    /// The layers are sealed, but the record is missing.
    #[error("the image was tampered with: its sealed record is missing")]
    Missing,
    /// It is longer than [`MAX_RECORD_BYTES`].
    #[error("the image's sealed record is longer than 1 MiB")]
    TooLong,
    /// It is of another version.
    #[error("the image's sealed record of version {0} is not supported")]
    Version(u64),
}

impl Classified for RecordError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealed::{SealedBlob, Sealing, SourceRemarks};
    use sealcrate_image::MediaType;

    fn record() -> SealedRecord {
        let config =
            SealedBlob { media_type: MediaType::OCI_CONFIG, digest: Digest::of(b"{}"), size: 2 };
        SealedRecord::new(config, Vec::new(), &SourceRemarks::default(), &Sealing::default())
    }

    fn keys(bytes: &[u8]) -> DataKeys {
        bytes.iter().map(|&byte| (Digest::of(&[byte]), Zeroizing::new([byte; 32]))).collect()
    }

    #[test]
    fn every_layers_key_opens_the_record_and_no_other() {
        let text = seal(&record(), &keys(&[1, 2])).unwrap();
        for which in [&[1][..], &[2], &[1, 2]] {
            assert_eq!(open(&text, &keys(which)).unwrap(), record());
        }
        for which in [&[3][..], &[1, 3], &[]] {
            assert_eq!(open(&text, &keys(which)), Err(RecordError::Damaged));
        }
        let mut wrong = keys(&[1]);
        wrong.insert(Digest::of(&[1]), Zeroizing::new([9; 32]));
        assert_eq!(open(&text, &wrong), Err(RecordError::Damaged));
    }

    #[test]
    fn keys_that_lead_to_different_records_are_refused() {
        let (one, other) = (keys(&[1]), keys(&[2]));
        let fresh = |key: u8| Fresh { salt: [7; 32], key: Zeroizing::new([key; 32]) };
        let text = seal_with(&record(), &one, &fresh(1)).unwrap();
        let beside = seal_with(&record(), &other, &fresh(2)).unwrap();
        let mut envelope: Envelope = serde_json::from_str(&text).unwrap();
        let second: Envelope = serde_json::from_str(&beside).unwrap();
        envelope.keys.extend(second.keys);
        let mixed = serde_json::to_string(&envelope).unwrap();
        assert!(open(&mixed, &one).is_ok());
        assert_eq!(open(&mixed, &keys(&[1, 2])), Err(RecordError::Damaged));
        // The same with the two records exchanged: the order of the keys does not matter.
        let mut envelope: Envelope = serde_json::from_str(&beside).unwrap();
        let first: Envelope = serde_json::from_str(&text).unwrap();
        envelope.keys.extend(first.keys);
        let mixed = serde_json::to_string(&envelope).unwrap();
        assert!(open(&mixed, &other).is_ok());
        assert_eq!(open(&mixed, &keys(&[1, 2])), Err(RecordError::Damaged));
    }

    #[test]
    fn changed_text_other_versions_and_long_records_are_refused() {
        let keys = keys(&[1]);
        let text = seal(&record(), &keys).unwrap();
        assert_eq!(open("", &keys), Err(RecordError::Malformed));
        let other = text.replacen("\"version\":2", "\"version\":3", 1);
        assert_eq!(open(&other, &keys), Err(RecordError::Version(3)));
        let changed = text.replacen("\"record\":\"", "\"record\":\"AAAA", 1);
        assert_eq!(open(&changed, &keys), Err(RecordError::Damaged));
        let mut long = record();
        long.remarks.annotations.insert("a".to_owned(), "b".repeat(MAX_RECORD_BYTES));
        assert!(matches!(seal(&long, &keys), Err(SealError::TooLong(_))));
        let long =
            text.replacen("\"record\":\"", &format!("\"record\":\"{}", "A".repeat(2 << 20)), 1);
        assert_eq!(open(&long, &keys), Err(RecordError::TooLong));
    }

    #[test]
    fn bytes_are_those_of_the_test_vector() {
        let fresh = Fresh { salt: [0x5a; 32], key: Zeroizing::new([0x4b; 32]) };
        let keys: DataKeys = [(Digest::of(b"layer"), Zeroizing::new([0x3c; 32]))].into();
        let text = seal_with(&record(), &keys, &fresh).unwrap();
        assert_eq!(text, VECTOR);
    }

    const VECTOR: &str = concat!(
        r#"{"version":2,"salt":"WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=","keys":{"#,
        r#""sha256:dac1d7cfa95021764849fd102524e141488c5e3a90f861dbb5a12d9ac8584f85":"#,
        r#""wBYkGqiShlaQcPYlGcAq6V86tf+aIbuePe8yjSw9kmdMp6cFROKPzcX1Tvx8vgRX"},"record":""#,
        "D+swTXciTNbKq1zKEm2pEkAg3QQqtuPCxhhwGqmH3TSRrbI3uyQtCGpRk9TF+cj0x7JVZa+uHQXmMjtcuuUxvDF4",
        "5guGAU3b70JmDfxWVpYMEhq0OnCpiIBUk3mA4KMhORhAcKBM1PjfauyiAh3d/LWg78kvk9PUBWDJne7UEP/vvQEa",
        "+2KaUaU/MBFRaporr9oANo7qwqK1SGuLhuIgsujAD3vUh98Qd4Cq5xLlWfS1n/NqfMzciCvhZg==",
        r#""}"#
    );
}
