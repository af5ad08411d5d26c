//! Every recipient alone opens a written image, and the parts in clear say no more than they must.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::write::GzEncoder;
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::format::ImageEncryptor;
use sealcrate_crypt::formats::{ChooseError, choose};
use sealcrate_crypt::ocicrypt::{
    DecryptError, EncryptError, Encryptor, History, Identity, LayerAuthentication,
    LayerEncryptions, PublicKeyError, Recipient,
};
use sealcrate_crypt::sealed::{Binding, Sealing, Unbound};
use sealcrate_crypt::select::Selection;
use sealcrate_image::{
    Compression, CompressionLevel, Compressor, Descriptor, DiffId, Digest, Image, Layer, Manifest,
    MediaType, Quiet, Spool,
};
use serde_json::json;

use crate::support::{Parts, fixture, identity, key_file, opened, read_all};

/// A key pair for these tests alone, made by age-keygen.
const AGE_IDENTITY: &str =
    "AGE-SECRET-KEY-1PJ8E68934KYKR9KG86TKGJJ2TD586J7VVKG43HEKVVPQAAQD9U3SCKHMNS";
const AGE_RECIPIENT: &str = "age1l2c6dshs93df23k80rq2xr720wzawrzf5h6a030u5m0hvn6q4c5sl536es";
const OTHER_AGE_RECIPIENT: &str = "age1asevwmszlt4gs9xp9m7cquqp3r6mmd6xkh503m74act8nz2z5qzsjjudrx";

const ITEM: &str = "org.opencontainers.image.enc.keys.provider.sealcrate";

