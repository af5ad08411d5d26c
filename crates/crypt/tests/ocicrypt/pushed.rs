//! Layers that were pushed to recipients are pushed again as they are, from this machine's own
//! record alone.

use sealcrate_crypt::format::ImageEncryptor;
use sealcrate_crypt::ocicrypt::{Encryptor, Recipient};
use sealcrate_crypt::pushed::{
    Pushed, PushedLayer, Readers, Record, RecordError, RecordKey, Tagged,
};
use sealcrate_crypt::sealed::{Sealing, Unbound};
use sealcrate_image::{Compression, DiffId, Digest, Image, Layer};

use crate::support::{identity, key_file, opened, read_all};
use crate::written::{encryptor, plain, put};

fn recipient(file: &str) -> Recipient {
    Recipient::jwe(&key_file(file)).unwrap()
}

fn readers(files: &[&str]) -> Readers {
    Readers::new("oci", files.iter().filter_map(|file| recipient(file).reader()).collect())
}

fn tagged(name: &str) -> Tagged {
    Tagged { name: name.parse().unwrap(), digest: Digest::of(name.as_bytes()) }
}

fn diff_ids(image: &Image) -> Vec<DiffId> {
    image.layers.iter().map(|layer| layer.diff_id().unwrap()).collect()
}

/// Encrypts the two upper layers to the RSA key. Layers in `pushed` are used again.
fn push(pushed: Pushed) -> (Encryptor, Image, Vec<bool>) {
    let plain = plain();
    let encryptor = encryptor(&plain, &[1, 2], vec![recipient("rsa.pub.pem")], Compression::Gzip);
    let mut encryptor = encryptor.unwrap();
    encryptor.reuse(pushed);
    let reused: Vec<Option<Layer>> = plain
        .layers
        .iter()
        .enumerate()
        .map(|(i, layer)| encryptor.reused(i, layer).unwrap())
        .collect();
    let layers = reused.iter().enumerate().map(|(i, reused)| match reused {
        Some(layer) => layer.clone(),
        None => put(&encryptor, i, &plain.layers[i]),
    });
    let image = encryptor.finish(layers.collect(), &Sealing::default()).unwrap();
    (encryptor, image.into_image(), reused.iter().map(Option::is_some).collect())
}

/// The record of one push to the RSA key, and the image.
fn pushed_once() -> (Record, Image) {
    let (encryptor, image, reused) = push(Pushed::default());
    assert_eq!(reused, [false; 3]);
    let mut record = Record::new().unwrap();
    let layers = encryptor.pushed(&image);
    record.add(&layers, b"the config", &readers(&["rsa.pub.pem"]), tagged("one.example/app:1"));
    (record, image)
}

fn found<'a>(record: &'a Record, readers: &'a Readers) -> Vec<&'a PushedLayer> {
    let ids = diff_ids(&plain());
    ids.into_iter().filter_map(|id| record.layers(id, readers).next()).map(|it| it.layer).collect()
}

fn all(record: &Record) -> Pushed {
    let (mut pushed, readers) = (Pushed::default(), readers(&["rsa.pub.pem"]));
    found(record, &readers).into_iter().for_each(|layer| pushed.add(layer.clone()));
    pushed
}

#[test]
fn layers_stay_and_the_image_opens() {
    let (record, first) = pushed_once();
    let (_, second, reused) = push(all(&record));
    assert_eq!(reused, [true; 3]);
    let digests = |image: &Image| image.layers.iter().map(Layer::digest).collect::<Vec<_>>();
    assert_eq!(digests(&second), digests(&first));
    assert!(second.manifest.as_ref().unwrap() != first.manifest.as_ref().unwrap());
    let both = second.layers.iter().zip(&first.layers);
    let layers = both.map(|(layer, stored)| layer.with_content(stored.content().clone()));
    let second = Image { layers: layers.collect(), ..second };
    let identities = [identity("rsa.pem")];
    let decrypted = opened(&second, &identities, Unbound::Refuse).unwrap();
    decrypted.image.layers.iter().for_each(|layer| drop(read_all(layer).unwrap()));
}

#[test]
fn layer_that_is_not_reused_gets_another_key() {
    let (record, first) = pushed_once();
    let mut pushed = all(&record);
    pushed.forget(&diff_ids(&plain())[1..2]);
    let (_, second, reused) = push(pushed);
    assert_eq!(reused, [true, false, true]);
    assert_eq!(second.layers[1].size(), first.layers[1].size());
    let bytes = |image: &Image| read_all(&image.layers[1]).unwrap();
    let (old, new) = (bytes(&first), bytes(&second));
    // The same key and counter would reveal the bytes that both layers share.
    assert!(old[..64] != new[..64]);
}

