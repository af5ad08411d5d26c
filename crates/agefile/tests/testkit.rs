//! The test vectors of the age format (<https://c2sp.org/CCTV/age>): see `TESTKIT.md`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::ZlibDecoder;
use sealcrate_agefile::passphrase;
use sealcrate_agefile::x25519;
use sealcrate_agefile::{
    AgeFile, CHUNK, DecryptError, Decryptor, FileKey, Header, HeaderError, Identity, UnwrapError,
};
use sha2::{Digest, Sha256};

/// The number of vectors of each outcome that the kit expects.
const COUNTS: [(&str, usize); 6] = [
    ("HMAC failure", 1),
    ("armor failure", 22),
    ("header failure", 62),
    ("no match", 13),
    ("payload failure", 19),
    ("success", 26),
];

/// Files in armor, which is not read: there is no age file of version 1 for this crate.
const ARMORED: [&str; 33] = [
    "armor_crlf",
    "armor_empty",
    "armor_empty_last_line",
    "armor_empty_line_begin",
    "armor_empty_line_end",
    "armor_eol_between_padding",
    "armor_full_last_line",
    "armor_garbage_encoded",
    "armor_garbage_leading",
    "armor_garbage_trailing",
    "armor_header_crlf",
    "armor_headers",
    "armor_hybrid",
    "armor_invalid_character_header",
    "armor_invalid_character_payload",
    "armor_long_line",
    "armor_lowercase",
    "armor_no_end_line",
    "armor_no_eol",
    "armor_no_match",
    "armor_no_padding",
    "armor_not_canonical",
    "armor_pgp_checksum",
    "armor_scrypt",
    "armor_short_line",
    "armor_whitespace_begin",
    "armor_whitespace_end",
    "armor_whitespace_eol",
    "armor_whitespace_last_line",
    "armor_whitespace_line_start",
    "armor_whitespace_outside",
    "armor_wrong_type",
    "armor_x25519",
];

/// Files to post-quantum recipients (`mlkem768x25519`). Their stanzas are of an unknown kind, and so
/// are passed over if they have the form of all stanzas. The kit's identities are no identities of a known kind.
const POST_QUANTUM: [&str; 16] = [
    "hybrid",
    "hybrid_and_x25519",
    "hybrid_bad_tag",
    "hybrid_currupted_enc_mlkem",
    "hybrid_currupted_enc_x25519",
    "hybrid_extra_argument",
    "hybrid_grease",
    "hybrid_identity",
    "hybrid_long_file_key",
    "hybrid_long_share",
    "hybrid_low_order",
    "hybrid_multiple_recipients",
    "hybrid_no_match",
    "hybrid_not_canonical_enc",
    "hybrid_short_share",
    "hybrid_uppercase",
];

/// Files of which less content comes out before the failure than the kit expects. The length of the
/// file tells this crate which chunk is the last one, and a chunk that claims something else is
/// damaged. The kit's reader opens it either way.
const SHORTER: [&str; 7] = [
    "stream_no_final_full",
    "stream_no_final_two_chunks_full",
    "stream_trailing_garbage_long",
    "stream_trailing_garbage_short",
    "stream_two_final_chunks",
    "stream_two_final_chunks_full",
    "stream_two_final_chunks_second",
];

/// A vector: the fields before the empty line, and the file after it.
struct Vector {
    fields: Vec<(String, String)>,
    file: Vec<u8>,
}

