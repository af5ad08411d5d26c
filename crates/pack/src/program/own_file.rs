//! Programs that read their own file when they run, or look for files beside it. Once they are packed,
//! they do not find these files.
//!
//! This module knows them by their bytes: by marks of the tools that make them, and by bytes behind the
//! end of the ELF file. A program that has neither may still look for its own file.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use object::LittleEndian;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};
use object::read::{ReadCache, ReadRef};

use crate::program::headers::Elf;

/// The number of bytes of a file that are searched at once.
const PIECE: usize = 1 << 20;

/// The longest mark, in bytes.
const MAX_MARK: usize = 64;

/// The number of bytes at the end of a file in which the marks of [`AT_END`] lie.
const TAIL: u64 = 64 << 10;

/// The longest end of a zip archive in bytes: its record and a comment.
const MAX_ZIP_END: usize = 22 + 65_535;

/// A kind of program that reads its own file, or looks for files beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnFile {
    /// An AppImage, which mounts itself.
    AppImage,
    /// A program with this number of bytes behind it.
    Appended(u64),
    /// A program of `bun build --compile`.
    Bun,
    /// A program of `deno compile`.
    Deno,
    /// A program of .NET: a single file, or a program that looks for its library beside its own file.
    DotNet,
    /// A single executable application of Node.js.
    Node,
    /// A program of PyInstaller.
    PyInstaller,
    /// A program with a zip archive behind it.
    Zip,
}

/// Marks that may be anywhere in a file, from their last byte to their first. So a program with this
/// module in it does not have the marks.
const ANYWHERE: [(&[u8], OwnFile); 3] = [
    // SHA-256 of ".net core bundle". dotnet/runtime, `bundle_marker.cpp`.
    (
        b"\xae\x6a\xb3\x24\xce\x2d\x3b\xee\x18\x33\xae\xef\xe6\xb9\xf5\x13\
          \x32\xa0\xd7\x14\x02\x93\x7b\x72\x38\x20\x61\x6a\xb9\x02\x12\x8b",
        OwnFile::DotNet,
    ),
    // NODE_SEA_FUSE_…:1 of Node.js. Without an application, its last number is 0.
    (b"1:2b6991fd5b8b270e6b764cc2ba086ecf_ESUF_AES_EDON", OwnFile::Node),
    (b">lenitnes~~exen<", OwnFile::Node),
];

/// Marks that are near the end of a file, from their last byte to their first.
const AT_END: [(&[u8], OwnFile); 3] = [
    // The cookie of its archive. PyInstaller, `pyi_archive.h`.
    (b"\x0e\x0b\x0a\x0b\x0cIEM", OwnFile::PyInstaller),
    (b"dn4l0n3d", OwnFile::Deno),
    (b"\n---- !nuB ----\n", OwnFile::Bun),
];

impl OwnFile {
    /// Returns the kind of the program in `file`, if its bytes tell one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of(file: &File) -> io::Result<Option<Self>> {
        let len = file.metadata()?.len();
        let mut head = [0; 16];
        file.read_exact_at(&mut head[..usize::try_from(len).unwrap_or(16).min(16)], 0)?;
        // AppImage specification: behind the ELF identification.
        if head[8..10] == *b"AI" && matches!(head[10], 1 | 2) {
            return Ok(Some(Self::AppImage));
        }
        let tail = read_from(file, len.saturating_sub(TAIL.max(MAX_ZIP_END as u64)), len)?;
        let near_end = &tail[tail.len().saturating_sub(TAIL as usize)..];
        let at_end = AT_END.iter().find(|(mark, _)| find(near_end, &turned(mark)));
        if let Some((_, found)) = at_end {
            return Ok(Some(*found));
        }
        if let Some(found) = anywhere(file, len)? {
            return Ok(Some(found));
        }
        let Some(end) = end_of_program(&ReadCache::new(file)).filter(|end| *end < len) else {
            return Ok(None);
        };
        if ends_as_zip(&tail) {
            return Ok(Some(Self::Zip));
        }
        // Zeros are padding: tools that sign or copy files in blocks add them.
        let behind = read_from(file, end, len.min(end + PIECE as u64))?;
        let is_filling = behind.iter().all(|byte| *byte == 0);
        Ok((!is_filling).then_some(Self::Appended(len - end)))
    }
}

impl fmt::Display for OwnFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::AppImage => "is an AppImage, which mounts its own file",
            Self::Appended(1) => return f.write_str("has 1 byte behind it that it may read"),
            Self::Appended(bytes) => {
                return write!(f, "has {bytes} bytes behind it that it may read");
            }
            Self::Bun => "was compiled by bun, and reads its own file",
            Self::Deno => "was compiled by deno, and reads its own file",
            Self::DotNet => "is a .NET program, which reads its own file and looks beside it",
            Self::Node => "is Node.js with an application, and reads its own file",
            Self::PyInstaller => "was made by PyInstaller, and reads its own file",
            Self::Zip => "has a zip archive behind it, and reads its own file",
        };
        f.write_str(name)
    }
}

