//! This crate opens the files of the crate `age`, of every length, and no file that was changed.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::iter;

use age::secrecy::{ExposeSecret as _, SecretString};
use age::x25519;
use proptest::prelude::*;
use sealcrate_agefile::scrypt::Block;
use sealcrate_agefile::x25519::Identity;
use sealcrate_agefile::{AgeFile, CHUNK, Decryptor, StreamError};

/// Encrypts content for some recipients.
fn sealed(content: &[u8], recipients: &[x25519::Recipient]) -> Vec<u8> {
    let recipients = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
    let mut writer =
        age::Encryptor::with_recipients(recipients).unwrap().wrap_output(Vec::new()).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

/// Opens a file as packed programs do; nothing if anything at all is wrong.
fn opened(file: &[u8], identity: &Identity) -> Option<Vec<u8>> {
    let file = AgeFile::parse(file).ok()?;
    let mut chunks = file.chunks(&file.header().unwrap(identity).ok()?);
    let (mut content, mut buffer) = (Vec::new(), Box::new([0; CHUNK]));
    while let Some(chunk) = chunks.next(&mut buffer).ok()? {
        content.extend(chunk);
    }
    Some(content)
}

/// Opens a file that comes in pieces of a length, and reads its content in such pieces.
fn streamed(file: &[u8], identity: &Identity, piece: usize) -> Option<Vec<u8>> {
    let input = Pieces { left: file, piece };
    let mut reader = Decryptor::new(input).ok()?.decrypt([identity as _]).ok()?;
    let (mut content, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Some(content),
            Ok(len) => content.extend(&buffer[..len]),
            Err(_) => {
                reader.read(&mut buffer).expect_err("an error is not the end");
                return None;
            }
        }
    }
}

/// Bytes that come a few at a time.
struct Pieces<'a> {
    left: &'a [u8],
    piece: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let len = to.len().min(self.piece);
        self.left.read(&mut to[..len])
    }
}

fn identity(of: &x25519::Identity) -> Identity {
    Identity::parse(of.to_string().expose_secret()).unwrap()
}

/// Content of some length that is not the same everywhere.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ i >> 8) as u8).collect()
}

#[test]
fn content_of_every_length_around_chunks_comes_back() {
    let key = x25519::Identity::generate();
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
        let file = sealed(&content(len), &[key.to_public()]);
        assert_eq!(opened(&file, &identity(&key)), Some(content(len)), "{len}");
        for piece in [1, 1000, CHUNK, 1 << 20] {
            let streamed = streamed(&file, &identity(&key), piece);
            assert!(streamed == Some(content(len)), "{len} in pieces of {piece}");
        }
    }
}

#[test]
fn an_error_is_followed_by_errors_alone() {
    let key = x25519::Identity::generate();
    let mut file = sealed(&content(3 * CHUNK), &[key.to_public()]);
    let second = file.len() - 2 * CHUNK;
    file[second] ^= 1;
    assert_eq!(streamed(&file, &identity(&key), CHUNK), None);
    let file = AgeFile::parse(&file).unwrap();
    let mut chunks = file.chunks(&file.header().unwrap(&identity(&key)).unwrap());
    let mut buffer = Box::new([0; CHUNK]);
    assert!(chunks.next(&mut buffer).unwrap().is_some());
    for _ in 0..3 {
        assert_eq!(chunks.next(&mut buffer), Err(StreamError));
    }
}

#[test]
fn passphrases_open_in_any_memory() {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from("pass".to_owned()));
    recipient.set_work_factor(6);
    let encryptor =
        age::Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient)).unwrap();
    let mut writer = encryptor.wrap_output(Vec::new()).unwrap();
    writer.write_all(b"content").unwrap();
    let file = writer.finish().unwrap();
    let file = AgeFile::parse(&file).unwrap();
    let stanza = file.header().passphrase().unwrap();
    assert_eq!(stanza.log_n(), 6);
    for blocks in [64, 20, 1] {
        let file_key = stanza.unwrap(b"pass", &mut vec![Block::ZERO; blocks]).unwrap();
        file.header().check(&file_key).unwrap();
        let mut buffer = Box::new([0; CHUNK]);
        assert_eq!(file.chunks(&file_key).next(&mut buffer), Ok(Some(&b"content"[..])));
    }
    stanza.unwrap(b"other", &mut [Block::ZERO; 64]).unwrap_err();
}

#[test]
fn each_of_several_recipients_opens_and_nobody_else() {
    let keys = [(); 3].map(|()| x25519::Identity::generate());
    let file = sealed(b"content", &keys.each_ref().map(x25519::Identity::to_public));
    for key in &keys {
        assert_eq!(opened(&file, &identity(key)).as_deref(), Some(&b"content"[..]));
    }
    assert_eq!(opened(&file, &identity(&x25519::Identity::generate())), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_bit_is_opened(place in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let key = x25519::Identity::generate();
        let mut file = sealed(&content(CHUNK + 100), &[key.to_public()]);
        let place = place.index(file.len());
        file[place] ^= 1 << bit;
        prop_assert_eq!(opened(&file, &identity(&key)), None);
        prop_assert_eq!(streamed(&file, &identity(&key), 1 << 20), None);
    }

    #[test]
    fn no_part_of_a_file_is_opened(place in any::<prop::sample::Index>()) {
        let key = x25519::Identity::generate();
        let file = sealed(&content(CHUNK + 100), &[key.to_public()]);
        let part = &file[..place.index(file.len())];
        prop_assert_eq!(opened(part, &identity(&key)), None);
        prop_assert_eq!(streamed(part, &identity(&key), 1 << 20), None);
    }
}
