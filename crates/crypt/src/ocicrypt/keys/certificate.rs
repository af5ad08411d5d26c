//! Certificates, to whose RSA keys other keys are wrapped: their issuer, serial number and key. RFC
//! 5280.
//!
//! Nothing here checks who vouches for a certificate, or whether it is still valid.

use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use pkcs8::Document;
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::Digest;
use thiserror::Error;

use super::der::{self, INTEGER, SEQUENCE};
use super::identity::MAX_KEY_FILE_BYTES;

const VERSION: u8 = 0xa0;

/// A certificate of an RSA key.
pub(crate) struct Certificate {
    /// The issuer's name, in DER.
    pub(crate) issuer: Vec<u8>,
    /// The serial number, in DER.
    pub(crate) serial: Vec<u8>,
    /// The digest of the whole certificate.
    pub(crate) digest: Digest,
    /// The key.
    pub(crate) key: Pkcs1PublicEncryptingKey,
}

impl Certificate {
    /// Reads a certificate in PEM or DER.
    ///
    /// # Errors
    /// The bytes are too long or no certificate, or the key is no RSA key.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
        if bytes.len() > MAX_KEY_FILE_BYTES {
            return Err(CertificateError::TooLong);
        }
        let text = str::from_utf8(bytes).ok();
        match text.and_then(|text| Document::from_pem(text).ok()) {
            Some(("CERTIFICATE", document)) => Self::from_der(document.as_bytes()),
            Some(_) => None,
            None => Self::from_der(bytes),
        }
        .ok_or(CertificateError::NoCertificate)
    }

    fn from_der(bytes: &[u8]) -> Option<Self> {
        let mut body = der::Reader::new(der::Reader::of(bytes, SEQUENCE)?.next(SEQUENCE)?);
        body.next(VERSION);
        let serial = body.next(INTEGER)?;
        let mut body = body.skip(SEQUENCE)?;
        let issuer = body.next(SEQUENCE)?;
        // The validity and the subject.
        let mut body = body.skip(SEQUENCE)?.skip(SEQUENCE)?;
        let key = der::element(SEQUENCE, &[body.next(SEQUENCE)?]);
        let key = Pkcs1PublicEncryptingKey::new(PublicEncryptingKey::from_der(&key).ok()?).ok()?;
        Some(Self {
            issuer: der::element(SEQUENCE, &[issuer]).to_vec(),
            serial: der::element(INTEGER, &[serial]).to_vec(),
            digest: Digest::of(bytes),
            key,
        })
    }
}

/// Why a file is no usable certificate.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// It is no certificate, or its key is no RSA key of 2048 to 8192 bits.
    #[error("there is no certificate in it of an RSA key (2048 to 8192 bits)")]
    NoCertificate,
    /// The file is too long.
    #[error("it is longer than 64 KiB")]
    TooLong,
}

impl Classified for CertificateError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Failure)
    }
}
