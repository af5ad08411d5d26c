//! age files as packed programs hold them. The crate `age` and the reader of streams open the same
//! files, to the same content.

use std::io::Read;
use std::iter;

use sealcrate_agefile::x25519::Identity;
use sealcrate_agefile::{AgeFile, CHUNK, Decryptor, Header};

/// The identity that the files of the corpus are for.
const IDENTITY: &str = "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

/// Takes bytes as an age file, and opens it in both ways.
pub(crate) fn run(data: &[u8]) {
    if let Ok(header) = Header::parse(data) {
        well_formed(data, &header);
    }
    let identity = Identity::parse(IDENTITY).expect("an identity");
    let content = opened(data, &identity);
    assert!(content == opened_by_age(data), "another content than age opens");
    assert!(content == streamed(data, &identity), "another content as a stream");
}

fn well_formed(data: &[u8], header: &Header<'_>) {
    let bytes = header.bytes();
    assert!(data.starts_with(bytes) && bytes.ends_with(b"\n"));
    // The header alone is the same header, and nothing less is one.
    let again = Header::parse(bytes).expect("a header");
    assert_eq!(again.bytes(), bytes);
    assert!(Header::parse(&bytes[..bytes.len() - 1]).is_err());

    let kinds: Vec<&[u8]> =
        header.stanzas().filter_map(|stanza| stanza.arguments().next()).collect();
    assert!(!kinds.is_empty());
    assert_eq!(header.passphrase().is_some(), kinds.contains(&&b"scrypt"[..]));
    if let Some(passphrase) = header.passphrase() {
        assert_eq!(kinds.len(), 1);
        assert!((1..=20).contains(&passphrase.log_n()));
    }
    for stanza in header.stanzas() {
        let arguments: Vec<&[u8]> = stanza.arguments().collect();
        let line = [b"\n-> ", &arguments.join(&b' ')[..], b"\n"].concat();
        assert!(bytes.windows(line.len()).any(|window| window == line));
    }
}

fn opened(data: &[u8], identity: &Identity) -> Option<Vec<u8>> {
    let file = AgeFile::parse(data).ok()?;
    let mut chunks = file.chunks(&file.header().unwrap(identity).ok()?);
    let (mut content, mut buffer) = (Vec::new(), Box::new([0; CHUNK]));
    while let Some(chunk) = chunks.next(&mut buffer).ok()? {
        content.extend(chunk);
    }
    assert_eq!(chunks.next(&mut buffer), Ok(None), "something after the end");
    Some(content)
}

fn streamed(data: &[u8], identity: &Identity) -> Option<Vec<u8>> {
    let mut reader = Decryptor::new(data).ok()?.decrypt([identity as _]).ok()?;
    let mut content = Vec::new();
    reader.read_to_end(&mut content).ok()?;
    Some(content)
}

fn opened_by_age(data: &[u8]) -> Option<Vec<u8>> {
    let identity: age::x25519::Identity = IDENTITY.parse().expect("an identity");
    let decryptor = age::Decryptor::new_buffered(data).ok()?;
    let mut reader = decryptor.decrypt(iter::once(&identity as &dyn age::Identity)).ok()?;
    let mut content = Vec::new();
    reader.read_to_end(&mut content).ok()?;
    Some(content)
}
