//! The test vectors of the age format (<https://c2sp.org/CCTV/age>), as the crate `age` 0.12.1 has
//! them under Apache-2.0, without those for armored files.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::ZlibDecoder;
use sealcrate_agefile::scrypt::{self, Block};
use sealcrate_agefile::{AgeFile, CHUNK, FileKey, Header, Identity, UnwrapError};
use sha2::{Digest, Sha256};

/// How many vectors there are of each outcome.
const COUNTS: [(&str, usize); 5] = [
    ("HMAC failure", 1),
    ("header failure", 51),
    ("no match", 7),
    ("payload failure", 18),
    ("success", 15),
];

/// A vector: what is written before the empty line, and the file after it.
struct Vector {
    fields: Vec<(String, String)>,
    file: Vec<u8>,
}

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

    /// Opens the file, and returns the outcome in the words of the kit, and the content up to where
    /// that was known.
    fn open(&self) -> (&'static str, Vec<u8>) {
        let Ok(file) = AgeFile::parse(&self.file) else { return ("header failure", Vec::new()) };
        let file_key = match self.unwrap(file.header()) {
            Ok(file_key) => file_key,
            Err(UnwrapError::NoMatch) => return ("no match", Vec::new()),
            Err(UnwrapError::Mac) => return ("HMAC failure", Vec::new()),
            Err(_) => return ("header failure", Vec::new()),
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
        if let (Some(passphrase), Some(stanza)) = (self.field("passphrase"), header.passphrase()) {
            let mut memory = vec![Block::ZERO; scrypt::blocks(stanza.log_n(), 0)];
            let file_key = stanza.unwrap(passphrase.as_bytes(), &mut memory)?;
            return header.check(&file_key).map(|()| file_key);
        }
        let identities = self.all("identity").map(|text| Identity::parse(text).unwrap());
        let mut outcomes = identities.map(|identity| identity.unwrap(header));
        let mine = outcomes.find(|outcome| !matches!(outcome, Err(UnwrapError::NoMatch)));
        mine.unwrap_or(Err(UnwrapError::NoMatch))
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
    let mut counts = BTreeMap::new();
    for (name, vector) in vectors() {
        let (outcome, content) = vector.open();
        assert_eq!(Some(outcome), vector.field("expect"), "{name}");
        // What comes out before a failure may be less here than the kit has: a file that ends is
        // known to end.
        if outcome == "success" {
            let digest = hex::encode(Sha256::digest(&content));
            assert_eq!(Some(digest.as_str()), vector.field("payload"), "{name}");
        }
        *counts.entry(outcome).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from(COUNTS));
}
