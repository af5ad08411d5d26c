//! The crate `age` opens the files of this crate, and this crate opens them in both of its ways.

#![allow(clippy::unwrap_used)]

use std::io::{self, Read as _, Write};
use std::iter;

use age::secrecy::SecretString;
use proptest::prelude::*;
use sealcrate_agefile::x25519::{Identity, Recipient};
use sealcrate_agefile::{
    CHUNK, DecryptError, Decryptor, EncryptError, Encryptor, FileKey, Header, HeaderError,
    NewStanza, Recipient as Wraps, UnwrapError, decrypt, encrypt, passphrase,
};

const WORK_FACTOR: u8 = 6;

/// Content of some length that is not the same everywhere.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ i >> 8) as u8).collect()
}

/// Opens a file with the crate `age`.
fn opened_by_age(file: &[u8], identity: &dyn age::Identity) -> Result<Vec<u8>, String> {
    let decryptor = age::Decryptor::new_buffered(file).map_err(|error| error.to_string())?;
    let reader = decryptor.decrypt(iter::once(identity)).map_err(|error| error.to_string())?;
    let mut content = Vec::new();
    let mut reader = reader;
    reader.read_to_end(&mut content).map_err(|error| error.to_string())?;
    Ok(content)
}

fn age_identity(identity: &Identity) -> age::x25519::Identity {
    identity.to_text().parse().unwrap()
}

/// Encrypts content that is written in pieces.
fn written(recipient: &Recipient, content: &[u8], piece: usize) -> Vec<u8> {
    let mut writer = Encryptor::new([recipient as _]).unwrap().write_to(Vec::new()).unwrap();
    content.chunks(piece).for_each(|piece| writer.write_all(piece).unwrap());
    writer.write_all(b"").unwrap();
    writer.finish().unwrap()
}

#[test]
fn content_of_every_length_around_chunks_is_opened_by_age() {
    let identity = Identity::generate().unwrap();
    let borders = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1];
    for len in borders.into_iter().chain([5 * CHUNK + 7]) {
        for piece in [999, CHUNK, 3 * CHUNK] {
            let file = written(&identity.recipient(), &content(len), piece);
            let opened = opened_by_age(&file, &age_identity(&identity));
            assert!(opened == Ok(content(len)), "{len} in pieces of {piece}");
            assert!(*decrypt([&identity as _], &file).unwrap() == content(len), "{len}");
        }
        let file = encrypt([&identity.recipient() as _], &content(len)).unwrap();
        assert!(opened_by_age(&file, &age_identity(&identity)) == Ok(content(len)), "{len}");
    }
}

#[test]
fn each_of_several_recipients_opens_and_nobody_else() {
    let identities = [(); 3].map(|()| Identity::generate().unwrap());
    let recipients = identities.each_ref().map(Identity::recipient);
    let file = encrypt(recipients.iter().map(|recipient| recipient as _), b"content").unwrap();
    for identity in &identities {
        assert_eq!(opened_by_age(&file, &age_identity(identity)).unwrap(), b"content");
        assert_eq!(**decrypt([identity as _], &file).unwrap(), *b"content");
    }
    let other = Identity::generate().unwrap();
    assert!(opened_by_age(&file, &age_identity(&other)).is_err());
    let refused = decrypt([&other as _], &file).unwrap_err();
    assert!(matches!(refused, DecryptError::Unwrap(UnwrapError::NoMatch)), "{refused}");
}

#[test]
fn passphrases_open_and_others_do_not() {
    let recipient = passphrase::Recipient::new(b"pass", WORK_FACTOR);
    let file = encrypt([&recipient as _], b"content").unwrap();
    let header = Header::parse(&file).unwrap();
    assert_eq!(header.passphrase().unwrap().log_n(), WORK_FACTOR);
    assert_eq!(header.stanzas().count(), 1, "a passphrase stands alone");
    let age = |text: &str| age::scrypt::Identity::new(SecretString::from(text));
    assert_eq!(opened_by_age(&file, &age("pass")).unwrap(), b"content");
    assert!(opened_by_age(&file, &age("other")).is_err());
    for max_log_memory in [0, WORK_FACTOR - 1, 20] {
        let open = |text: &str| {
            let identity = passphrase::Identity::new(text.as_bytes(), max_log_memory);
            decrypt([&identity as _], &file)
        };
        assert_eq!(**open("pass").unwrap(), *b"content");
        let refused = open("other").unwrap_err();
        assert!(matches!(refused, DecryptError::Unwrap(UnwrapError::NoMatch)), "{refused}");
    }
}

