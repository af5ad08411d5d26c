//! The search for packed programs in the layers of images.
//!
//! A layer is read as it comes, once, and little of it is kept: the beginning of one file, and the
//! beginning of its payload.

use std::io::{self, Read};

use sealcrate_packfile::age::Header;
use sealcrate_packfile::{HEAD_LEN, MAGIC};

use crate::elf::Elf;

/// How much of a file is read to find its segments: our own have their headers at the beginning.
const BEGINNING: u64 = 64 << 10;

/// The longest that parameters and the header of an age file can be together.
const MAX_BEFORE_CONTENT: u64 = (128 << 10) + (64 << 10);

/// Tells whether the tar file `layer`, read to its end, holds a packed program whose age header is
/// `header`.
///
/// # Errors
/// Those of reading, also of what is no tar file.
pub fn holds_program(layer: impl Read, header: &[u8]) -> io::Result<bool> {
    let mut archive = tar::Archive::new(layer);
    let mut found = false;
    for entry in archive.entries()? {
        let entry = entry?;
        if entry.header().entry_type().is_file() && !found {
            found = header_of(entry)?.is_some_and(|other| other == header);
        }
    }
    // Whoever checks the bytes does so at their end, behind the archive's.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(found)
}

/// Returns the age header of the packed program that a file is, if it is one.
fn header_of(mut file: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut beginning = Vec::new();
    file.by_ref().take(BEGINNING).read_to_end(&mut beginning)?;
    let Ok(elf) = Elf::read(beginning.as_slice()) else { return Ok(None) };
    let Some(payload) = elf.loads().next_back() else { return Ok(None) };
    let mut rest = io::Cursor::new(beginning).chain(file);
    if io::copy(&mut rest.by_ref().take(payload.offset), &mut io::sink())? < payload.offset {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    rest.take((HEAD_LEN as u64 + MAX_BEFORE_CONTENT).min(payload.file_size))
        .read_to_end(&mut bytes)?;
    Ok(age_header(&bytes).map(ToOwned::to_owned))
}

/// Returns the age header in the beginning of a payload.
fn age_header(payload: &[u8]) -> Option<&[u8]> {
    let head = payload.get(..HEAD_LEN)?;
    head.strip_prefix(&MAGIC)?;
    let parameters = u32::from_le_bytes(head[12..16].try_into().ok()?);
    let age = payload.get(HEAD_LEN + usize::try_from(parameters).ok()?..)?;
    Header::parse(age).ok().map(|header| header.bytes())
}
