//! Recipients of PKCS#7 and OpenPGP messages, which name their recipients, can be removed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_crypt::ocicrypt::{
    Change, DecryptError, FormerRecipient, Identity, Recipient, RewrapError,
};
use sealcrate_crypt::sealed::Unbound;
use sealcrate_image::Image;

use crate::support::{Parts, fixture, identity, key_file, opened, rewrap};

fn changed(
    image: &Image,
    key: &Identity,
    add: Vec<Recipient>,
    remove: Vec<FormerRecipient>,
) -> Result<Image, RewrapError> {
    rewrap(image, std::slice::from_ref(key), Unbound::Accept, Change { add: &add, remove: &remove })
}

fn opens(image: &Image, key: &str) -> bool {
    match opened(image, &[identity(key)], Unbound::Accept) {
        Ok(_) => true,
        Err(DecryptError::WrongKey) => false,
        Err(error) => panic!("{error}"),
    }
}

fn openpgp(file: &str) -> Recipient {
    Recipient::openpgp(&key_file(file)).unwrap()
}

fn former(file: &str) -> FormerRecipient {
    FormerRecipient::openpgp(&key_file(file)).unwrap()
}

#[test]
fn recipients_that_messages_name_are_removed_and_others_stay() {
    let certificate = || Recipient::pkcs7(&key_file("x509.cert.pem")).unwrap();
    let mine = identity("rsa.pem");
    let (rsa, curve) = (openpgp("pgp.rsa.pub.gpg"), openpgp("pgp.cv25519.pub.gpg"));
    let add = vec![certificate(), rsa, curve];
    let image = changed(&Parts::bound("sh").image(), &mine, add, vec![]).unwrap();
    let keys = ["x509.key.pem", "pgp.rsa.sec.gpg", "pgp.cv25519.sec.gpg"];
    for (removed, former) in [
        (keys[0], certificate().into()),
        (keys[1], former("pgp.rsa.pub.gpg")),
        (keys[2], openpgp("pgp.cv25519.pub.asc").into()),
    ] {
        let image = changed(&image, &mine, vec![], vec![former]).unwrap();
        for key in keys {
            assert_eq!(opens(&image, key), key != removed, "{removed} {key}");
        }
        assert!(opens(&image, "rsa.pem"));
    }
}

#[test]
fn key_that_is_revoked_meanwhile_is_removed() {
    let mine = identity("rsa.pem");
    let add = vec![openpgp("pgp.two-subkeys.pub.gpg")];
    let image = changed(&Parts::bound("sh").image(), &mine, add, vec![]).unwrap();
    assert!(opens(&image, "pgp.two-subkeys.sec.gpg"));
    let remove = vec![former("pgp.revoked-subkey.pub.gpg")];
    let image = changed(&image, &mine, vec![], remove).unwrap();
    assert!(!opens(&image, "pgp.two-subkeys.sec.gpg"));
    for name in ["pgp.revoked.pub.gpg", "pgp.expired.pub.gpg"] {
        assert!(FormerRecipient::openpgp(&key_file(name)).is_ok(), "{name}");
    }
    assert!(FormerRecipient::openpgp(&key_file("pgp.rsa.sec.gpg")).is_err());
}

#[test]
fn what_others_wrote_to_one_is_removed_and_who_was_never_there_is_told() {
    let add = || vec![Recipient::jwe(&key_file("ec.pub.pem")).unwrap()];
    for (image, key, file) in
        [("pgp", "pgp.sec.gpg", "pgp.pub.gpg"), ("pkcs7-all", "x509.key.pem", "x509.cert.pem")]
    {
        let remove = || match Recipient::pkcs7(&key_file(file)) {
            Ok(certificate) => certificate.into(),
            Err(_) => former(file),
        };
        let image = fixture(image);
        let mine = identity(key);
        let image = changed(&image, &mine, add(), vec![remove()]).unwrap();
        assert!(opens(&image, "ec.pem") && !opens(&image, key));
        let again = changed(&image, &identity("ec.pem"), add(), vec![remove()]);
        let again = again.err().unwrap();
        assert!(matches!(again, RewrapError::NotARecipient { .. }), "{again}");
    }
}

#[test]
fn certificate_of_another_number_or_issuer_is_somebody_else() {
    let pem = String::from_utf8(key_file("x509.cert.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).unwrap();
    let image = fixture("pkcs7-all");
    let mine = identity("x509.key.pem");
    let add = || vec![Recipient::jwe(&key_file("ec.pub.pem")).unwrap()];
    // The serial number stands behind the version, which has five bytes, and the issuer behind that
    // number.
    let version = der.windows(5).position(|window| window == [0xa0, 3, 2, 1, 2]).unwrap();
    let number_end = version + 7 + usize::from(der[version + 6]);
    for at in [number_end - 1, number_end + 26] {
        let mut other = der.clone();
        other[at] ^= 1;
        let other = Recipient::pkcs7(&other).unwrap();
        let error = changed(&image, &mine, add(), vec![other.into()]).err().unwrap();
        assert!(matches!(error, RewrapError::NotARecipient { .. }), "{error}");
    }
}