#[test]
fn headers_that_nobody_may_read_are_not_written() {
    let identity = Identity::generate().unwrap();
    let (key, pass) = (identity.recipient(), passphrase::Recipient::new(b"pass", WORK_FACTOR));
    let refused =
        |recipients: &[&dyn Wraps]| Encryptor::new(recipients.iter().copied()).unwrap_err();
    assert!(matches!(refused(&[]), EncryptError::NoRecipient));
    let (key, pass): (&dyn Wraps, &dyn Wraps) = (&key, &pass);
    for mixed in [[key, pass], [pass, key], [pass, pass]] {
        let error = refused(&mixed);
        assert!(matches!(error, EncryptError::Header(HeaderError::Mixed)), "{error}");
    }
    let error = refused(&vec![key; 700]);
    assert!(matches!(error, EncryptError::Header(HeaderError::Unfinished)), "{error}");
    // The public key 0, with which every key shares 0.
    let zero: Recipient =
        "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z".parse().unwrap();
    assert!(matches!(refused(&[&zero]), EncryptError::Share));
}

#[test]
fn a_stanza_among_the_others_is_of_a_kind_that_nobody_knows() {
    let identity = Identity::generate().unwrap();
    let mut lines = std::collections::BTreeSet::new();
    // The rarest length comes once in thirty files.
    for _ in 0..5000 {
        let file = encrypt([&identity.recipient() as _], b"").unwrap();
        assert!(opened_by_age(&file, &age_identity(&identity)).is_ok());
        let header = Header::parse(&file).unwrap();
        let stanzas: Vec<_> = header.stanzas().collect();
        assert_eq!(stanzas.len(), 2);
        assert!(stanzas[1].kind().ends_with(b"-grease"));
        lines.insert(header.bytes().iter().filter(|byte| **byte == b'\n').count());
        if lines.len() == 3 {
            break;
        }
    }
    // Bodies of less than a line, of one line and a part, and of two lines and a part.
    assert_eq!(lines, [6, 7, 8].into());
}

#[test]
fn other_kinds_of_stanzas_fit_into_the_seam() {
    /// A kind whose stanza is as long as the key, and hides it behind a byte.
    struct Toy(u8);
    const KIND: &[u8] = b"example.org/toy";
    impl Wraps for Toy {
        fn wrap(&self, file_key: &FileKey) -> Result<Vec<NewStanza>, EncryptError> {
            let body = file_key.seal(&[self.0; 32]).to_vec();
            Ok(vec![NewStanza { kind: KIND.to_vec(), arguments: vec![b"x".to_vec()], body }])
        }
    }
    impl sealcrate_agefile::Identity for Toy {
        fn unwrap_stanza(
            &self,
            stanza: &sealcrate_agefile::Stanza<'_>,
        ) -> Result<Option<FileKey>, UnwrapError> {
            if stanza.kind() != KIND {
                return Ok(None);
            }
            let mut body = [0; 48];
            let wrapped = stanza.body(&mut body).and_then(|body| body.try_into().ok());
            Ok(wrapped.and_then(|wrapped| FileKey::open(&[self.0; 32], wrapped)))
        }
    }
    let identity = Identity::generate().unwrap();
    let file = encrypt([&Toy(7) as _, &identity.recipient() as _], b"content").unwrap();
    assert_eq!(**decrypt([&Toy(7) as _], &file).unwrap(), *b"content");
    assert_eq!(**decrypt([&Toy(6) as _, &identity as _], &file).unwrap(), *b"content");
    assert!(decrypt([&Toy(6) as _], &file).is_err());
    assert_eq!(opened_by_age(&file, &age_identity(&identity)).unwrap(), b"content");
}

