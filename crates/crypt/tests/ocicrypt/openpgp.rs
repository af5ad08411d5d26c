//! Keys wrapped as OpenPGP: skopeo's images, recipients and identities from key files, and failures.
//! `crates/openpgp` has the tests of the messages themselves.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::ocicrypt::{
    Change, DecryptError, FormerRecipient, Identity, IdentityError, LayerKey, OpenPgpError,
    PublicKeyError, Recipient, RewrapError,
};
use sealcrate_crypt::sealed::Unbound;
use sealcrate_image::Descriptor;

use crate::support::{
    JWE, Parts, fixture, identity, key_file, of_scheme, opened, read_all, rewrap,
};

const PGP: &str = "org.opencontainers.image.enc.keys.pgp";

/// A message that GnuPG made.
fn recorded(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../openpgp/tests/data/messages");
    std::fs::read(folder.join(name)).unwrap()
}

/// A layer whose key is wrapped in a message.
fn layer(message: &[u8]) -> Descriptor {
    let mut descriptor = Parts::bound("sh").layers[1].0.clone();
    descriptor.annotations.remove(JWE);
    descriptor.annotations.insert(PGP.to_owned(), STANDARD.encode(message));
    descriptor
}

#[test]
fn what_skopeo_wrote_to_an_openpgp_key_is_opened_by_it() {
    let image = fixture("pgp");
    let open = |key| opened(&image, &[identity(key)], Unbound::Accept);
    for layer in &open("pgp.sec.gpg").unwrap().image.layers {
        assert_eq!(read_all(layer).unwrap().len() as u64, layer.size());
    }
    for other in ["pgp.rsa.sec.gpg", "pgp.cv25519.sec.gpg", "rsa.pem"] {
        assert!(matches!(open(other).err().unwrap(), DecryptError::WrongKey), "{other}");
    }
}

#[test]
fn each_failure_of_a_message_is_told_as_one_of_the_layer() {
    let error = |message: &[u8], key: &str| {
        LayerKey::unwrap(&layer(message), &[identity("ec.pem"), identity(key)]).unwrap_err()
    };
    let message = recorded("rsa");
    assert!(matches!(error(&message, "pgp.p256.sec.gpg"), DecryptError::WrongKey));
    let mut changed = message.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(matches!(error(&changed, "pgp.rsa.sec.gpg"), DecryptError::DamagedKey(_)));
    let refused = |message: &[u8]| of_scheme::<OpenPgpError>(&error(message, "pgp.rsa.sec.gpg"));
    assert_eq!(refused(&recorded("bzip2")), OpenPgpError::Unsupported("compression"));
    assert_eq!(refused(&message[..100]), OpenPgpError::Malformed("packets"));
}

#[test]
fn what_is_wrapped_to_a_key_is_opened_by_it() {
    let add = [Recipient::openpgp(&key_file("pgp.cv25519.pub.asc")).unwrap()];
    let (image, keys) = (Parts::bound("sh").image(), [identity("rsa.pem")]);
    let change = Change { add: &add, remove: &[] };
    let image = rewrap(&image, &keys, Unbound::Refuse, change).unwrap();
    let open = |key| opened(&image, &[identity(key)], Unbound::Refuse);
    assert!(open("pgp.cv25519.sec.gpg").is_ok());
    assert!(matches!(open("pgp.rsa.sec.gpg").err().unwrap(), DecryptError::WrongKey));
}

#[test]
fn keys_under_a_password_open_with_it_alone() {
    let password = |text: &str| Passphrase::new(text.as_bytes().to_vec().into()).unwrap();
    let file = key_file("pgp.password.sec.gpg");
    assert_eq!(Identity::parse(&file).unwrap_err(), IdentityError::Password);
    let wrong = Identity::parse_with_password(&file, &password("another"));
    assert_eq!(wrong.unwrap_err(), IdentityError::WrongPassword);
    let identity = Identity::parse_with_password(&file, &password("fixture")).unwrap();
    assert!(LayerKey::unwrap(&layer(&recorded("password")), &[identity]).is_ok());
    let clear = key_file("pgp.cv25519.sec.gpg");
    assert!(Identity::parse_with_password(&clear, &password("x")).is_ok());
}

#[test]
fn keys_of_openpgp_are_told_from_others() {
    let public = key_file("pgp.rsa.pub.gpg");
    assert_eq!(Identity::parse(&public).unwrap_err(), IdentityError::OpenPgpPublic);
    let armored = key_file("pgp.cv25519.pub.asc");
    assert_eq!(Identity::parse(&armored).unwrap_err(), IdentityError::OpenPgpPublic);
    assert!(matches!(Recipient::jwe(&public), Err(PublicKeyError::NoKey)));
    assert!(Recipient::pkcs7(&public).is_err());
    let sign_only = Identity::parse(&key_file("pgp.sign-only.sec.gpg")).unwrap_err();
    assert_eq!(sign_only, IdentityError::NoOpenPgpKey);
}

#[test]
fn message_to_several_is_not_removed_with_one_of_them() {
    let mut image = Parts::bound("sh");
    for (descriptor, _) in &mut image.layers[1..] {
        let text = STANDARD.encode(recorded("several"));
        descriptor.annotations.insert(PGP.to_owned(), text);
    }
    let former = |name: &str| FormerRecipient::openpgp(&key_file(name)).unwrap();
    let keys = [identity("rsa.pem")];
    let change = Change { add: &[], remove: &[former("pgp.rsa.pub.gpg")] };
    let error = rewrap(&image.image(), &keys, Unbound::Refuse, change).err().unwrap();
    assert!(matches!(error, RewrapError::NotARecipient { recipient: 0, .. }), "{error}");
}
