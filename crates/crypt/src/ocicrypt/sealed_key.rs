//! Private keys under a password: PKCS#8's `EncryptedPrivateKeyInfo` (RFC 5958, section 3) with PBES2
//! (RFC 8018, section 6.2).

use pkcs8::pkcs5::Error as CipherError;
use pkcs8::{EncryptedPrivateKeyInfoRef, Error, SecretDocument};
use zeroize::Zeroizing;

use super::IdentityError;
use crate::Passphrase;

const BEGIN: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// Returns the DER of the encrypted key that a key file is, or `None` if it is none.
pub(super) fn of(file: &[u8]) -> Option<Vec<u8>> {
    if !file.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return EncryptedPrivateKeyInfoRef::try_from(file).is_ok().then(|| file.to_vec());
    }
    // One that is mutilated is still no key without a password.
    let text = str::from_utf8(file).unwrap_or_default();
    let der = SecretDocument::from_pem(text).map(|(_, document)| document.as_bytes().to_vec());
    Some(der.unwrap_or_default())
}

/// Opens an encrypted key, and returns it as PKCS#8 in DER.
///
/// # Errors
/// What is malformed, another password, and what is not PBES2 with AES.
pub(super) fn open(der: &[u8], password: &Passphrase) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let sealed =
        EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| IdentityError::UnknownEncryption)?;
    match sealed.decrypt(password.as_bytes()) {
        Ok(opened) => Ok(Zeroizing::new(opened.as_bytes().to_vec())),
        // What a wrong password makes of the key may be anything.
        Err(
            Error::Asn1(_)
            | Error::KeyMalformed(_)
            | Error::EncryptedPrivateKey(CipherError::DecryptFailed),
        ) => Err(IdentityError::WrongPassword),
        Err(_) => Err(IdentityError::UnknownEncryption),
    }
}
