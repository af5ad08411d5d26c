//! Packed programs: this module finds the payload, and opens it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use object::read::ReadCache;
use sealcrate_agefile::{AgeFile, CHUNK, Chunks, HeaderError};
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_packfile::{MAGIC, Segment as Payload, SegmentError};
use thiserror::Error;

use crate::content::compress::decompress;
use crate::content::extractor::ProgramExtractor;
use crate::program::headers::{Elf, Segment};
use crate::stub::origin::{MAX_BEFORE_PAYLOAD, Origin, origin_of_stub};
use crate::{Key, KeyError, Target};

/// A packed program.
pub struct Packed {
    target: &'static Target,
    payload: Vec<u8>,
    stub: Origin,
}

impl Packed {
    /// Reads the payload of the program in `file`.
    ///
    /// # Errors
    /// The file is no packed program, or its payload is damaged.
    pub fn read(file: &File) -> Result<Self, PackedError> {
        let len = file.metadata()?.len();
        let elf = Elf::read(&ReadCache::new(file)).map_err(|_| PackedError::NotPacked)?;
        let range = payload_of(&elf, |at| {
            let mut magic = [0; MAGIC.len()];
            file.read_exact_at(&mut magic, at).is_ok_and(|()| magic == MAGIC)
        });
        let range = range.ok_or(PackedError::NotPacked)?;
        if range.end > len {
            return Err(SegmentError::Length.into());
        }
        let mut payload = vec![0; (range.end - range.start) as usize];
        file.read_exact_at(&mut payload, range.start)?;
        // The result is dropped: after this check, every `Packed` has an age file that can be read.
        AgeFile::parse(Payload::parse(&payload)?.age)?;
        let mut before = vec![0; range.start.min(MAX_BEFORE_PAYLOAD) as usize];
        file.read_exact_at(&mut before, 0)?;
        let stub = origin_of_stub(&elf, &before, range);
        Ok(Self { target: elf.target, payload, stub })
    }

    /// Returns the origin of the program's stub.
    pub fn stub(&self) -> Origin {
        self.stub
    }

    /// Returns the target that the program runs on.
    pub fn target(&self) -> &'static Target {
        self.target
    }

    /// Tells whether a passphrase opens the program. Otherwise identities do.
    pub fn is_for_passphrase(&self) -> bool {
        self.age_file().header().passphrase().is_some()
    }

    /// Returns the header of the age file.
    pub fn header(&self) -> &[u8] {
        self.age_file().header().bytes()
    }

    /// Returns the age file that holds the program.
    pub fn age(&self) -> &[u8] {
        Payload::parse(&self.payload).expect("it has been parsed").age
    }

    /// Writes the program to `output`, and returns the paths of the files that are packed beside it. Use
    /// the output only if this succeeds.
    ///
    /// # Errors
    /// The key is another one; the payload is damaged; `output` cannot be written.
    pub fn open(&self, key: &Key, output: &mut dyn Write) -> Result<Vec<Vec<u8>>, OpenError> {
        let age = self.age_file();
        let file_key = key.unwrap(age.header())?;
        let mut output = Output { inner: output, error: None };
        let mut program = ProgramExtractor::new(&mut output);
        let opened = decompress(ProgramBytes::new(age.chunks(&file_key)), &mut program);
        let opened = opened.and_then(|()| program.finish());
        match (opened, output.error) {
            (Ok(beside), _) => Ok(beside),
            (Err(_), Some(error)) => Err(OpenError::Write(error)),
            (Err(error), None) => Err(OpenError::Damaged(error)),
        }
    }

    fn age_file(&self) -> AgeFile<'_> {
        AgeFile::parse(self.age()).expect("it has been parsed")
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed")
            .field("target", &self.target)
            .field("payload", &self.payload.len())
            .finish()
    }
}

/// Returns the range of the payload in a file. `is_payload` tells whether a payload begins at an offset.
pub(crate) fn payload_of(elf: &Elf, is_payload: impl Fn(u64) -> bool) -> Option<Range<u64>> {
    // The payload is the last segment, so a search from the end finds it at once.
    let mut ranges = elf.loads().rev().map(Segment::file_range);
    ranges.find(|range| is_payload(range.start))
}