/// Searches all of a file, piece by piece.
fn anywhere(file: &File, len: u64) -> io::Result<Option<OwnFile>> {
    let marks = ANYWHERE.map(|(mark, found)| (turned(mark), found));
    let mut at = 0;
    while at < len {
        let piece = read_from(file, at, len.min(at + PIECE as u64))?;
        if let Some((_, found)) = marks.iter().find(|(mark, _)| find(&piece, mark)) {
            return Ok(Some(*found));
        }
        // A mark may lie across the end of a piece.
        at += (PIECE - MAX_MARK) as u64;
    }
    Ok(None)
}

/// Tells whether a file ends as a zip archive does. APPNOTE.TXT, section 4.3.16.
fn ends_as_zip(tail: &[u8]) -> bool {
    let from = tail.len().saturating_sub(MAX_ZIP_END);
    tail[from..].windows(22).enumerate().any(|(at, record)| {
        let comment = usize::from(u16::from_le_bytes([record[20], record[21]]));
        record.starts_with(b"PK\x05\x06") && from + at + 22 + comment == tail.len()
    })
}

/// Returns the end of the last part that the headers name. Sections that are not loaded count too.
fn end_of_program<'data>(data: impl ReadRef<'data>) -> Option<u64> {
    let class = data.read_at::<FileHeader32<LittleEndian>>(0).ok()?.e_ident.class;
    let sections = match class {
        elf::ELFCLASS64 => end_of_sections::<FileHeader64<LittleEndian>>(data),
        _ => end_of_sections::<FileHeader32<LittleEndian>>(data),
    };
    Some(Elf::read(data).ok()?.end.max(sections?))
}

fn end_of_sections<'data, H>(data: impl ReadRef<'data>) -> Option<u64>
where
    H: FileHeader<Endian = LittleEndian>,
{
    let header = data.read_at::<H>(0).ok()?;
    let sections = header.section_headers(LittleEndian, data).ok()?;
    let ends = sections.iter().filter(|section| section.sh_type(LittleEndian) != elf::SHT_NOBITS);
    let ends = ends.map(|section| {
        let at: u64 = section.sh_offset(LittleEndian).into();
        at.saturating_add(section.sh_size(LittleEndian).into())
    });
    Some(ends.max().unwrap_or(0))
}

fn read_from(file: &File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(0)];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}

/// Returns a mark as it stands in files.
fn turned(mark: &[u8]) -> Vec<u8> {
    mark.iter().rev().copied().collect()
}

/// Tells whether `mark` is in `bytes`.
fn find(bytes: &[u8], mark: &[u8]) -> bool {
    let first = mark[0];
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        if rest[at..].starts_with(mark) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Made, file_of, target};

    fn of(bytes: &[u8]) -> Option<OwnFile> {
        OwnFile::of(&file_of(bytes)).unwrap()
    }

    fn program(code: &[u8]) -> Vec<u8> {
        Made { code: code.to_vec(), ..Made::program(target("amd64")) }.bytes()
    }

    #[test]
    fn ordinary_programs_are_none_of_those() {
        assert_eq!(of(&program(b"instructions")), None);
        assert_eq!(of(&[program(b"instructions"), vec![0; 5000]].concat()), None);
        for path in ["/bin/sh", "/usr/bin/env", "/proc/self/exe"] {
            assert_eq!(OwnFile::of(&File::open(path).unwrap()).unwrap(), None, "{path}");
        }
    }

    #[test]
    fn marks_are_found_where_they_are() {
        for mark in [&b"MEI\x0c\x0b\x0a\x0b\x0e"[..], b"\n---- Bun! ----\n"] {
            assert!(AT_END.iter().any(|(turned, _)| self::turned(turned) == mark));
        }
        let long = vec![7; PIECE - 200];
        for (mark, found) in ANYWHERE {
            let mark = turned(mark);
            assert_eq!(of(&program(&mark)), Some(found));
            // On both sides of a piece's end.
            for at in [PIECE - 200, PIECE - 90, PIECE - 80, PIECE - 70, PIECE] {
                let mut code = long.clone();
                code.resize(at, 7);
                assert_eq!(of(&program(&[code, mark.clone()].concat())), Some(found), "{at}");
            }
        }
        for (mark, found) in AT_END {
            let mark = turned(mark);
            assert_eq!(of(&[program(b"code"), mark.clone(), vec![1; 80]].concat()), Some(found));
            // Deno itself has its own mark in it, and is not compiled by itself.
            assert_eq!(of(&program(&[mark, vec![1; TAIL as usize]].concat())), None);
        }
        let mut image = program(b"code");
        image[8..11].copy_from_slice(b"AI\x02");
        assert_eq!(of(&image), Some(OwnFile::AppImage));
    }

    #[test]
    fn what_lies_behind_a_program_is_found() {
        let zip = [&b"PK\x05\x06"[..], &[0; 16], &[3, 0], b"abc"].concat();
        assert_eq!(of(&[program(b"code"), zip.clone()].concat()), Some(OwnFile::Zip));
        // Not at the end, and within the program.
        let appended = of(&[program(b"code"), zip.clone(), b"x".to_vec()].concat());
        assert_eq!(appended, Some(OwnFile::Appended(zip.len() as u64 + 1)));
        assert_eq!(of(&program(&zip)), None);
    }
}
