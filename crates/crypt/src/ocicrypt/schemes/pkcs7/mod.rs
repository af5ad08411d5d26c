//! PKCS#7: private options wrapped to RSA keys, as CMS `EnvelopedData`. RFC 5652, section 6.
//!
//! The content is under AES-GCM (RFC 5084) with a tag of 16 bytes. Other tools write it into this
//! form, though `AuthEnvelopedData` is the form for it. This module refuses modes without a tag: a
//! stranger who relabels GCM as such a mode would have an oracle (RFC 9709).
//!
//! Every failure looks as if the key were for somebody else. PKCS#1 v1.5 tells by its padding
//! whether a key opened, so a random key takes the place of one that did not.

mod scheme;

use std::io;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey,
};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm};
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;
use zeroize::Zeroizing;

use super::scheme::Unwrapped;
use crate::ocicrypt::keys::Certificate;
use crate::ocicrypt::keys::RsaKey;
use crate::ocicrypt::keys::der::{
    self, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, element,
};

pub(super) use scheme::Pkcs7Scheme;

/// The longest message, which is many times what private options need.
const MAX_BYTES: usize = 64 << 10;

/// The most recipients of a message.
const MAX_RECIPIENTS: usize = 64;

/// Two tags that skopeo's library writes. It puts the parameters into a second sequence, whose tag
/// lacks the bit of constructed elements. The nonce in the parameters has a tag of its own.
const PRIMITIVE_SEQUENCE: u8 = 0x10;
const CONTEXT_4_PRIMITIVE: u8 = 0x84;
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_0_PRIMITIVE: u8 = 0x80;

const NULL: [u8; 2] = [5, 0];

/// 1.2.840.113549.1.7.1, RFC 5652, section 4.
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 1.2.840.113549.1.7.3, RFC 5652, section 6.1.
const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
/// 1.2.840.113549.1.1.1, RFC 8017, A.1.
const RSA_PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.113549.1.1.7, RFC 8017, A.2.1.
const RSA_OAEP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07];
/// 2.16.840.1.101.3.4.2.1, RFC 5754, section 2.2.
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// 2.16.840.1.101.3.4.1 with the last number left out, RFC 5084, section 3.2.
const AES: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01];

/// A message that was parsed.
#[derive(Debug)]
pub struct Pkcs7 {
    algorithm: &'static Algorithm,
    nonce: [u8; 12],
    sealed: Vec<u8>,
    recipients: Vec<Recipient>,
    /// The number of all recipients, unreadable ones included.
    count: usize,
}

/// One way to the content's key.
#[derive(Debug)]
struct Recipient {
    /// The certificate's issuer and number, or nothing if the recipient is named in another way.
    certificate: Vec<u8>,
    transport: Transport,
    encrypted_key: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Transport {
    Oaep(&'static OaepAlgorithm),
    Pkcs1,
}

impl Pkcs7 {
    /// Parses a message in DER.
    ///
    /// # Errors
    /// The message is too long or malformed, under another cipher than AES-GCM, or for no RSA key.
    pub fn parse(bytes: &[u8]) -> Result<Self, Pkcs7Error> {
        if bytes.len() > MAX_BYTES {
            return Err(Pkcs7Error::TooLong);
        }
        let malformed = |part| move || Pkcs7Error::Malformed(part);
        let mut info = der::Reader::of(bytes, SEQUENCE).ok_or_else(malformed("content info"))?;
        if info.next(OBJECT_IDENTIFIER) != Some(ENVELOPED_DATA) {
            return Err(Pkcs7Error::Unsupported("content"));
        }
        let data = info.next(CONTEXT_0).ok_or_else(malformed("content info"))?;
        let mut data = der::Reader::of(data, SEQUENCE).ok_or_else(malformed("enveloped data"))?;
        data.next(INTEGER).ok_or_else(malformed("version"))?;
        let infos = data.next(SET).ok_or_else(malformed("list of recipients"))?;
        let (recipients, count) = recipients(infos)?;
        let content = data.next(SEQUENCE).ok_or_else(malformed("encrypted content"))?;
        let (algorithm, nonce, sealed) = content_of(content)?;
        Ok(Self { algorithm, nonce, sealed, recipients, count })
    }

    /// Returns the number of readable recipients, which is the most that an identity costs.
    pub fn recipients(&self) -> usize {
        self.recipients.len()
    }

    /// Tells whether the message is for the owner of a certificate, and for nobody else.
    fn is_only_for(&self, certificate: &Certificate) -> bool {
        let name = [&certificate.issuer[..], &certificate.serial].concat();
        matches!(&self.recipients[..], [only] if self.count == 1 && only.certificate == name)
    }

    /// Opens the content with `key`.
    fn open_with(&self, key: &RsaKey) -> Unwrapped {
        for recipient in &self.recipients {
            let mut content_key = Zeroizing::new(vec![0; self.algorithm.key_len()]);
            if rand::fill(&mut content_key).is_err() {
                return Unwrapped::NotMine;
            }
            if let Some(opened) = recipient.content_key(key)
                && opened.len() == content_key.len()
            {
                content_key.copy_from_slice(&opened);
            }
            if let Some(content) = self.open(&content_key) {
                return Unwrapped::Content(content);
            }
        }
        Unwrapped::NotMine
    }

    fn open(&self, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let key = LessSafeKey::new(UnboundKey::new(self.algorithm, key).ok()?);
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let mut bytes = Zeroizing::new(self.sealed.clone());
        let len = key.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?.len();
        bytes.truncate(len);
        Some(bytes)
    }
}

/// Wraps `content` to the key of a certificate, in the form that skopeo's library reads.
///
/// # Errors
/// The system gives no random bytes.
fn wrap(content: &[u8], to: &Certificate) -> io::Result<Vec<u8>> {
    let failed = |_| io::Error::other("cannot wrap a key to a certificate");
    let (mut key, mut nonce) = (Zeroizing::new([0; 32]), [0; 12]);
    rand::fill(&mut *key).map_err(failed)?;
    rand::fill(&mut nonce).map_err(failed)?;
    let mut encrypted_key = vec![0; to.key.ciphertext_size()];
    to.key.encrypt(&*key, &mut encrypted_key).map_err(failed)?;
    let mut sealed = content.to_vec();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key).map_err(failed)?)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
        .map_err(failed)?;

