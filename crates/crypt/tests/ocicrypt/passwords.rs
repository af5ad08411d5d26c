//! Private keys under a password, as OpenSSL writes them.

use sealcrate_crypt::Passphrase;
use sealcrate_crypt::ocicrypt::{Identity, IdentityError};
use sealcrate_crypt::sealed::Unbound;

use crate::support::{fixture, key_file, opened};

fn password(text: &str) -> Passphrase {
    Passphrase::new(text.as_bytes().to_vec().into()).unwrap()
}

#[test]
fn key_under_a_password_opens_with_it_alone() {
    for (image, file) in [
        ("jwe-ec", "ec.password.pem"),
        ("jwe-ec", "ec.password.der"),
        ("jwe-rsa-layers12", "rsa.password.pem"),
        ("jwe-rsa-layers12", "rsa.old-password.pem"),
        ("jwe-rsa-layers12", "rsa.old-password-192.pem"),
        ("jwe-rsa-layers12", "rsa.old-password-256.pem"),
        ("jwe-ec", "ec.old-password.pem"),
    ] {
        let bytes = key_file(file);
        assert_eq!(Identity::parse(&bytes).unwrap_err(), IdentityError::Password, "{file}");
        let wrong = Identity::parse_with_password(&bytes, &password("another"));
        assert_eq!(wrong.unwrap_err(), IdentityError::WrongPassword, "{file}");
        let identity = Identity::parse_with_password(&bytes, &password("fixture")).unwrap();
        let keys = [identity];
        opened(&fixture(image), &keys, Unbound::Accept).unwrap();
    }
}

#[test]
fn password_for_a_key_without_one_is_not_needed() {
    assert!(Identity::parse_with_password(&key_file("ec.pem"), &password("x")).is_ok());
}

#[test]
fn old_and_mutilated_encryption_is_named() {
    let parse = |bytes: &[u8]| Identity::parse_with_password(bytes, &password("fixture"));
    let old = parse(&key_file("rsa.old-password-des3.pem")).unwrap_err();
    assert_eq!(old, IdentityError::OldEncryption);
    let mut cut = key_file("rsa.old-password.pem");
    let middle = cut.len() / 2;
    cut.drain(middle..middle + 65);
    assert_eq!(parse(&cut).unwrap_err(), IdentityError::WrongPassword);
    let mut bytes = key_file("ec.password.pem");
    bytes.truncate(100);
    assert_eq!(parse(&bytes).unwrap_err(), IdentityError::UnknownEncryption);
}
