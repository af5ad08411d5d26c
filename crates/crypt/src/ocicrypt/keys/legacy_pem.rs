//! Private keys under a password in the old form of PEM (RFC 1421, section 4.6), with OpenSSL's way
//! to derive the key.
//!
//! OpenSSL derives it in one round of MD5, so an attacker can find the password by trying.
//! Sealcrate writes nothing in this form.

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::identity::IdentityError;
use crate::Passphrase;

const ENCRYPTED: &str = "Proc-Type: 4,ENCRYPTED";
const PARAMETERS: &str = "DEK-Info:";

/// The number of bytes at the start of the initialization vector that are the salt.
const SALT: usize = 8;

/// Tells whether a file holds a key in this form.
pub(crate) fn is_encrypted(file: &[u8]) -> bool {
    file.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED.as_bytes())
}

/// Opens the key in a file, and returns it as PKCS#1 or SEC 1 in DER.
///
/// # Errors
/// The file is malformed; the password is wrong; the cipher is not AES in CBC.
pub(crate) fn open(
    file: &[u8],
    password: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let (algorithm, iv, mut bytes) = parse(file).ok_or(IdentityError::OldEncryption)?;
    let (salt, _) = iv.split_first_chunk().expect("a block is longer than the salt");
    let key = key_of(password.as_bytes(), salt, algorithm.1);
    let opened = UnboundCipherKey::new(algorithm.0, &key)
        .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
        .and_then(|key| {
            let context = DecryptionContext::Iv128(FixedLength::from(iv));
            key.decrypt(&mut bytes, context).map(|opened| opened.len())
        });
    bytes.truncate(opened.map_err(|_| IdentityError::WrongPassword)?);
    Ok(bytes)
}

/// A cipher, and the length of its key in bytes.
type Cipher = (&'static Algorithm, usize);

/// Reads the parameters and the encrypted bytes.
fn parse(file: &[u8]) -> Option<(Cipher, [u8; 16], Zeroizing<Vec<u8>>)> {
    let text = str::from_utf8(file).ok()?;
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != ENCRYPTED).skip(1);
    let (name, iv) = lines.next()?.strip_prefix(PARAMETERS)?.trim().split_once(',')?;
    let cipher = match name {
        "AES-128-CBC" => (&AES_128, 16),
        "AES-192-CBC" => (&AES_192, 24),
        "AES-256-CBC" => (&AES_256, 32),
        _ => return None,
    };
    let body: String = lines.take_while(|line| !line.starts_with('-')).collect();
    let bytes = Zeroizing::new(STANDARD.decode(body).ok()?);
    Some((cipher, block_of(iv)?, bytes))
}

/// Reads a block in hexadecimal digits.
fn block_of(digits: &str) -> Option<[u8; 16]> {
    // Without the check of the digits, a sign before the number would be taken.
    let is_block = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = is_block.then(|| u128::from_str_radix(digits, 16).ok())?;
    number.map(u128::to_be_bytes)
}

/// Derives a key from a password like OpenSSL's `EVP_BytesToKey` with one round.
fn key_of(password: &[u8], salt: &[u8; SALT], len: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(48));
    while key.len() < len {
        let before = key.len().saturating_sub(16);
        let hash = Md5::new().chain_update(&key[before..]).chain_update(password);
        key.extend_from_slice(&hash.chain_update(salt).finalize());
    }
    key.truncate(len);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_malformed_or_of_another_cipher_is_not_taken() {
        let file = |parameters: &str| {
            format!(
                "-----BEGIN RSA PRIVATE KEY-----\n{ENCRYPTED}\n{parameters}\n\nAAAA\n\
                 -----END RSA PRIVATE KEY-----\n"
            )
        };
        let iv = "32769DFC952C3A04186089F3A494E73B";
        let takes = |text: &str| parse(text.as_bytes()).is_some();
        assert!(takes(&file(&format!("DEK-Info: AES-128-CBC,{iv}"))));
        for parameters in [
            format!("DEK-Info: DES-EDE3-CBC,{}", &iv[..16]),
            format!("DEK-Info: AES-128-CBC,{}", &iv[2..]),
            format!("DEK-Info: AES-128-CBC,+{}", &iv[1..]),
            "DEK-Info: AES-128-CBC".to_owned(),
            String::new(),
        ] {
            assert!(!takes(&file(&parameters)), "{parameters}");
        }
        assert!(!takes(&file(&format!("DEK-Info: AES-256-CBC,{iv}")).replace("AAAA", "?")));
        assert!(!takes(ENCRYPTED));
    }
}
