//! Every change to a bound image by a stranger, who has no key, is refused.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_crypt::ocicrypt::{DecryptError, LayerAuthentication};
use sealcrate_crypt::sealed::{Binding, Unbound};
use sealcrate_image::{Content, Descriptor, Digest, MediaType};
use serde_json::json;

use crate::support::{JWE, PUBLIC_OPTIONS, Parts, identity, opened, read_all};

fn error(parts: &Parts) -> DecryptError {
    opened(&parts.image(), &[identity("rsa.pem")], Unbound::Accept)
        .err()
        .expect("it was tampered with")
}

fn swap_diff_ids(parts: &mut Parts) {
    parts.config["rootfs"]["diff_ids"].as_array_mut().unwrap().swap(1, 2);
}

#[test]
fn bound_image_is_opened_and_held_to_its_digests() {
    let parts = Parts::bound("run");
    let keys = [identity("ec.pem"), identity("rsa.pem")];
    let opened = opened(&parts.image(), &keys, Unbound::Refuse).unwrap();
    assert_eq!(opened.binding, Binding::Version1);
    for (i, layer) in opened.image.layers.iter().enumerate() {
        let tar = vec![u8::try_from(i).unwrap(); 1024 * (1 + i)];
        assert_eq!(read_all(layer).unwrap(), tar);
        assert_eq!(layer.digest(), Some(Digest::of(&tar)));
        assert_eq!(*layer.media_type(), MediaType::OCI_LAYER);
    }
}

#[test]
fn changed_config_and_moved_dropped_or_added_layers_are_tampering() {
    let changes: [fn(&mut Parts); 6] = [
        |parts| parts.config["config"]["Cmd"] = json!(["steal"]),
        |parts| parts.layers.swap(1, 2),
        |parts| {
            parts.layers.swap(1, 2);
            swap_diff_ids(parts);
        },
        |parts| {
            parts.layers.remove(2);
            parts.config["rootfs"]["diff_ids"].as_array_mut().unwrap().pop();
        },
        |parts| {
            let tar = vec![5; 512];
            let ids = parts.config["rootfs"]["diff_ids"].as_array_mut().unwrap();
            ids.push(json!(Digest::of(&tar)));
            parts.layers.push((Descriptor::of(MediaType::OCI_LAYER, &tar), tar));
        },
        |parts| {
            let tar = vec![5; 1024];
            parts.layers[0] = (Descriptor::of(MediaType::OCI_LAYER, &tar), tar);
        },
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut parts = Parts::bound("run");
        change(&mut parts);
        assert!(matches!(error(&parts), DecryptError::Tampered(_)), "change {i}");
    }
}

#[test]
fn keys_of_another_image_are_tampering() {
    let mut parts = Parts::bound("run");
    parts.layers[1].0.annotations = Parts::bound("other").layers[1].0.annotations.clone();
    assert!(matches!(error(&parts), DecryptError::Tampered(_)));
}

#[test]
fn layer_that_is_stripped_of_its_encryption_is_refused() {
    let mut parts = Parts::bound("run");
    parts.layers[1].0.media_type = MediaType::OCI_LAYER;
    assert!(matches!(error(&parts), DecryptError::Annotations { .. }));
    parts.layers[1].0.annotations.clear();
    assert!(matches!(error(&parts), DecryptError::Tampered(_)));
    parts.layers[2].0.media_type = MediaType::OCI_LAYER;
    parts.layers[2].0.annotations.clear();
    assert!(matches!(error(&parts), DecryptError::NotEncrypted));
}

#[test]
fn nonce_in_public_options_is_refused() {
    let mut parts = Parts::bound("run");
    let text = parts.layers[1].0.annotations.get_mut(PUBLIC_OPTIONS).unwrap();
    let mut options: serde_json::Value =
        serde_json::from_slice(&STANDARD.decode(&*text).unwrap()).unwrap();
    options["cipheroptions"]["nonce"] = json!(STANDARD.encode([0; 16]));
    *text = STANDARD.encode(options.to_string());
    assert!(matches!(error(&parts), DecryptError::Annotations { .. }));
}

#[test]
fn changed_ciphertext_is_refused_before_a_byte_is_decrypted() {
    let mut parts = Parts::bound("run");
    let (descriptor, blob) = &mut parts.layers[2];
    *blob.last_mut().unwrap() ^= 1;
    descriptor.digest = Digest::of(blob);
    let keys = [identity("rsa.pem")];
    let opened = opened(&parts.image(), &keys, Unbound::Refuse).unwrap();
    let error = opened.image.layers[2].open().err().unwrap();
    assert!(error.get_ref().unwrap().is::<LayerAuthentication>(), "{error}");
}

/// Bytes that change after the first reading.
struct Fickle(Vec<u8>, AtomicBool);

impl Content for Fickle {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut bytes = self.0.clone();
        bytes[0] ^= u8::from(self.1.swap(true, Ordering::Relaxed));
        Ok(Box::new(Cursor::new(bytes)))
    }
}

#[test]
fn what_is_decrypted_is_what_was_authenticated_whoever_changes_it_meanwhile() {
    let parts = Parts::bound("run");
    let mut image = parts.image();
    let content = Arc::new(Fickle(parts.layers[1].1.clone(), AtomicBool::new(false)));
    image.layers[1] = image.layers[1].with_content(content);
    let keys = [identity("rsa.pem")];
    let opened = opened(&image, &keys, Unbound::Refuse).unwrap();
    assert_eq!(read_all(&opened.image.layers[1]).unwrap(), vec![1; 2048]);
}

#[test]
fn changed_wrapped_key_is_damage_and_endless_ones_are_refused() {
    let mut parts = Parts::bound("run");
    let text = parts.layers[1].0.annotations.get_mut(JWE).unwrap();
    let mut jwe: serde_json::Value =
        serde_json::from_slice(&STANDARD.decode(&*text).unwrap()).unwrap();
    jwe["tag"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
    *text = STANDARD.encode(jwe.to_string());
    let list = vec![text.clone(); 10_000].join(",");
    assert!(matches!(error(&parts), DecryptError::DamagedKey(_)));
    parts.layers[1].0.annotations.insert(JWE.to_owned(), list);
    assert!(matches!(error(&parts), DecryptError::Annotations { .. }));
}