#[test]
fn removed_recipient_reads_nothing_of_the_next_push() {
    let (mut record, _) = pushed_once();
    let both = readers(&["rsa.pub.pem", "ec.pub.pem"]);
    assert_eq!(found(&record, &both).len(), 3, "somebody was added");
    let other = readers(&["ec.pub.pem"]);
    assert_eq!(found(&record, &other).len(), 1, "the layer in clear");
    // Every reader to whom a layer was pushed has its data key, however often it was pushed since.
    let layers: Vec<PushedLayer> = found(&record, &both).into_iter().cloned().collect();
    record.add(&layers, b"the config", &both, tagged("one.example/app:1"));
    let first = readers(&["rsa.pub.pem"]);
    record.add(&layers, b"the config", &first, tagged("one.example/app:1"));
    assert_eq!(found(&record, &first).len(), 1, "the layer in clear");
    assert_eq!(found(&record, &both).len(), 3);
}

#[test]
fn blobs_that_were_given_to_others_are_forgotten() {
    let (mut record, image) = pushed_once();
    let digests: Vec<_> = image.layers[1..].iter().filter_map(Layer::digest).collect();
    record.forget(&digests);
    assert_eq!(found(&record, &readers(&["rsa.pub.pem"])).len(), 1);
}

#[test]
fn layers_that_become_private_or_clear_are_told() {
    let (record, _) = pushed_once();
    let plain = plain();
    let to = vec![recipient("rsa.pub.pem")];
    let mut again = encryptor(&plain, &[0, 2], to, Compression::Gzip).unwrap();
    let pushed = all(&record);
    assert_eq!(again.changed(&pushed, &plain), diff_ids(&plain)[..2]);
    again.reuse(pushed);
    let is_reused = |place: usize| again.reused(place, &plain.layers[place]).unwrap().is_some();
    assert_eq!([0, 1, 2].map(is_reused), [false, false, true]);
}

#[test]
fn record_is_read_with_its_key_alone() {
    let (record, _) = pushed_once();
    let key = RecordKey::generate().unwrap();
    let sealed = record.seal(&key).unwrap();
    let again = RecordKey::from_bytes(key.as_bytes()).unwrap();
    let read = Record::open(&sealed, &again).unwrap();
    assert_eq!(read.salt(), record.salt());
    assert_eq!(read.configs().collect::<Vec<_>>(), [b"the config"]);
    let (_, _, reused) = push(all(&read));
    assert_eq!(reused, [true; 3]);
    let readers = readers(&["rsa.pub.pem"]);
    let found = read.layers(diff_ids(&plain())[1], &readers).next().unwrap();
    assert_eq!(found.places, ["one.example/app".parse().unwrap()]);
    assert_eq!(*found.tags[0], tagged("one.example/app:1"));

    let error = |bytes: &[u8], key: &RecordKey| Record::open(bytes, key).err();
    assert_eq!(error(&sealed, &RecordKey::generate().unwrap()), Some(RecordError::Damaged));
    for i in [20, 40, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[i] ^= 1;
        assert_eq!(error(&changed, &key), Some(RecordError::Damaged), "byte {i}");
    }
    assert_eq!(error(&sealed[..20], &key), Some(RecordError::NoRecord));
    assert_eq!(error(b"{}", &key), Some(RecordError::NoRecord));
    // The same nonce twice under one key would give the record away.
    assert!(record.seal(&key).unwrap()[19..31] != sealed[19..31]);
}

#[test]
fn oldest_of_many_are_forgotten() {
    let (_, image) = pushed_once();
    let mut record = Record::new().unwrap();
    let (encryptor, ..) = push(Pushed::default());
    let layers = encryptor.pushed(&image)[..1].to_vec();
    for i in 0..100 {
        let (config, name) = (format!("config {i}"), format!("x.example/{i}:1"));
        record.add(&layers, config.as_bytes(), &readers(&[]), tagged(&name));
    }
    record.add(&layers, &vec![b'x'; 300_000], &readers(&[]), tagged("x.example/99:1"));
    let configs: Vec<&[u8]> = record.configs().collect();
    assert_eq!((configs.len(), configs[0]), (64, &b"config 99"[..]));
    let readers = readers(&[]);
    let found = record.layers(diff_ids(&plain())[0], &readers).next().unwrap();
    assert_eq!((found.places.len(), &found.places[0]), (8, &"x.example/99".parse().unwrap()));
    assert_eq!(found.tags.len(), 16);
    assert_eq!(record.layers(diff_ids(&plain())[0], &readers).count(), 1, "one blob is one layer");
}
