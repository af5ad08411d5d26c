//! Packed programs: where the payload is in one, and how it is opened.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use object::read::ReadCache;
use sealcrate_packfile::age::{AgeFile, CHUNK, Chunks, HeaderError};
use sealcrate_packfile::{MAGIC, Segment as Payload, SegmentError};
use thiserror::Error;

use crate::compress::decompress;
use crate::elf::{Elf, Segment};
use crate::{Key, KeyError, Target};

/// A program that was packed.
pub struct Packed {
    target: Target,
    payload: Vec<u8>,
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
        // Only so that whoever has one has one that can be read.
        AgeFile::parse(Payload::parse(&payload)?.age)?;
        Ok(Self { target: elf.target, payload })
    }

    /// Returns what the program runs on.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Tells whether a passphrase opens it, or else identities.
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

    /// Writes the program to `output`. Nothing that was written counts before this has succeeded.
    ///
    /// # Errors
    /// Another key; damage; those of `output`.
    pub fn open(&self, key: &Key, output: &mut dyn Write) -> Result<(), OpenError> {
        let age = self.age_file();
        let file_key = key.unwrap(age.header())?;
        let mut output = Output { inner: output, error: None };
        let opened = decompress(Content::new(age.chunks(&file_key)), &mut output);
        match (opened, output.error) {
            (Ok(()), _) => Ok(()),
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

/// Returns which bytes of a file are the payload. `is_payload` tells whether one begins somewhere.
pub(crate) fn payload_of(elf: &Elf, is_payload: impl Fn(u64) -> bool) -> Option<Range<u64>> {
    // It is the last one, and whoever looks for it first finds it at once.
    let mut ranges = elf.loads().rev().map(Segment::file_range);
    ranges.find(|range| is_payload(range.start))
}

/// What an age file holds, as a stream.
struct Content<'a> {
    chunks: Chunks<'a>,
    buffer: Box<[u8; CHUNK]>,
    /// What of the buffer has not been read.
    unread: Range<usize>,
}

impl<'a> Content<'a> {
    fn new(chunks: Chunks<'a>) -> Self {
        Self { chunks, buffer: Box::new([0; CHUNK]), unread: 0..0 }
    }
}

impl Read for Content<'_> {
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

/// Keeps errors of the output apart from those of what goes into it.
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
    /// There is no payload in it.
    #[error("it is no packed program")]
    NotPacked,
    /// The payload is not as it has to be.
    #[error("the payload is damaged: {0}")]
    Segment(#[from] SegmentError),
}

/// Why a packed program could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// What is encrypted was changed, or is cut off, or is no program.
    #[error("the payload is damaged")]
    Damaged(#[source] io::Error),
    /// The key does not open it.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// The program could not be written.
    #[error("the program cannot be written")]
    Write(#[source] io::Error),
}
