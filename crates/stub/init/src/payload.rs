//! The files of the payload: the index, and the parts of private layers.

use sealcrate_agefile::x25519::Identity;
use sealcrate_agefile::{AgeFile, CHUNK, Chunks};
use sealcrate_packfile::index::{INDEX_HEAD, Index, IndexError, header_digest, payload_name};
use sealcrate_stub_start::system::{Errno, Mapped};
use sealcrate_stub_start::{self as start, Pages, Sink};

use crate::failure::{Failure, kept};
use crate::paths::PARTS;

/// Opens a file of the payload.
pub(crate) fn open(path: &'static [u8]) -> Result<Mapped, Failure> {
    Mapped::open(path).map_err(|error| Failure::Payload { path, error })
}

/// Opens the age file of a part, by the digest of its header in the index.
pub(crate) fn open_part(header: &[u8; 32]) -> Result<Mapped, Failure> {
    let mut path = [0; PARTS.len() + 64];
    path[..PARTS.len()].copy_from_slice(PARTS);
    path[PARTS.len()..].copy_from_slice(&payload_name(header));
    match Mapped::open(&path) {
        Ok(mapped) => Ok(mapped),
        Err(error) => Err(Failure::Payload { path: kept(&path)?, error }),
    }
}

/// Returns the chunks of a part's age file. Fails if its header does not have the digest in the index.
pub(crate) fn chunks<'m>(
    file: &'m Mapped,
    header: &[u8; 32],
    identity: &str,
) -> Result<Chunks<'m>, Failure> {
    let file = AgeFile::parse(file).map_err(start::Failure::Header)?;
    if header_digest(file.header()) != *header {
        return Err(start::Failure::HeaderChanged.into());
    }
    let identity = Identity::parse(identity).map_err(|_| IndexError::UNKNOWN_IDENTITY)?;
    let file_key = file.header().unwrap(&identity).map_err(|_| start::Failure::HeaderChanged)?;
    Ok(file.chunks(&file_key))
}

/// Authenticates chunks, and does not use their content.
pub(crate) fn authenticate(mut chunks: Chunks<'_>) -> Result<(), Failure> {
    let no_memory = |_: Errno| start::Failure::Memory("a chunk");
    let mut buffer = Pages::new(CHUNK).map_err(no_memory)?;
    let buffer = buffer.first_chunk_mut().ok_or(start::Failure::Defect)?;
    while chunks.next(buffer).map_err(|_| start::Failure::Damaged)?.is_some() {}
    Ok(())
}

/// The index as it is decompressed.
#[derive(Default)]
pub(crate) struct IndexBytes {
    head: [u8; INDEX_HEAD],
    bytes: Option<Pages<u8>>,
    len: usize,
}

impl IndexBytes {
    /// Parses the index, once all of it is there.
    pub(crate) fn parse(&self) -> Result<Index<'_>, Failure> {
        let bytes = self.bytes.as_deref().unwrap_or_default();
        Ok(Index::parse(&bytes[..self.len])?)
    }
}

impl Sink for IndexBytes {
    type Error = Failure;

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        if self.bytes.is_none() {
            let count = bytes.len().min(INDEX_HEAD - self.len);
            let (taken, rest) = bytes.split_at(count);
            self.head[self.len..][..count].copy_from_slice(taken);
            self.len += count;
            bytes = rest;
            if self.len < INDEX_HEAD {
                return Ok(());
            }
            let len = Index::len_of(&self.head)? as usize;
            let mut pages = Pages::new(len).map_err(|_| start::Failure::Memory("the index"))?;
            pages[..INDEX_HEAD].copy_from_slice(&self.head);
            self.bytes = Some(pages);
        }
        let room = self.bytes.as_deref_mut().unwrap_or_default();
        let place = room.get_mut(self.len..).and_then(|rest| rest.get_mut(..bytes.len()));
        let place = place.ok_or(IndexError::LONGER)?;
        place.copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }
}