/// The outcome in the words of the kit, and the content that came before it.
type Outcome = (&'static str, Vec<u8>);

impl Vector {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
        let fields: Vec<_> = std::str::from_utf8(&bytes[..end])
            .unwrap()
            .lines()
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut vector = Self { fields, file: bytes[end + 2..].to_vec() };
        if vector.field("compressed") == Some("zlib") {
            let mut file = Vec::new();
            ZlibDecoder::new(&vector.file[..]).read_to_end(&mut file).unwrap();
            vector.file = file;
        }
        vector
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.fields.iter().filter(move |(field, _)| field == name);
        named.map(|(_, value)| value.as_str())
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    fn identities(&self) -> Vec<Box<dyn Identity + '_>> {
        let known = self.all("identity").filter_map(|text| x25519::Identity::parse(text).ok());
        let identities = known.map(|identity| Box::new(identity) as Box<dyn Identity>);
        let passphrases = self.all("passphrase").map(|text| {
            Box::new(passphrase::Identity::new(text.as_bytes(), 20)) as Box<dyn Identity>
        });
        identities.chain(passphrases).collect()
    }

    /// Opens the file in memory.
    fn open(&self) -> Outcome {
        let Ok(file) = AgeFile::parse(&self.file) else { return ("header failure", Vec::new()) };
        let file_key = match self.unwrap(file.header()) {
            Ok(file_key) => file_key,
            Err(error) => return (refusal(error), Vec::new()),
        };
        let (mut chunks, mut content) = (file.chunks(&file_key), Vec::new());
        let mut buffer = Box::new([0; CHUNK]);
        loop {
            match chunks.next(&mut buffer) {
                Ok(Some(chunk)) => content.extend(chunk),
                Ok(None) => return ("success", content),
                Err(_) => return ("payload failure", content),
            }
        }
    }

    fn unwrap(&self, header: &Header<'_>) -> Result<FileKey, UnwrapError> {
        let identities = self.identities();
        let mut outcomes = identities.iter().map(|identity| header.unwrap(&**identity));
        let mine = outcomes.find(|outcome| !matches!(outcome, Err(UnwrapError::NoMatch)));
        mine.unwrap_or(Err(UnwrapError::NoMatch))
    }

    /// Opens the file as a stream.
    fn open_stream(&self) -> Outcome {
        let identities = self.identities();
        let opened = Decryptor::new(&self.file[..])
            .and_then(|decryptor| decryptor.decrypt(identities.iter().map(|identity| &**identity)));
        let mut reader = match opened {
            Ok(reader) => reader,
            Err(DecryptError::Unwrap(error)) => return (refusal(error), Vec::new()),
            Err(DecryptError::Header(_)) => return ("header failure", Vec::new()),
            Err(error) => panic!("{error}"),
        };
        let mut content = Vec::new();
        match reader.read_to_end(&mut content) {
            Ok(_) => ("success", content),
            Err(_) => ("payload failure", content),
        }
    }
}

fn refusal(error: UnwrapError) -> &'static str {
    match error {
        UnwrapError::NoMatch => "no match",
        UnwrapError::Mac => "HMAC failure",
        _ => "header failure",
    }
}

fn vectors() -> BTreeMap<String, Vector> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testkit");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), Vector::read(&path)))
        .collect()
}

#[test]
fn every_vector_has_its_outcome_and_its_content() {
    let (mut counts, mut shorter) = (BTreeMap::new(), Vec::new());
    for (name, vector) in vectors() {
        let wanted = vector.field("expect").unwrap();
        *counts.entry(wanted.to_owned()).or_insert(0) += 1;
        if ARMORED.contains(&&*name) || POST_QUANTUM.contains(&&*name) {
            continue;
        }
        for (outcome, content) in [vector.open(), vector.open_stream()] {
            assert_eq!(outcome, wanted, "{name}");
            let Some(payload) = vector.field("payload") else { continue };
            if hex::encode(Sha256::digest(&content)) != payload {
                assert_ne!(outcome, "success", "{name}");
                shorter.push(name.clone());
            }
        }
    }
    let wanted = COUNTS.map(|(outcome, count)| (outcome.to_owned(), count));
    assert_eq!(counts, BTreeMap::from(wanted));
    shorter.dedup();
    assert_eq!(shorter, SHORTER);
}

#[test]
fn files_in_armor_are_no_files() {
    let vectors = vectors();
    for name in ARMORED {
        let vector = &vectors[name];
        assert_eq!(vector.field("armored"), Some("yes"), "{name}");
        let error = Header::parse(&vector.file).unwrap_err();
        assert_eq!(error, HeaderError::Version, "{name}");
        assert_eq!(vector.open_stream(), ("header failure", Vec::new()), "{name}");
    }
    let armored = vectors.values().filter(|vector| vector.field("armored").is_some());
    assert_eq!(armored.count(), ARMORED.len());
}

#[test]
fn files_to_post_quantum_recipients_are_for_nobody() {
    let vectors = vectors();
    for name in POST_QUANTUM {
        let vector = &vectors[name];
        let identity = vector.field("identity").unwrap();
        assert!(identity.starts_with("AGE-SECRET-KEY-PQ-1"), "{name}");
        assert!(x25519::Identity::parse(identity).is_err(), "{name}");
        assert_eq!(vector.open(), ("no match", Vec::new()), "{name}");
        assert_eq!(vector.open_stream(), ("no match", Vec::new()), "{name}");
    }
}