fn recipient(file: &str) -> Recipient {
    Recipient::jwe(&key_file(file)).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A Docker image made in memory: a gzipped layer with an annotation, and two plain tars.
pub(crate) fn plain() -> Image {
    let tars: [Vec<u8>; 3] = [0_u8, 1, 2].map(|i| vec![i; 200_000]);
    let ids = tars.each_ref().map(|tar| Digest::of(tar));
    let config = json!({
        "os": "linux", "architecture": "amd64",
        "rootfs": { "type": "layers", "diff_ids": ids },
        "history": [
            { "created_by": "ADD base" },
            { "created_by": "COPY secret" },
            { "created_by": "RUN secret" },
        ],
    });
    let mut layers = Vec::new();
    for (i, tar) in tars.into_iter().enumerate() {
        let id = DiffId(ids[i]);
        if i == 0 {
            let bytes = gzip(&tar);
            let mut descriptor = Descriptor::of(MediaType::DOCKER_LAYER_GZIP, &bytes);
            descriptor.annotations.insert("kept".to_owned(), "yes".to_owned());
            layers.push(Layer::stored(descriptor, Some(id), Arc::new(bytes)));
        } else {
            let size = tar.len() as u64;
            layers.push(Layer::decrypted(MediaType::DOCKER_LAYER, size, id, Arc::new(tar)));
        }
    }
    Image::new(config.to_string().into_bytes(), layers)
}

pub(crate) fn encryptor(
    image: &Image,
    places: &[i64],
    recipients: Vec<Recipient>,
    compression: Compression,
) -> Result<Encryptor, EncryptError> {
    let chosen = choose(image, &Selection::Indices(places.to_vec())).unwrap();
    Encryptor::new(image, chosen, recipients, compression, History::Scrub)
}

fn encrypted(
    image: &Image,
    places: &[i64],
    recipients: Vec<Recipient>,
    compression: Compression,
) -> Image {
    let encryptor = encryptor(image, places, recipients, compression).unwrap();
    let layers = image.layers.iter().enumerate().map(|(i, layer)| put(&encryptor, i, layer));
    encryptor.finish(layers.collect(), &Sealing::default()).unwrap().into_image()
}

/// Returns the layer at `place` as the encryptor stores it.
pub(crate) fn put(encryptor: &Encryptor, place: usize, layer: &Layer) -> Layer {
    let compressor = Compressor::new(2, CompressionLevel::default());
    let spool = Spool::in_folder(std::env::temp_dir());
    encryptor.layer(place, layer, &compressor, &spool, &Quiet).unwrap()
}

#[test]
fn every_recipient_opens_a_bound_image_and_nobody_else() {
    for (compression, suffix) in [(Compression::Gzip, "+gzip"), (Compression::Zstd, "+zstd")] {
        let recipients = vec![recipient("rsa.pub.pem"), recipient("ec.pub.pem")];
        let image = encrypted(&plain(), &[0, 2], recipients, compression);
        for key in ["rsa.pem", "ec.pem"] {
            let keys = [identity(key)];
            let opened = opened(&image, &keys, Unbound::Refuse).unwrap();
            assert_eq!(opened.binding, Binding::Version2);
            for (place, layer) in opened.image.layers.iter().enumerate() {
                let bytes = read_all(layer).unwrap();
                assert_eq!(layer.digest(), Some(Digest::of(&bytes)));
                let wanted = if place == 0 { "+gzip" } else { suffix };
                assert!(layer.media_type().as_str().ends_with(wanted), "{}", layer.media_type());
            }
            let first = opened.image.layers[0].descriptor().unwrap();
            assert_eq!(first.annotations.len(), 1);
            assert_eq!(first.annotations["kept"], "yes");
        }
        let other = opened(&image, &[], Unbound::Accept).err().unwrap();
        assert!(matches!(other, DecryptError::WrongKey));
    }
}

#[test]
fn manifest_is_ocis_and_keys_are_fresh_for_each_layer() {
    let image = encrypted(&plain(), &[1, 2], vec![recipient("ec.jwk.pub")], Compression::Gzip);
    let manifest = Manifest::parse(image.manifest.as_ref().unwrap()).unwrap();
    assert_eq!(*image.manifest.as_ref().unwrap().media_type(), MediaType::OCI_MANIFEST);
    assert_eq!(manifest.config.media_type, MediaType::OCI_CONFIG);
    let types: Vec<_> = manifest.layers.iter().map(|layer| layer.media_type.as_str()).collect();
    let encrypted = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    assert_eq!(types, ["application/vnd.oci.image.layer.v1.tar+gzip", encrypted, encrypted]);
    // The two layers have the same length, and each repeats a byte of its own.
    let blobs: Vec<_> = image.layers[1..].iter().map(|layer| read_all(layer).unwrap()).collect();
    let streams: BTreeSet<_> = blobs.iter().map(|blob| blob[..64].to_vec()).collect();
    assert_eq!(streams.len(), 2);
    let text = String::from_utf8(image.config).unwrap();
    assert!(text.contains("ADD base") && !text.contains("secret"), "{text}");
}

/// Returns `image` with `bytes` as its layer `place`, which its manifest names.
fn exchanged(image: &Image, place: usize, bytes: Vec<u8>) -> Image {
    let mut manifest = Manifest::parse(image.manifest.as_ref().unwrap()).unwrap();
    manifest.layers[place].digest = Digest::of(&bytes);
    let mut image = image.clone();
    image.manifest = Some(manifest.to_raw());
    let descriptor = manifest.layers[place].clone();
    image.layers[place] = Layer::stored(descriptor, None, Arc::new(bytes));
    image
}

#[test]
fn any_changed_byte_of_the_ciphertext_is_noticed_before_decryption() {
    // Another tool's layer has no other encryptions than its HMAC.
    let image = fixture("jwe-ec");
    let keys = [identity("ec.pem")];
    let place = image.layers.iter().position(|layer| layer.media_type().is_encrypted()).unwrap();
    let mut blob = Vec::new();
    image.layers[place].content().open().unwrap().read_to_end(&mut blob).unwrap();
    for at in (0..blob.len()).step_by(blob.len() / 9).chain([blob.len() - 1]) {
        let mut bytes = blob.clone();
        bytes[at] ^= 1;
        let image = exchanged(&image, place, bytes);
        let opened = opened(&image, &keys, Unbound::Accept).unwrap();
        let error = opened.image.layers[place].open().err().expect("it was changed");
        assert!(error.get_ref().unwrap().is::<LayerAuthentication>(), "{error}");
    }
}

#[test]
fn another_blob_in_the_place_of_a_sealed_one_is_refused_before_it_is_read() {
    let image = encrypted(&plain(), &[1], vec![recipient("ec.pub.pem")], Compression::None);
    for place in 0..3 {
        let image = exchanged(&image, place, b"other".to_vec());
        let error = opened(&image, &[identity("ec.pem")], Unbound::Refuse);
        assert!(matches!(error.err().unwrap(), DecryptError::Record(_)));
    }
}

#[test]
fn public_keys_are_read_in_every_form() {
    for file in [
        "rsa.pub.pem",
        "rsa.pub.der",
        "rsa.pkcs1.pub.pem",
        "rsa.jwk.pub",
        "ec.pub.der",
        "ec.jwk.pub",
    ] {
        let key = if file.starts_with("rsa") { "rsa.pem" } else { "ec.pem" };
        let image = encrypted(&plain(), &[1], vec![recipient(file)], Compression::Gzip);
        let keys = [identity(key)];
        opened(&image, &keys, Unbound::Refuse).unwrap();
    }
    for curve in ["p384", "p521"] {
        let recipients = vec![recipient(&format!("{curve}.pub.pem"))];
        let image = encrypted(&plain(), &[1], recipients, Compression::Gzip);
        let keys = [identity(&format!("{curve}.pem"))];
        opened(&image, &keys, Unbound::Refuse).unwrap();
    }
}

#[test]
fn private_keys_and_other_files_are_no_recipients() {
    let error = |bytes: &[u8]| Recipient::jwe(bytes).unwrap_err();
    for file in ["rsa.pem", "rsa.jwk", "ec.sec1.der", "ec.password.pem", "rsa.old-password.pem"] {
        assert_eq!(error(&key_file(file)), PublicKeyError::PrivateKey, "{file}");
    }
    for bytes in [&b""[..], b"x", b"{}", br#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#] {
        assert_eq!(error(bytes), PublicKeyError::NoKey);
    }
    assert_eq!(error(&[b'x'; 65_537]), PublicKeyError::TooLong);
}

#[test]
fn encrypted_images_and_absurd_recipients_are_refused() {
    let recipients = |count: usize| (0..count).map(|_| recipient("ec.pub.pem")).collect();
    let error = |image: &Image, count| {
        encryptor(image, &[1], recipients(count), Compression::Gzip).err().unwrap()
    };
    for count in [0, 257] {
        assert!(matches!(error(&plain(), count), EncryptError::Recipients(_)));
    }
    let encrypted = encrypted(&plain(), &[2], recipients(1), Compression::Gzip);
    for image in [&encrypted, &Parts::bound("run").image()] {
        let error = choose(image, &Selection::Indices(vec![1])).err().unwrap();
        assert!(matches!(error, ChooseError::AlreadyEncrypted), "{error}");
    }
}

#[test]
fn age_identities_and_passphrases_open_our_items_and_others_do_not() {
    let passphrase = |text: &str| Passphrase::new(text.as_bytes().to_vec().into()).unwrap();
    let recipients = || {
        let team = [AGE_RECIPIENT, OTHER_AGE_RECIPIENT].map(|text| Recipient::age(text).unwrap());
        let mut all = Vec::from(team);
        all.push(Recipient::passphrase(&passphrase("correct horse")).unwrap());
        all
    };
    let image = encrypted(&plain(), &[0, 1, 2], recipients(), Compression::Gzip);
    let file = format!("# a comment\n\n{AGE_IDENTITY}\r\n");
    let identities = [
        Identity::parse(file.as_bytes()).unwrap(),
        Identity::passphrase(&passphrase("correct horse")),
    ];
    for identity in identities {
        let opened = opened(&image, &[identity], Unbound::Refuse).unwrap();
        assert_eq!(opened.binding, Binding::Version2);
        for layer in &opened.image.layers {
            read_all(layer).unwrap();
        }
    }
    for other in [identity("rsa.pem"), Identity::passphrase(&passphrase("another"))] {
        let error = opened(&image, &[other], Unbound::Refuse).err().unwrap();
        assert!(matches!(error, DecryptError::WrongKey), "{error}");
    }
    let encryptions =
        LayerEncryptions::of(&Manifest::parse(image.manifest.as_ref().unwrap()).unwrap());
    assert!(encryptions.unwrap().takes_passphrase());
}

#[test]
fn locks_of_an_image_are_the_same_in_every_layer_and_few_are_tried() {
    let passphrase = Passphrase::new(b"correct horse".to_vec().into()).unwrap();
    let recipients = vec![Recipient::passphrase(&passphrase).unwrap()];
    let image = encrypted(&plain(), &[0, 1, 2], recipients, Compression::Gzip);
    let mut manifest = Manifest::parse(image.manifest.as_ref().unwrap()).unwrap();
    let item = |layer: &Descriptor| -> serde_json::Value {
        serde_json::from_slice(&STANDARD.decode(&layer.annotations[ITEM]).unwrap()).unwrap()
    };
    let locks: BTreeSet<_> =
        manifest.layers.iter().map(|of| item(of)["lock"].to_string()).collect();
    assert_eq!(locks.len(), 1);
    // Five other locks. Each would cost a run of the key derivation.
    let items = (0..5_u8).map(|i| {
        let mut item = item(&manifest.layers[0]);
        item["lock"] = STANDARD.encode([i; 64]).into();
        STANDARD.encode(item.to_string())
    });
    let items: Vec<_> = items.collect();
    manifest.layers[0].annotations.insert(ITEM.to_owned(), items.join(","));
    let image = Image { manifest: Some(manifest.to_raw()), ..image };
    let mine = [Identity::passphrase(&passphrase)];
    let error = opened(&image, &mine, Unbound::Accept).err().unwrap();
    assert!(matches!(error, DecryptError::TooManyAttempts), "{error}");
}
