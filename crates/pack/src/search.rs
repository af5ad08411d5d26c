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

/// Where a locked image has its index, in a payload as that of packed programs.
const INDEX: &[u8] = b".sealcrate/payload/index";

/// Tells whether the tar file `layer`, read to its end, holds a packed program, or the index of a
/// locked image, whose age header is `header`.
///
/// # Errors
/// Those of reading, also of what is no tar file.
pub fn holds_program(layer: impl Read, header: &[u8]) -> io::Result<bool> {
    let mut archive = tar::Archive::new(layer);
    let mut found = false;
    for entry in archive.entries()? {
        let entry = entry?;
        if entry.header().entry_type().is_file() && !found {
            let other = if entry.path_bytes().as_ref() == INDEX {
                header_of_index(entry)?
            } else {
                header_of(entry)?
            };
            found = other.is_some_and(|other| other == header);
        }
    }
    // Whoever checks the bytes does so at their end, behind the archive's.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(found)
}

/// Returns the age header of the index of a locked image.
fn header_of_index(file: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(HEAD_LEN as u64 + MAX_BEFORE_CONTENT).read_to_end(&mut bytes)?;
    Ok(age_header(&bytes).map(ToOwned::to_owned))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{self, content, packed_under_passphrase};
    use crate::{Compression, Packed};

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o755);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn programs_are_found_by_their_headers() {
        let files = [(); 2].map(|()| packed_under_passphrase(Compression::Lz4));
        let [one, two] = files.each_ref().map(content);
        let other = packed_under_passphrase(Compression::Lz4);
        let header = |file| Packed::read(file).unwrap().header().to_vec();
        let plain = fixtures::program().bytes();
        let layer = tar(&[("a", b"text"), ("b", &plain), ("c", &one), ("d", &two), ("e", b"")]);
        for file in &files {
            assert!(holds_program(layer.as_slice(), &header(file)).unwrap());
        }
        assert!(!holds_program(layer.as_slice(), &header(&other)).unwrap());
        assert!(!holds_program(layer.as_slice(), b"").unwrap());
    }

    #[test]
    fn the_index_of_a_locked_image_is_found_where_it_has_to_be() {
        let file = packed_under_passphrase(Compression::Lz4);
        let header = Packed::read(&file).unwrap().header().to_vec();
        let program = content(&file);
        let at = program.windows(8).rposition(|part| part == MAGIC).unwrap();
        let index = &program[at..];
        let found = |path| holds_program(tar(&[(path, index)]).as_slice(), &header).unwrap();
        assert!(found(".sealcrate/payload/index"));
        assert!(!found("elsewhere/index"));
    }

    #[test]
    fn layers_are_read_to_their_end() {
        struct Counting<'a>(&'a [u8], &'a mut usize);
        impl Read for Counting<'_> {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                let len = self.0.read(to)?;
                *self.1 += len;
                Ok(len)
            }
        }
        let file = packed_under_passphrase(Compression::Lz4);
        let header = Packed::read(&file).unwrap().header().to_vec();
        let mut layer = tar(&[("app", &content(&file)), ("more", &[0; 5000])]);
        layer.extend([0; 10_000]);
        let mut read = 0;
        assert!(holds_program(Counting(&layer, &mut read), &header).unwrap());
        assert_eq!(read, layer.len());
    }

    #[test]
    fn cut_off_and_wild_programs_are_passed_over() {
        let bytes = content(&packed_under_passphrase(Compression::Lz4));
        let payload = bytes.windows(8).rposition(|part| part == MAGIC).unwrap();
        for len in [0, 5, 64, 200, payload - 1, payload, payload + 10, payload + 60] {
            assert_eq!(header_of(&bytes[..len]).unwrap(), None, "{len}");
        }
        let mut wild = bytes;
        wild[payload + 12..payload + 16].fill(0xff);
        assert_eq!(header_of(wild.as_slice()).unwrap(), None);
    }

    #[test]
    fn what_is_no_tar_file_is_an_error() {
        assert!(holds_program(&[7_u8; 2000][..], b"").is_err());
    }
}
