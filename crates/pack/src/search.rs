//! The search for packed programs in the layers of images.
//!
//! The search reads a layer once, as it comes. It keeps little of the layer: the beginning of one
//! file, and the beginning of its payload.

use std::io::{self, Read};

use sealcrate_agefile::Header;
use sealcrate_packfile::{HEAD_LEN, MAGIC};

use crate::program::headers::Elf;
use crate::stub::origin::{
    MAX_BEFORE_PAYLOAD, Origin, longest_init, origin_of_init, origin_of_stub,
};

/// The number of bytes of a file in which its headers are searched. Packed programs have them at the
/// beginning.
const BEGINNING: u64 = 64 << 10;

/// The most bytes that parameters and the header of an age file can have together.
const MAX_BEFORE_CONTENT: u64 = (128 << 10) + (64 << 10);

/// The path of a locked image's index. The file is a payload, as packed programs have one.
const INDEX: &[u8] = b".sealcrate/payload/index";

/// The path of a locked image's init.
const INIT: &[u8] = b".sealcrate/init";

/// A packed program or an index that was found in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The index of a locked image.
    Index {
        /// The origin of the init beside it. If the layer has several inits, it is unknown.
        init: Origin,
    },
    /// A packed program.
    Program {
        /// The origin of its stub.
        stub: Origin,
    },
}

/// Looks in a layer for a packed program or the index of a locked image, with the age header `header`. `layer`
/// is a tar file, and is read to its end.
///
/// # Errors
/// The layer cannot be read, or is no tar file.
pub fn find_program(layer: impl Read, header: &[u8]) -> io::Result<Option<Finding>> {
    let mut archive = tar::Archive::new(layer);
    let mut found = None;
    let mut inits = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = cleaned(&entry.path_bytes());
        let is_file = entry.header().entry_type().is_file();
        if path == INIT {
            let mut bytes = Vec::new();
            entry.by_ref().take(longest_init() + 1).read_to_end(&mut bytes)?;
            inits.push(if is_file { origin_of_init(&bytes) } else { Origin::Unknown });
        } else if is_file && found.is_none() {
            found = if path == INDEX {
                let is_it = header_of_index(entry)?.is_some_and(|other| other == header);
                is_it.then_some(Finding::Index { init: Origin::Unknown })
            } else {
                let program = header_of(entry)?.filter(|(other, _)| other == header);
                program.map(|(_, stub)| Finding::Program { stub })
            };
        }
    }
    // A reader that checks a digest does so when the bytes end. The archive ends before.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    if let (Some(Finding::Index { init }), [only]) = (&mut found, inits.as_slice()) {
        *init = *only;
    }
    Ok(found)
}

/// Returns a path as engines understand it: below the root, without `.` and `..`.
fn cleaned(path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            _ => names.push(name),
        }
    }
    names.join(&b'/')
}

/// Returns the age header of the index of a locked image.
fn header_of_index(file: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(HEAD_LEN as u64 + MAX_BEFORE_CONTENT).read_to_end(&mut bytes)?;
    Ok(age_header(&bytes).map(ToOwned::to_owned))
}

/// Returns the age header of a packed program, and the origin of its stub. Returns `None` for another file.
fn header_of(mut file: impl Read) -> io::Result<Option<(Vec<u8>, Origin)>> {
    let mut before = Vec::new();
    file.by_ref().take(BEGINNING).read_to_end(&mut before)?;
    let Ok(elf) = Elf::read(before.as_slice()) else { return Ok(None) };
    let Some(payload) = elf.loads().next_back() else { return Ok(None) };
    let kept = payload.offset.min(MAX_BEFORE_PAYLOAD).saturating_sub(before.len() as u64);
    file.by_ref().take(kept).read_to_end(&mut before)?;
    let mut rest = io::Cursor::new(before.clone()).chain(file);
    if io::copy(&mut rest.by_ref().take(payload.offset), &mut io::sink())? < payload.offset {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    rest.take((HEAD_LEN as u64 + MAX_BEFORE_CONTENT).min(payload.file_size))
        .read_to_end(&mut bytes)?;
    let Some(header) = age_header(&bytes) else { return Ok(None) };
    before.truncate(usize::try_from(payload.offset).unwrap_or(usize::MAX));
    Ok(Some((header.to_owned(), origin_of_stub(&elf, &before, payload.file_range()))))
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
            let found = find_program(layer.as_slice(), &header(file)).unwrap();
            assert_eq!(found, Some(Finding::Program { stub: Origin::ThisBuild }));
        }
        for absent in [&header(&other)[..], b""] {
            assert_eq!(find_program(layer.as_slice(), absent).unwrap(), None);
        }
    }

    #[test]
    fn the_index_of_a_locked_image_is_found_where_it_has_to_be() {
        let file = packed_under_passphrase(Compression::Lz4);
        let header = Packed::read(&file).unwrap().header().to_vec();
        let program = content(&file);
        let at = program.windows(8).rposition(|part| part == MAGIC).unwrap();
        let index = &program[at..];
        let init = crate::inits()[0].bytes;
        let found = |files: &[(&str, &[u8])]| find_program(tar(files).as_slice(), &header).unwrap();
        let path = ".sealcrate/payload/index";
        let with = |init| Some(Finding::Index { init });
        assert_eq!(found(&[(path, index)]), with(Origin::Unknown));
        assert_eq!(found(&[("elsewhere/index", index)]), None);
        let own = (".sealcrate/init", init);
        assert_eq!(found(&[own, (path, index)]), with(Origin::ThisBuild));
        assert_eq!(found(&[("./.sealcrate//init", init), (path, index)]), with(Origin::ThisBuild));
        // Another init, or a second one that engines put in its place.
        let longer = [init, &[0]].concat();
        let mut changed = init.to_vec();
        changed[1000] ^= 1;
        for other in [&init[1..], &longer, &changed, b""] {
            assert_eq!(found(&[(".sealcrate/init", other), (path, index)]), with(Origin::Unknown));
            assert_eq!(
                found(&[own, (path, index), ("./.sealcrate/init", other)]),
                with(Origin::Unknown)
            );
        }
    }

    #[test]
    fn stubs_that_were_changed_are_unknown() {
        let file = packed_under_passphrase(Compression::Lz4);
        let header = Packed::read(&file).unwrap().header().to_vec();
        let program = content(&file);
        let payload = program.windows(8).rposition(|part| part == MAGIC).unwrap();
        // In its code, in the entry point, and in the zeros before the payload.
        for at in [payload / 2, 24, payload - 1] {
            let mut changed = program.clone();
            changed[at] ^= 1;
            let found = find_program(tar(&[("app", &changed)]).as_slice(), &header).unwrap();
            assert_eq!(found, Some(Finding::Program { stub: Origin::Unknown }), "{at}");
        }
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
        assert!(find_program(Counting(&layer, &mut read), &header).unwrap().is_some());
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
        assert!(find_program(&[7_u8; 2000][..], b"").is_err());
    }
}
