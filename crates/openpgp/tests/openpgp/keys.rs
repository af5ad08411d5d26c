//! Key files by GnuPG: keys that are encrypted to, and keys that are not.

use sealcrate_openpgp::{
    Certificate, CertificateError, OpenError, SecretKeyError, SecretKeys, is_public, is_secret,
};

use crate::support::{
    content, encrypted, encrypted_to, key_file, opened, opened_with, packets, recorded,
};

#[test]
fn keys_under_a_password_open_with_it_alone() {
    for name in ["password", "rsa-password"] {
        let file = key_file(&format!("pgp.{name}.sec.gpg"));
        assert_eq!(SecretKeys::parse(&file, None).unwrap_err(), SecretKeyError::Password);
        let wrong = SecretKeys::parse(&file, Some(b"another"));
        assert_eq!(wrong.unwrap_err(), SecretKeyError::WrongPassword);
        let keys = SecretKeys::parse(&file, Some(b"fixture")).unwrap();
        let message = encrypted(&format!("pgp.{name}.pub.gpg"));
        assert_eq!(opened_with(&message, &keys), Ok(content()), "{name}");
    }
    let keys = SecretKeys::parse(&key_file("pgp.password.sec.gpg"), Some(b"fixture")).unwrap();
    assert_eq!(opened_with(&recorded("password"), &keys), Ok(content()));
    assert!(SecretKeys::parse(&key_file("pgp.cv25519.sec.gpg"), Some(b"x")).is_ok());
}

#[test]
fn keys_that_are_not_to_be_encrypted_to_are_refused_for_what_they_are() {
    let refused = |name: &str| Certificate::parse(&key_file(name)).unwrap_err();
    assert_eq!(refused("pgp.expired.pub.gpg"), CertificateError::Expired);
    assert_eq!(refused("pgp.old-subkey.pub.gpg"), CertificateError::Expired);
    assert_eq!(refused("pgp.revoked.pub.gpg"), CertificateError::Revoked);
    assert_eq!(refused("pgp.sign-only.pub.gpg"), CertificateError::NoEncryptionKey);
    assert_eq!(refused("pgp.cv25519.sec.gpg"), CertificateError::PrivateKey);
    assert_eq!(refused("pgp.cv25519.sec.asc"), CertificateError::PrivateKey);
    assert_eq!(refused("rsa.pub.pem"), CertificateError::NoKey);
    let two = [key_file("pgp.rsa.pub.gpg"), key_file("pgp.p256.pub.gpg")].concat();
    assert_eq!(Certificate::parse(&two).unwrap_err(), CertificateError::Several);
    let long = vec![0x99; (64 << 10) + 1];
    assert_eq!(Certificate::parse(&long).unwrap_err(), CertificateError::TooLong);
}

#[test]
fn newest_subkey_that_is_not_revoked_is_encrypted_to() {
    let curve_of = |message: &[u8]| match packets(message)[0].1.len() {
        // A message with a point on P-256 is longer by half.
        ..120 => "cv25519",
        _ => "p256",
    };
    assert_eq!(curve_of(&encrypted("pgp.two-subkeys.pub.gpg")), "p256");
    assert_eq!(curve_of(&encrypted("pgp.revoked-subkey.pub.gpg")), "cv25519");
    for file in ["pgp.two-subkeys.pub.gpg", "pgp.revoked-subkey.pub.gpg"] {
        assert!(opened(&encrypted(file), "pgp.two-subkeys.sec.gpg").is_ok(), "{file}");
    }
}

#[test]
fn subkey_of_somebody_else_is_not_encrypted_to() {
    let (mine, theirs) = (key_file("pgp.rsa.pub.gpg"), key_file("pgp.two-subkeys.pub.gpg"));
    let subkey = packets(&theirs).into_iter().find(|(tag, _)| *tag == 14).unwrap().1;
    let with_theirs = [&mine[..], &theirs[subkey.start..]].concat();
    assert_eq!(packets(&mine).len() + 4, packets(&with_theirs).len());
    let message = encrypted_to(&with_theirs);
    assert!(opened(&message, "pgp.rsa.sec.gpg").is_ok());
    // A key that was changed, or whose signature is damaged, is refused as well.
    for (at, (tag, range)) in packets(&mine).into_iter().enumerate() {
        let mut changed = mine.clone();
        changed[range.end - 1] ^= 1;
        let refused = Certificate::parse(&changed);
        assert!(refused.is_err(), "packet {at}, tag {tag}");
    }
}

#[test]
fn public_and_secret_keys_are_told_apart_and_changed_ones_are_refused() {
    for (public, secret) in
        [("pgp.rsa.pub.gpg", "pgp.rsa.sec.gpg"), ("pgp.cv25519.pub.asc", "pgp.cv25519.sec.asc")]
    {
        let (public, secret) = (key_file(public), key_file(secret));
        assert!(is_public(&public) && !is_secret(&public));
        assert!(is_secret(&secret) && !is_public(&secret));
        assert_eq!(SecretKeys::parse(&public, None).unwrap_err(), SecretKeyError::NoKey);
    }
    let sign_only = SecretKeys::parse(&key_file("pgp.sign-only.sec.gpg"), None);
    assert_eq!(sign_only.unwrap_err(), SecretKeyError::NoKey);
    let long = vec![0x95; (64 << 10) + 1];
    assert_eq!(SecretKeys::parse(&long, None).unwrap_err(), SecretKeyError::TooLong);
    let secret = key_file("pgp.rsa.sec.gpg");
    let subkey = packets(&secret).into_iter().find(|(tag, _)| *tag == 7).unwrap().1;
    for len in [300, 100, 3] {
        assert!(SecretKeys::parse(&secret[..len], None).is_err(), "{len}");
    }
    // The reader checks the numbers against each other, and against their sum, which comes last.
    for place in [20, 1] {
        let mut changed = secret.clone();
        changed[subkey.end - place] ^= 1;
        let keys = SecretKeys::parse(&changed, None).unwrap();
        assert_eq!(keys.count(), 1, "the primary key alone is left");
        assert_eq!(opened_with(&recorded("rsa"), &keys), Err(OpenError::WrongKey));
    }
}
