//! Private keys under a password: PKCS#8's `EncryptedPrivateKeyInfo` (RFC 5958, section 3) with PBES2
//! (RFC 8018, section 6.2).

use pkcs8::pkcs5::Error as CipherError;
use pkcs8::{EncryptedPrivateKeyInfoRef, Error, SecretDocument};
use zeroize::Zeroizing;

use super::identity::IdentityError;
use crate::Passphrase;

const BEGIN: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// Returns the DER of the encrypted key in a key file, or `None` if the file holds none.
pub(crate) fn of(file: &[u8]) -> Option<Vec<u8>> {
    if !file.windows(BEGIN.len()).any(|window| window == BEGIN) {
        return EncryptedPrivateKeyInfoRef::try_from(file).is_ok().then(|| file.to_vec());
    }
    // A mutilated key counts as well: without a password it is no key either.
    let text = str::from_utf8(file).unwrap_or_default();
    let der = SecretDocument::from_pem(text).map(|(_, document)| document.as_bytes().to_vec());
    Some(der.unwrap_or_default())
}

/// Opens an encrypted key, and returns it as PKCS#8 in DER.
///
/// # Errors
/// The key is malformed; the password is wrong; the encryption is not PBES2 with AES.
pub(crate) fn open(der: &[u8], password: &Passphrase) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let sealed =
        EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| IdentityError::UnknownEncryption)?;
    match sealed.decrypt(password.as_bytes()) {
        Ok(opened) => Ok(Zeroizing::new(opened.as_bytes().to_vec())),
        // With a wrong password, the decrypted bytes may be anything.
        Err(
            Error::Asn1(_)
            | Error::KeyMalformed(_)
            | Error::EncryptedPrivateKey(CipherError::DecryptFailed),
        ) => Err(IdentityError::WrongPassword),
        Err(_) => Err(IdentityError::UnknownEncryption),
    }
}
