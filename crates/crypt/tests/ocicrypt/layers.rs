//! One layer alone, as containerd shows it to a stream processor on a node.

use std::io::{self, Read as _};
use std::sync::Arc;

use sealcrate_crypt::ocicrypt::{DecryptError, LayerAuthentication, LayerKey};
use sealcrate_image::{Config, Damage, Descriptor, Digest, MediaType, Spool};

use crate::support::{Parts, fixture, identity};

fn read(key: &LayerKey, stored: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let spool = Spool::in_folder(std::env::temp_dir());
    key.decrypt(Arc::new(stored.to_vec()), &spool)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is<T: std::error::Error + 'static>(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<T>())
}

#[test]
fn each_layer_that_skopeo_wrote_is_decrypted_by_itself() {
    for (name, key) in [("jwe-ec", "ec.pem"), ("two-recipients", "rsa.pem")] {
        let image = fixture(name);
        let diff_ids = Config::parse(&image.config).unwrap().diff_ids().to_vec();
        for (layer, diff_id) in image.layers.iter().zip(diff_ids) {
            let key = LayerKey::unwrap(layer.descriptor().unwrap(), &[identity(key)]).unwrap();
            assert_eq!(key.media_type(), &MediaType::OCI_LAYER_GZIP);
            let mut stored = Vec::new();
            layer.content().open().unwrap().read_to_end(&mut stored).unwrap();
            let plain = read(&key, &stored).unwrap();
            let mut tar = Vec::new();
            flate2::read::MultiGzDecoder::new(&plain[..]).read_to_end(&mut tar).unwrap();
            assert_eq!(diff_id.0, Digest::of(&tar));
        }
    }
}

#[test]
fn bound_layer_is_held_to_its_own_digest() {
    let parts = Parts::bound("sh");
    let (descriptor, blob) = &parts.layers[1];
    let key = LayerKey::unwrap(descriptor, &[identity("rsa.pem")]).unwrap();
    assert_eq!(read(&key, blob).unwrap(), vec![1; 2048]);

    // The writer stated a wrong digest of the layer.
    let parts = Parts::wrapped("sh", &|options| {
        let text = String::from_utf8(options.to_vec()).unwrap();
        let digest = Digest::of(&[1; 2048]).to_string();
        crate::support::jwe(text.replacen(&digest, &Digest::of(b"").to_string(), 1).as_bytes())
    });
    let (descriptor, blob) = &parts.layers[1];
    let key = LayerKey::unwrap(descriptor, &[identity("rsa.pem")]).unwrap();
    assert!(is::<Damage>(&read(&key, blob).unwrap_err()));
}

#[test]
fn nothing_is_released_of_what_is_damaged() {
    let parts = Parts::bound("sh");
    let (descriptor, blob) = &parts.layers[1];
    let spool = Spool::in_folder(std::env::temp_dir());
    // The error comes before there is a reader.
    let error = |descriptor: &Descriptor, blob: &[u8]| {
        let key = LayerKey::unwrap(descriptor, &[identity("rsa.pem")]).unwrap();
        key.decrypt(Arc::new(blob.to_vec()), &spool).err().unwrap()
    };
    let mut flipped = blob.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&flipped[..], &blob[1..], &[&blob[..], b"x"].concat(), b""] {
        assert!(is::<Damage>(&error(descriptor, damaged)));
    }
    // A registry that names the digest of changed bytes fails at the HMAC.
    let mut renamed = Descriptor::of(descriptor.media_type.clone(), &flipped);
    renamed.annotations.clone_from(&descriptor.annotations);
    assert!(is::<LayerAuthentication>(&error(&renamed, &flipped)));
}

#[test]
fn clear_layers_and_other_keys_are_told_apart() {
    let parts = Parts::bound("sh");
    let clear = LayerKey::unwrap(&parts.layers[0].0, &[identity("rsa.pem")]).unwrap_err();
    assert!(matches!(clear, DecryptError::LayerNotEncrypted(_)));
    for identities in [&[][..], &[identity("ec.pem")]] {
        let wrong = LayerKey::unwrap(&parts.layers[1].0, identities).unwrap_err();
        assert!(matches!(wrong, DecryptError::WrongKey));
    }
}