    let identifier = |bytes: &[u8]| element(OBJECT_IDENTIFIER, &[bytes]);
    let version = element(INTEGER, &[&[0]]);
    let recipient = element(
        SEQUENCE,
        &[
            &version,
            &element(SEQUENCE, &[&to.issuer, &to.serial]),
            &element(SEQUENCE, &[&identifier(RSA_PKCS1), &NULL]),
            &element(OCTET_STRING, &[&encrypted_key]),
        ],
    );
    let parameters =
        element(SEQUENCE, &[&element(CONTEXT_4_PRIMITIVE, &[&nonce]), &element(INTEGER, &[&[16]])]);
    let aes_256_gcm = [AES, &[46]].concat();
    let cipher = element(
        SEQUENCE,
        &[&identifier(&aes_256_gcm), &element(PRIMITIVE_SEQUENCE, &[&parameters])],
    );
    let content = element(
        SEQUENCE,
        &[&identifier(DATA), &cipher, &element(CONTEXT_0, &[&element(OCTET_STRING, &[&sealed])])],
    );
    let data = element(SEQUENCE, &[&version, &element(SET, &[&recipient]), &content]);
    let message = element(SEQUENCE, &[&identifier(ENVELOPED_DATA), &element(CONTEXT_0, &[&data])]);
    Ok(message.to_vec())
}

impl Recipient {
    /// Reads a `KeyTransRecipientInfo`, section 6.2.1.
    fn parse(info: &[u8]) -> Option<Self> {
        let mut info = der::Reader::new(info);
        info.next(INTEGER)?;
        // A key is tried on every recipient, so opening needs no name.
        let certificate = match info.next(SEQUENCE) {
            Some(certificate) => certificate.to_vec(),
            None => info.next(CONTEXT_0_PRIMITIVE).map(|_| Vec::new())?,
        };
        let mut algorithm = der::Reader::new(info.next(SEQUENCE)?);
        let transport = match algorithm.next(OBJECT_IDENTIFIER)? {
            RSA_PKCS1 => Transport::Pkcs1,
            RSA_OAEP => Transport::Oaep(oaep(&mut algorithm)?),
            _ => return None,
        };
        let encrypted_key = info.next(OCTET_STRING)?.to_vec();
        info.is_empty().then_some(Self { certificate, transport, encrypted_key })
    }

    fn content_key(&self, key: &RsaKey) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(vec![0; key.oaep.min_output_size()]);
        let opened = match self.transport {
            Transport::Oaep(algorithm) => {
                key.oaep.decrypt(algorithm, &self.encrypted_key, &mut bytes, None)
            }
            Transport::Pkcs1 => key.pkcs1.decrypt(&self.encrypted_key, &mut bytes),
        };
        let len = opened.ok()?.len();
        bytes.truncate(len);
        Some(bytes)
    }
}

/// Reads `RecipientInfos`, and counts them. It passes over recipients of other kinds.
fn recipients(infos: &[u8]) -> Result<(Vec<Recipient>, usize), Pkcs7Error> {
    let mut infos = der::Reader::new(infos);
    let mut recipients = Vec::new();
    let mut count = 0;
    while let Some((tag, info)) = infos.next_any() {
        count += 1;
        if count > MAX_RECIPIENTS {
            return Err(Pkcs7Error::TooManyRecipients);
        }
        if tag == SEQUENCE {
            recipients.extend(Recipient::parse(info));
        }
    }
    match (infos.is_empty(), recipients.is_empty()) {
        (true, false) => Ok((recipients, count)),
        (true, true) => Err(Pkcs7Error::Unsupported("key transport")),
        (false, _) => Err(Pkcs7Error::Malformed("list of recipients")),
    }
}

