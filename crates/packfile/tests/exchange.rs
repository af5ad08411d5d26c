//! Key text as `age-keygen` writes it, and responses to challenges of files that the crate `age`
//! writes.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::iter;

use age::secrecy::ExposeSecret as _;
use age::x25519;
use proptest::prelude::*;
use sealcrate_agefile::x25519::Identity;
use sealcrate_agefile::{AgeFile, X25519Key};
use sealcrate_packfile::{KeyText, challenge, response};

/// Encrypts content for some recipients.
fn sealed(content: &[u8], recipients: &[x25519::Recipient]) -> Vec<u8> {
    let recipients = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
    let mut writer =
        age::Encryptor::with_recipients(recipients).unwrap().wrap_output(Vec::new()).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn identity(of: &x25519::Identity) -> Identity {
    Identity::parse(of.to_string().expose_secret()).unwrap()
}

#[test]
fn key_text_is_what_keygen_writes() {
    let key = x25519::Identity::generate();
    let text = format!("# public key: {}\n{}\n", key.to_public(), key.to_string().expose_secret());
    let KeyText::Identities(lines) = KeyText::parse(text.as_bytes()).unwrap() else { panic!() };
    assert_eq!(lines.iter().next().unwrap().public(), identity(&key).public());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn responses_open_at_the_start_that_asked_and_nowhere_else(
        stub: [u8; 32],
        other: [u8; 32],
        ephemeral: [u8; 32],
        recipients in 1..4_usize,
    ) {
        let keys: Vec<_> = iter::repeat_with(x25519::Identity::generate).take(recipients).collect();
        let publics: Vec<_> = keys.iter().map(x25519::Identity::to_public).collect();
        let file = sealed(b"content", &publics);
        let file = AgeFile::parse(&file).unwrap();
        let (stub, other) = (X25519Key::new(stub), X25519Key::new(other));
        prop_assume!(stub.public() != other.public());
        let mut line = vec![0; challenge::line_len(file.header().bytes().len())];
        let line = challenge::write(&stub.public(), file.header(), &mut line);

        let mut buffer = vec![0; challenge::buffer_len(line)];
        let parsed = challenge::Challenge::parse(line, &mut buffer).unwrap();
        prop_assert_eq!(parsed.header().bytes(), file.header().bytes());
        prop_assert_eq!(parsed.fingerprint(), challenge::Fingerprint::of(line));
        let file_key = parsed.header().unwrap(&identity(&keys[0])).unwrap();
        let sealed = response::Response::seal(&parsed, &file_key, X25519Key::new(ephemeral)).unwrap();

        let answer = sealed.to_string();
        prop_assert_eq!(answer.len(), response::LINE_LEN);
        let answer = response::Response::parse(&answer).unwrap();
        prop_assert_eq!(answer, sealed);
        let opened = answer.open(line, &stub).unwrap();
        prop_assert_eq!(file.header().check(&opened), Ok(()));
        prop_assert!(answer.open(line, &other).is_err());
        let mut line_of_other = vec![0; line.len()];
        let line_of_other =
            challenge::write(&other.public(), file.header(), &mut line_of_other);
        prop_assert!(answer.open(line_of_other, &stub).is_err());
    }
}