#[test]
fn a_writer_that_failed_writes_nothing_more() {
    /// Takes the header, and fails once.
    struct Full(usize, Vec<u8>);
    impl Write for &mut Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 == 3 {
                return Err(io::Error::other("full"));
            }
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let identity = Identity::generate().unwrap();
    let mut output = Full(0, Vec::new());
    let encryptor = Encryptor::new([&identity.recipient() as _]).unwrap();
    let mut writer = encryptor.write_to(&mut output).unwrap();
    assert_eq!(writer.write_all(&content(2 * CHUNK)).unwrap_err().to_string(), "full");
    assert!(writer.write_all(&content(2 * CHUNK)).is_err());
    assert!(writer.finish().is_err());
    assert_eq!(output.0, 3, "nothing more was written");
}

#[test]
fn keys_are_the_texts_that_age_reads_and_writes() {
    for _ in 0..20 {
        let identity = Identity::generate().unwrap();
        let text = identity.to_text();
        let age: age::x25519::Identity = text.parse().unwrap();
        assert_eq!(age.to_public().to_string(), identity.recipient().to_string());
        assert_eq!(Identity::parse(&text).unwrap().public(), identity.public());
        assert_eq!(Identity::parse(&text.to_lowercase()).unwrap().public(), identity.public());
        let recipient = identity.recipient();
        assert_eq!(recipient.to_string().parse(), Ok(recipient));
        assert_eq!(recipient.to_string().to_uppercase().parse(), Ok(recipient));
        assert!(text.parse::<Recipient>().is_err());
        assert!(Identity::parse(&recipient.to_string()).is_err());
        assert!(!format!("{identity:?}").contains("AGE"));
    }
}

#[test]
fn mistyped_recipients_are_refused() {
    let text = Identity::generate().unwrap().recipient().to_string();
    for at in 0..text.len() {
        let other = if text.as_bytes()[at] == b'q' { "p" } else { "q" };
        let mut mistyped = text.clone();
        mistyped.replace_range(at..=at, other);
        assert!(mistyped.parse::<Recipient>().is_err(), "{mistyped}");
        mistyped.replace_range(at..=at, "");
        assert!(mistyped.parse::<Recipient>().is_err(), "{mistyped}");
        assert!(text[..at].parse::<Recipient>().is_err());
    }
    // The bits that fill up the last character are not zero.
    let padded = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqpfwgqrs";
    assert!(padded.parse::<Recipient>().is_err());
}

#[test]
fn streams_that_end_in_their_header_are_told() {
    let identity = Identity::generate().unwrap();
    let file = encrypt([&identity.recipient() as _], b"content").unwrap();
    let header_len = Header::parse(&file).unwrap().bytes().len();
    for len in 0..header_len + 16 {
        let error = Decryptor::new(&file[..len]).unwrap_err();
        let expected = match len {
            _ if len < 22 => HeaderError::Version,
            _ if len < header_len => HeaderError::Unfinished,
            _ => HeaderError::Nonce,
        };
        assert!(matches!(error, DecryptError::Header(error) if error == expected), "{len}");
    }
    let endless = io::Read::chain(&b"age-encryption.org/v1\n"[..], io::repeat(b'-'));
    let error = Decryptor::new(endless).unwrap_err();
    assert!(matches!(error, DecryptError::Header(_)), "{error}");
    let endless = io::Read::chain(&b"age-encryption.org/v1\n-> "[..], io::repeat(b'x'));
    let error = Decryptor::new(endless).unwrap_err();
    assert!(matches!(error, DecryptError::Header(HeaderError::Unfinished)), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn content_of_any_length_is_opened_by_age(len in 0..3 * CHUNK, piece in 1..2 * CHUNK) {
        let identity = Identity::generate().unwrap();
        let file = written(&identity.recipient(), &content(len), piece);
        prop_assert!(opened_by_age(&file, &age_identity(&identity)) == Ok(content(len)));
    }
}