/// Reads the parameters of RSA-OAEP, and accepts one hash for both purposes alone. RFC 4055,
/// section 4.1.
fn oaep(algorithm: &mut der::Reader<'_>) -> Option<&'static OaepAlgorithm> {
    let mut parameters = der::Reader::new(algorithm.next(SEQUENCE)?);
    let hash = match parameters.next(CONTEXT_0) {
        // Without parameters, the hash is SHA-1, also in MGF1.
        None if parameters.is_empty() => return Some(&OAEP_SHA1_MGF1SHA1),
        None => return None,
        Some(hash) => der::Reader::of(hash, SEQUENCE)?.next(OBJECT_IDENTIFIER)?,
    };
    let mask = der::Reader::of(parameters.next(0xa1)?, SEQUENCE)?;
    let mut mask = mask.skip(OBJECT_IDENTIFIER)?;
    let mask_hash = der::Reader::new(mask.next(SEQUENCE)?).next(OBJECT_IDENTIFIER)?;
    let is_known = parameters.is_empty() && hash == SHA256 && mask_hash == SHA256;
    is_known.then_some(&OAEP_SHA256_MGF1SHA256)
}

/// Reads `EncryptedContentInfo`, section 6.1.
fn content_of(info: &[u8]) -> Result<(&'static Algorithm, [u8; 12], Vec<u8>), Pkcs7Error> {
    let malformed = || Pkcs7Error::Malformed("encrypted content");
    let mut info = der::Reader::new(info);
    info.next(OBJECT_IDENTIFIER).ok_or_else(malformed)?;
    let mut cipher = der::Reader::new(info.next(SEQUENCE).ok_or_else(malformed)?);
    let identifier = cipher.next(OBJECT_IDENTIFIER).ok_or_else(malformed)?;
    let algorithm = match identifier.strip_prefix(AES) {
        Some([6]) => &AES_128_GCM,
        Some([26]) => &AES_192_GCM,
        Some([46]) => &AES_256_GCM,
        _ => return Err(Pkcs7Error::Unsupported("cipher")),
    };
    let mut parameters = match cipher.next(PRIMITIVE_SEQUENCE) {
        Some(wrapped) => der::Reader::of(wrapped, SEQUENCE),
        None => cipher.next(SEQUENCE).map(der::Reader::new),
    }
    .ok_or_else(malformed)?;
    let nonce = parameters.next(OCTET_STRING).or_else(|| parameters.next(CONTEXT_4_PRIMITIVE));
    let nonce = nonce.ok_or_else(malformed)?;
    let nonce = nonce.try_into().map_err(|_| Pkcs7Error::Unsupported("nonce"))?;
    // A tag whose length is left out has 12 bytes.
    if parameters.next(INTEGER) != Some(&[16]) || !parameters.is_empty() {
        return Err(Pkcs7Error::Unsupported("tag: it is shorter than 16 bytes"));
    }
    let sealed = match info.next_any() {
        Some((CONTEXT_0_PRIMITIVE, sealed)) => sealed.to_vec(),
        // The content may come in pieces; other writers make one piece of it.
        Some((CONTEXT_0, pieces)) => {
            let mut pieces = der::Reader::new(pieces);
            let mut sealed = Vec::new();
            while let Some(piece) = pieces.next(OCTET_STRING) {
                sealed.extend_from_slice(piece);
            }
            if !pieces.is_empty() {
                return Err(malformed());
            }
            sealed
        }
        _ => return Err(malformed()),
    };
    Ok((algorithm, nonce, sealed))
}

/// Why a message cannot be used.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pkcs7Error {
    /// A part is not of the right shape.
    #[error("a wrapped key (PKCS#7) is malformed: {0}")]
    Malformed(&'static str),
    /// It is longer than any that holds private options.
    #[error("a wrapped key (PKCS#7) is longer than 64 KiB")]
    TooLong,
    /// It is for too many recipients.
    #[error("a wrapped key (PKCS#7) is for more than {MAX_RECIPIENTS} recipients")]
    TooManyRecipients,
    /// The named part has a form that this module does not read.
    #[error("a wrapped key (PKCS#7) is not supported for its {0}")]
    Unsupported(&'static str),
}

impl Classified for Pkcs7Error {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Malformed(_) | Self::TooLong | Self::TooManyRecipients | Self::Unsupported(_) => {
                Some(ErrorClass::Failure)
            }
        }
    }
}
