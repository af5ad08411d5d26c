//! Folders: the content of the age file if a start puts the program into a folder, with other files
//! beside it.
//!
//! A head names the folder and its entries. The contents of the entries follow in the same order. The
//! program is the first entry. Readers authenticate all of this before they look at it.

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

/// The first bytes of a head. They look like the magic of ELF files, but differ from it.
pub const FOLDER_MAGIC: [u8; 4] = *b"\x7fSCF";

/// The length of the prefix in bytes: the magic, and the length of the head.
pub const FOLDER_PREFIX: usize = 8;

/// The longest head, in bytes.
pub const MAX_FOLDER_HEAD: usize = 1 << 20;

/// The longest path, in bytes.
const MAX_PATH: usize = 4095;

/// The bits of a mode that hold the kind of an entry: `S_IFMT` of inode(7).
const KINDS: u32 = 0o170_000;

/// A parsed head.
#[derive(Clone, Copy, Debug)]
pub struct FolderHead<'a> {
    path: &'a [u8],
    entries: &'a [u8],
}

/// An entry of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderEntry<'a> {
    /// The path in the folder: names with a slash between two.
    pub path: &'a [u8],
    /// The kind.
    pub kind: FolderKind,
    /// The permissions.
    pub mode: u32,
    /// The length in bytes of the file's content, or of the link's target.
    pub len: u64,
}

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderKind {
    /// A file.
    File,
    /// A folder. It comes before its own entries.
    Folder,
    /// A symbolic link.
    Link,
}

/// Says that a head cannot be parsed or written.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it holds no folder that can be made")]
pub struct FolderError;

impl Classified for FolderError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Failure)
    }
}

impl FolderKind {
    fn bits(self) -> u32 {
        match self {
            Self::File => 0o100_000,
            Self::Folder => 0o040_000,
            Self::Link => 0o120_000,
        }
    }
}

/// Returns the length in bytes of the head that begins with `prefix`. The prefix counts.
///
/// # Errors
/// The magic is another one, or the length is out of bounds.
pub fn folder_head_len(prefix: [u8; FOLDER_PREFIX]) -> Result<usize, FolderError> {
    let [magic @ .., a, b, c, d] = prefix;
    let len = u32::from_le_bytes([a, b, c, d]) as usize;
    let is_one = magic == FOLDER_MAGIC && (FOLDER_PREFIX..=MAX_FOLDER_HEAD).contains(&len);
    if is_one { Ok(len) } else { Err(FolderError) }
}

impl<'a> FolderHead<'a> {
    /// Parses a whole head.
    ///
    /// # Errors
    /// The head is cut off; a path, a kind or a length is not allowed; the first entry is no program in
    /// the folder itself.
    #[inline(never)]
    pub fn parse(head: &'a [u8]) -> Result<Self, FolderError> {
        let mut rest = head.get(FOLDER_PREFIX..).ok_or(FolderError)?;
        let path = take_text(&mut rest)?;
        if !is_place(path) {
            return Err(FolderError);
        }
        let parsed = Self { path, entries: rest };
        let mut first = None;
        while !rest.is_empty() {
            let entry = take_entry(&mut rest)?;
            first.get_or_insert(entry);
        }
        let is_program =
            |entry: FolderEntry<'_>| entry.kind == FolderKind::File && !entry.path.contains(&b'/');
        if first.is_some_and(is_program) { Ok(parsed) } else { Err(FolderError) }
    }

    /// Writes a head. The kinds of the entries and their lengths are not checked.
    ///
    /// # Errors
    /// The head would be longer than [`MAX_FOLDER_HEAD`], or a path is not allowed.
    pub fn write<'e>(
        path: &[u8],
        entries: impl Iterator<Item = FolderEntry<'e>> + Clone,
        out: &mut impl Extend<u8>,
    ) -> Result<(), FolderError> {
        let texts = entries.clone().map(|entry| 14 + entry.path.len()).sum::<usize>();
        let len = FOLDER_PREFIX + 2 + path.len() + texts;
        let is_one = len <= MAX_FOLDER_HEAD
            && is_place(path)
            && entries.clone().all(|entry| is_path(entry.path));
        if !is_one {
            return Err(FolderError);
        }
        out.extend(FOLDER_MAGIC);
        out.extend((len as u32).to_le_bytes());
        write_text(path, out);
        for entry in entries {
            write_text(entry.path, out);
            out.extend((entry.mode & !KINDS | entry.kind.bits()).to_le_bytes());
            out.extend(entry.len.to_le_bytes());
        }
        Ok(())
    }

    /// Returns the path of the folder: absolute, in its shortest form.
    pub fn path(&self) -> &'a [u8] {
        self.path
    }

    /// Returns the entries of the folder, the program first.
    pub fn entries(&self) -> FolderEntries<'a> {
        FolderEntries(self.entries)
    }
}

/// The entries of a folder, one after the other.
#[derive(Clone, Debug)]
pub struct FolderEntries<'a>(&'a [u8]);

impl<'a> Iterator for FolderEntries<'a> {
    type Item = FolderEntry<'a>;

    fn next(&mut self) -> Option<FolderEntry<'a>> {
        take_entry(&mut self.0).ok()
    }
}