/// The content of an age file, as a stream.
struct ProgramBytes<'a> {
    chunks: Chunks<'a>,
    buffer: Box<[u8; CHUNK]>,
    /// The part of the buffer that has not been read.
    unread: Range<usize>,
}

impl<'a> ProgramBytes<'a> {
    fn new(chunks: Chunks<'a>) -> Self {
        Self { chunks, buffer: Box::new([0; CHUNK]), unread: 0..0 }
    }
}

impl Read for ProgramBytes<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            let chunk = self.chunks.next(&mut self.buffer);
            let chunk = chunk.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            self.unread = 0..chunk.map_or(0, <[u8]>::len);
        }
        let len = to.len().min(self.unread.len());
        to[..len].copy_from_slice(&self.buffer[self.unread.start..][..len]);
        self.unread.start += len;
        Ok(len)
    }
}

/// Keeps errors of the output, so that nobody takes them for damage of the payload.
struct Output<'a> {
    inner: &'a mut dyn Write,
    error: Option<io::Error>,
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.error = Some(error);
            }
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Why a file is no packed program that can be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackedError {
    /// The payload does not hold an age file.
    #[error("the payload is damaged: {0}")]
    Age(#[from] HeaderError),
    /// Reading failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file has no payload.
    #[error("it is no packed program")]
    NotPacked,
    /// The payload is malformed.
    #[error("the payload is damaged: {0}")]
    Segment(#[from] SegmentError),
}

impl Classified for PackedError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Age(_) | Self::Segment(_) => Some(ErrorClass::Damaged),
            Self::NotPacked => Some(ErrorClass::Failure),
            Self::Io(_) => None,
        }
    }
}

