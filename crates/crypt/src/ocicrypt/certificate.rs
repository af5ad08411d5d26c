//! Certificates, as far as keys are wrapped to them: whose they are, and their RSA key. RFC 5280.
//!
//! That anybody vouches for one, or that it is still valid, is not looked at.

use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use pkcs8::Document;
use sealcrate_image::Digest;
use thiserror::Error;

use super::der::{self, INTEGER, SEQUENCE};
use super::identity::MAX_KEY_FILE_BYTES;

const VERSION: u8 = 0xa0;

/// A certificate of an RSA key.
pub(super) struct Certificate {
    /// Who issued it, in DER.
    pub(super) issuer: Vec<u8>,
    /// Its number, in DER.
    pub(super) serial: Vec<u8>,
    /// The digest of all of it.
    pub(super) digest: Digest,
    /// The key.
    pub(super) key: Pkcs1PublicEncryptingKey,
}

impl Certificate {
    /// Reads a certificate in PEM or DER.
    ///
    /// # Errors
    /// Anything else, and keys other than RSA's.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
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
        // When it is valid, and whose it is.
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

/// Why a file is not taken for a certificate.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// It is something else, or of another key.
    #[error("there is no certificate in it of an RSA key (2048 to 8192 bits)")]
    NoCertificate,
    /// The file is too long.
    #[error("it is longer than 64 KiB")]
    TooLong,
}
