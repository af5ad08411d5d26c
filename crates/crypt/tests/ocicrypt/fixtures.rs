//! Images by skopeo are decrypted, with the keys in every form.

use sealcrate_crypt::ocicrypt::DecryptError;
use sealcrate_crypt::sealed::{Binding, Unbound};

use crate::support::{JWE, Parts, fixture, identity, opened, read_all};

#[test]
fn what_skopeo_wrote_is_decrypted_with_the_key_in_every_form() {
    for (image, keys) in [
        ("jwe-ec", ["ec.pem", "ec.pkcs8.der", "ec.sec1.der", "ec.jwk"]),
        ("jwe-rsa-layers12", ["rsa.pem", "rsa.pkcs8.der", "rsa.pkcs1.pem", "rsa.jwk"]),
        ("two-recipients", ["rsa.pem", "rsa.pkcs8.der", "rsa.pkcs1.pem", "rsa.jwk"]),
    ] {
        for key in keys {
            let image = fixture(image);
            let opened = opened(&image, &[identity(key)], Unbound::Accept);
            let opened = opened.unwrap();
            assert_eq!(opened.binding, Binding::None);
            assert_eq!(opened.image.config, image.config);
            assert_eq!(opened.image.layers.len(), image.layers.len());
            for layer in &opened.image.layers {
                // At the end, the reader checks a layer's diff ID.
                assert!(layer.diff_id().is_some());
                assert_eq!(read_all(layer).unwrap().len() as u64, layer.size());
            }
            // skopeo states the digests that layers had before it compressed them.
            let encrypted = opened.image.layers.iter().filter(|layer| layer.digest().is_none());
            assert_eq!(opened.stated.wrong().len(), encrypted.count());
        }
    }
}

#[test]
fn other_keys_other_schemes_and_missing_bindings_are_told_apart() {
    let error = |image: &str, key: &str, unbound| {
        opened(&fixture(image), &[identity(key)], unbound).err().unwrap()
    };
    for (image, key) in [("jwe-ec", "rsa.pem"), ("jwe-rsa-layers12", "ec.pem")] {
        assert!(matches!(error(image, key, Unbound::Accept), DecryptError::WrongKey));
    }
    let mut unknown = Parts::bound("sh");
    for (descriptor, _) in &mut unknown.layers {
        if let Some(text) = descriptor.annotations.remove(JWE) {
            descriptor.annotations.insert(JWE.replace("jwe", "other"), text);
        }
    }
    let keys = [identity("rsa.pem")];
    let unknown = opened(&unknown.image(), &keys, Unbound::Accept);
    let unknown = unknown.err().unwrap();
    assert!(matches!(unknown, DecryptError::Scheme { scheme, .. } if scheme == "other"));
    assert!(matches!(error("jwe-ec", "ec.pem", Unbound::Refuse), DecryptError::NotBound));
}