/// Why a packed program could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The content was changed, is cut off, or is no program.
    #[error("the payload is damaged")]
    Damaged(#[source] io::Error),
    /// The key does not open it.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// The program could not be written.
    #[error("the program cannot be written")]
    Write(#[source] io::Error),
}

impl Classified for OpenError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Damaged(_) => Some(ErrorClass::Damaged),
            Self::Key(_) | Self::Write(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::fixtures::{self, PASSPHRASE, content, file_of, packed, packed_under_passphrase};
    use crate::{Compression, NewIdentity, Openers, Program, ProgramError};

    fn key(text: &[u8]) -> Key {
        Key::parse(Zeroizing::new(text.to_vec())).unwrap()
    }

    fn opened(packed: &Packed, text: &[u8]) -> Result<Vec<u8>, OpenError> {
        let mut output = Vec::new();
        packed.open(&key(text), &mut output).map(|_| output)
    }

    #[test]
    fn programs_come_back_bit_by_bit() {
        for compression in [Compression::Lz4, Compression::None, Compression::Zstd] {
            let packed = Packed::read(&packed_under_passphrase(compression)).unwrap();
            assert!(packed.is_for_passphrase());
            assert_eq!(packed.target().name, "amd64");
            assert!(opened(&packed, PASSPHRASE).unwrap() == fixtures::program().bytes());
        }
    }

    #[test]
    fn every_recipient_and_nobody_else_opens_a_program() {
        let [one, two, other] = [(); 3].map(|()| NewIdentity::generate().unwrap());
        let recipients = vec![one.recipient.clone(), two.recipient.clone()];
        let openers = Openers::recipients(recipients).unwrap();
        let packed = Packed::read(&packed(&openers, Compression::Lz4)).unwrap();
        assert!(!packed.is_for_passphrase());
        let both = format!("# keys\n{}\n{}\n", *other.secret, *two.secret);
        for text in [&*one.secret, &*two.secret, &both] {
            assert!(opened(&packed, text.as_bytes()).is_ok());
        }
        let refused = |text: &[u8]| opened(&packed, text).unwrap_err();
        let wrong = refused(other.secret.as_bytes());
        assert!(matches!(wrong, OpenError::Key(KeyError::Wrong)), "{wrong}");
        let passphrase = refused(PASSPHRASE);
        assert!(matches!(passphrase, OpenError::Key(KeyError::NeedsIdentity)));
    }

    #[test]
    fn other_passphrases_and_identities_open_nothing() {
        let packed = Packed::read(&packed_under_passphrase(Compression::Lz4)).unwrap();
        let wrong = opened(&packed, b"another").unwrap_err();
        assert!(matches!(wrong, OpenError::Key(KeyError::Wrong)), "{wrong}");
        let identity =
            opened(&packed, NewIdentity::generate().unwrap().secret.as_bytes()).unwrap_err();
        assert!(matches!(identity, OpenError::Key(KeyError::NeedsPassphrase)), "{identity}");
    }

    #[test]
    fn the_age_library_opens_what_is_cut_out() {
        let identity = NewIdentity::generate().unwrap();
        let openers = Openers::recipients(vec![identity.recipient.clone()]).unwrap();
        let packed = Packed::read(&packed(&openers, Compression::None)).unwrap();
        let identity: age::x25519::Identity = identity.secret.parse().unwrap();
        assert!(age::decrypt(&identity, packed.age()).unwrap() == fixtures::program().bytes());
    }

    #[test]
    fn a_changed_byte_of_the_age_file_is_damage() {
        let identity = NewIdentity::generate().unwrap();
        let openers = Openers::recipients(vec![identity.recipient.clone()]).unwrap();
        let bytes = content(&packed(&openers, Compression::Lz4));
        let packed = Packed::read(&file_of(&bytes)).unwrap();
        let age = packed.age();
        let start = bytes.windows(age.len()).position(|part| part == age).unwrap();
        let (header, step) = (packed.header().len(), age.len() / 50);
        for place in (0..header).chain((header..age.len()).step_by(step)).chain([age.len() - 1]) {
            let mut bytes = bytes.clone();
            bytes[start + place] ^= 1;
            let opened = match Packed::read(&file_of(&bytes)) {
                Ok(packed) => opened(&packed, identity.secret.as_bytes()),
                Err(PackedError::Age(_)) => continue,
                Err(other) => panic!("{place}: {other}"),
            };
            match opened.unwrap_err() {
                OpenError::Damaged(_) | OpenError::Key(KeyError::Header(_)) => {}
                // A changed stanza looks like a stanza for another recipient.
                OpenError::Key(KeyError::Wrong) => assert!(place < header, "{place}"),
                other => panic!("{place}: {other}"),
            }
        }
    }

    #[test]
    fn a_changed_header_is_damage_under_the_right_passphrase() {
        let mut bytes = content(&packed_under_passphrase(Compression::Lz4));
        let mac = bytes.windows(5).position(|part| part == b"\n--- ").unwrap() + 5;
        bytes[mac] = if bytes[mac] == b'A' { b'B' } else { b'A' };
        let packed = Packed::read(&file_of(&bytes)).unwrap();
        let refused = opened(&packed, PASSPHRASE).unwrap_err();
        assert!(matches!(refused, OpenError::Key(KeyError::Header(_))), "{refused}");
    }

    #[test]
    fn payloads_that_are_cut_off_are_damage() {
        let bytes = content(&packed_under_passphrase(Compression::Lz4));
        let payload = bytes.windows(8).rposition(|part| part == MAGIC).unwrap();
        for len in [payload + 8, payload + 100, bytes.len() - 3000] {
            let refused = Packed::read(&file_of(&bytes[..len])).unwrap_err();
            assert!(matches!(refused, PackedError::Segment(_)), "{len}: {refused}");
        }
    }

    #[test]
    fn what_is_not_packed_is_told() {
        for bytes in [&b""[..], b"#!/bin/sh\n", &fixtures::program().bytes()] {
            let refused = Packed::read(&file_of(bytes)).unwrap_err();
            assert!(matches!(refused, PackedError::NotPacked), "{refused}");
        }
    }

    #[test]
    fn packed_programs_are_not_packed_again() {
        let bytes = content(&packed_under_passphrase(Compression::Lz4));
        assert!(matches!(Program::of(bytes.as_slice()), Err(ProgramError::AlreadyPacked)));
    }

    #[test]
    fn errors_of_the_output_are_no_damage() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for compression in [Compression::Lz4, Compression::None, Compression::Zstd] {
            let packed = Packed::read(&packed_under_passphrase(compression)).unwrap();
            let error = packed.open(&key(PASSPHRASE), &mut Full).unwrap_err();
            assert!(matches!(error, OpenError::Write(_)), "{error}");
        }
    }
}