/// Tells whether a path is absolute, in its shortest form, and of printable ASCII characters without
/// blanks and backslashes. Lists of mounts write such a path as it is.
pub fn is_place(path: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'\\';
    path.strip_prefix(b"/").is_some_and(is_path) && path.iter().all(is_plain)
}

/// Tells whether a path leads to a place below its starting point.
#[inline(never)]
fn is_path(path: &[u8]) -> bool {
    let is_name = |name: &[u8]| {
        !matches!(name, b"" | b"." | b"..") && name.len() <= 255 && !name.contains(&0)
    };
    path.len() <= MAX_PATH && path.split(|byte| *byte == b'/').all(is_name)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], FolderError> {
    let (taken, after) = rest.split_first_chunk().ok_or(FolderError)?;
    *rest = after;
    Ok(*taken)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], FolderError> {
    let len = usize::from(u16::from_le_bytes(take(rest)?));
    let (taken, after) = rest.split_at_checked(len).ok_or(FolderError)?;
    *rest = after;
    Ok(taken)
}

#[inline(never)]
fn take_entry<'a>(rest: &mut &'a [u8]) -> Result<FolderEntry<'a>, FolderError> {
    let path = take_text(rest)?;
    let mode = u32::from_le_bytes(take(rest)?);
    let len = u64::from_le_bytes(take(rest)?);
    let kinds = [FolderKind::File, FolderKind::Folder, FolderKind::Link];
    let kind = kinds.into_iter().find(|kind| kind.bits() == mode & KINDS).ok_or(FolderError)?;
    let fits = match kind {
        FolderKind::File => true,
        FolderKind::Folder => len == 0,
        FolderKind::Link => (1..=MAX_PATH as u64).contains(&len),
    };
    if !is_path(path) || !fits {
        return Err(FolderError);
    }
    Ok(FolderEntry { path, kind, mode: mode & 0o777, len })
}

fn write_text(text: &[u8], out: &mut impl Extend<u8>) {
    out.extend((text.len() as u16).to_le_bytes());
    out.extend(text.iter().copied());
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn entry(path: &str, kind: FolderKind, len: u64) -> FolderEntry<'_> {
        FolderEntry { path: path.as_bytes(), kind, mode: 0o755, len }
    }

    fn written(path: &str, entries: &[FolderEntry<'_>]) -> Result<Vec<u8>, FolderError> {
        let mut out = Vec::new();
        FolderHead::write(path.as_bytes(), entries.iter().copied(), &mut out)?;
        Ok(out)
    }

    #[test]
    fn heads_are_read_as_they_are_written() {
        let entries = [
            entry("app", FolderKind::File, 7),
            entry("lib", FolderKind::Folder, 0),
            entry("lib/a.so", FolderKind::File, 1 << 40),
            entry("lib/b.so", FolderKind::Link, 4),
        ];
        let bytes = written("/opt/app", &entries).unwrap();
        assert_eq!(folder_head_len(*bytes.first_chunk().unwrap()), Ok(bytes.len()));
        let head = FolderHead::parse(&bytes).unwrap();
        assert_eq!(head.path(), b"/opt/app");
        assert!(head.entries().eq(entries));
        for len in 0..bytes.len() {
            // An entry may be missing, but not a part of one.
            let cut = FolderHead::parse(&bytes[..len]).map(|head| head.entries().count());
            assert!(cut.is_err() || cut.is_ok_and(|count| count < 4), "{len}");
        }
    }

    #[test]
    fn what_would_lie_elsewhere_is_refused() {
        let file = |path| [entry(path, FolderKind::File, 1)];
        for path in ["", "..", "a/../b", "/a", "a/", "a//b", "./a", "a\0"] {
            assert!(written("/opt/app", &file(path)).is_err(), "{path:?}");
        }
        for place in ["", "/", "opt", "/opt/", "/opt/../x", "/opt//x", "/o pt", "/o\\pt", "/\u{e4}"]
        {
            assert!(written(place, &file("app")).is_err(), "{place:?}");
        }
        let mut bytes = written("/opt/app", &file("abc")).unwrap();
        let at = bytes.windows(3).rposition(|part| part == b"abc").unwrap();
        bytes[at..][..3].copy_from_slice(b"../");
        assert!(FolderHead::parse(&bytes).is_err());
    }

    #[test]
    fn a_program_comes_first() {
        for first in [
            entry("lib", FolderKind::Folder, 0),
            entry("app", FolderKind::Link, 3),
            entry("bin/app", FolderKind::File, 3),
        ] {
            let bytes = written("/opt/app", &[first, entry("b", FolderKind::File, 3)]).unwrap();
            assert!(FolderHead::parse(&bytes).is_err(), "{first:?}");
        }
        assert!(FolderHead::parse(&written("/opt/app", &[]).unwrap()).is_err());
    }

    #[test]
    fn prefixes_tell_lengths_within_bounds() {
        let prefix = |magic: &[u8], len: u32| {
            let bytes = [magic, &len.to_le_bytes()].concat();
            folder_head_len(bytes.try_into().unwrap())
        };
        assert_eq!(prefix(b"\x7fSCF", 20), Ok(20));
        for (magic, len) in [(b"\x7fELF", 20), (b"\x7fSCF", 7), (b"\x7fSCF", (1 << 20) + 1)] {
            assert_eq!(prefix(magic, len), Err(FolderError));
        }
    }
}
