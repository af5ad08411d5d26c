//! The little DER that is written here: RSA keys in the forms that the library reads.

use zeroize::Zeroizing;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
/// `AlgorithmIdentifier` of rsaEncryption, RFC 8017, A.1.
const RSA: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// Puts an `RSAPrivateKey` (PKCS#1) into a `PrivateKeyInfo` (PKCS#8, RFC 5208).
pub(super) fn rsa_private_key_info(pkcs1: &[u8]) -> Zeroizing<Vec<u8>> {
    element(SEQUENCE, &[&[INTEGER, 1, 0], &RSA, &element(OCTET_STRING, &[pkcs1])])
}

/// Puts an `RSAPublicKey` (PKCS#1) into a `SubjectPublicKeyInfo` (RFC 5280).
pub(super) fn rsa_public_key_info(pkcs1: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[&RSA, &element(BIT_STRING, &[&[0], pkcs1])]).to_vec()
}

/// Makes an `RSAPrivateKey` (RFC 8017, A.1.2) of `n`, `e`, `d`, `p`, `q`, `dp`, `dq`, `qi`.
pub(super) fn rsa_private_key(numbers: [&[u8]; 8]) -> Zeroizing<Vec<u8>> {
    let numbers = numbers.map(integer);
    let mut parts: Vec<&[u8]> = vec![&[INTEGER, 1, 0]];
    parts.extend(numbers.iter().map(|number| number.as_slice()));
    element(SEQUENCE, &parts)
}

/// Makes an integer of an unsigned big-endian number.
fn integer(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    element(
        INTEGER,
        &[if bytes.get(zeros).is_none_or(|&top| top > 0x7f) { &[0] } else { &[] }, &bytes[zeros..]],
    )
}

fn element(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(len + 10));
    bytes.push(tag);
    if len < 0x80 {
        bytes.push(len as u8);
    } else {
        let digits = len.to_be_bytes();
        let digits = &digits[digits.iter().take_while(|&&byte| byte == 0).count()..];
        bytes.push(0x80 | digits.len() as u8);
        bytes.extend_from_slice(digits);
    }
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_signs_are_written_as_der_wants_them() {
        assert_eq!(**integer(&[]), [2, 1, 0]);
        assert_eq!(**integer(&[0, 0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(**integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(element(4, &[&[9; 128]])[..3], [4, 0x81, 128]);
        assert_eq!(element(4, &[&[9; 256], &[8; 1]])[..4], [4, 0x82, 1, 1]);
    }
}
