//! Programs: the loader, the libraries or the interpreter that a file names.
//!
//! System V ABI, "Program Header" and "Dynamic Section"; execve(2), "Interpreter scripts". A file may be
//! anything at all. The parser skips malformed files, since nobody can start them.

use std::iter;

/// The most bytes of the line that a script begins with. execve(2).
const MAX_LINE: usize = 256;

/// The most libraries, and the most folders, that one file names.
const MAX_NAMES: usize = 1024;

/// A name or a list of folders is not longer than a path.
const MAX_TEXT: usize = 4096;

/// Something that the kernel or a loader takes as a program or library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// An ELF file.
    Elf(Elf),
    /// A script: the path of its interpreter, and the text behind that path.
    Script(Vec<u8>, Vec<u8>),
}

/// The needs of an ELF file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elf {
    /// The number of the machine that it is for.
    pub(crate) machine: u16,
    /// The path of its loader, if it names one.
    pub(crate) loader: Option<Vec<u8>>,
    /// The names of libraries.
    pub(crate) needed: Vec<Vec<u8>>,
    /// The folders that it names to look for them.
    pub(crate) folders: Vec<Vec<u8>>,
}

const LOAD: u32 = 1;
const DYNAMIC: u32 = 2;
const INTERPRETER: u32 = 3;

const NEEDED: u64 = 1;
const STRINGS: u64 = 5;
const RPATH: u64 = 15;
const RUNPATH: u64 = 29;
/// Tags of libraries that a loader takes beside the needed ones: `DT_DEPAUDIT`, `DT_AUDIT`, `DT_AUXILIARY`,
/// `DT_FILTER`.
const BESIDE: [u64; 4] = [0x6fff_fefb, 0x6fff_fefc, 0x7fff_fffd, 0x7fff_ffff];

impl Program {
    /// Tells whether a file that begins so may be one.
    pub(crate) fn may_begin(beginning: &[u8]) -> bool {
        beginning.starts_with(b"\x7fELF") || beginning.starts_with(b"#!")
    }

    /// Parses a file.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        if let Some(script) = bytes.strip_prefix(b"#!") {
            let line = script.split(|byte| *byte == b'\n').next()?;
            let line = line[..line.len().min(MAX_LINE)].trim_ascii();
            let (path, rest) = match line.iter().position(u8::is_ascii_whitespace) {
                Some(at) => (&line[..at], line[at..].trim_ascii()),
                None => (line, &b""[..]),
            };
            return (!path.is_empty()).then(|| Self::Script(path.to_vec(), rest.to_vec()));
        }
        bytes.starts_with(b"\x7fELF").then_some(())?;
        match bytes.get(4..6)? {
            [1, 1] => File { bytes, word: 4 }.parse().map(Self::Elf),
            [2, 1] => File { bytes, word: 8 }.parse().map(Self::Elf),
            _ => None,
        }
    }
}

/// An ELF file. Its addresses have `word` bytes.
struct File<'a> {
    bytes: &'a [u8],
    word: usize,
}

/// One program header.
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    len: u64,
}

impl<'a> File<'a> {
    fn parse(&self) -> Option<Elf> {
        let segments = self.segments()?;
        let machine = self.number::<2>(18)? as u16;
        let mut elf = Elf { machine, ..Elf::default() };
        if let Some(segment) = segments.iter().find(|segment| segment.kind == INTERPRETER) {
            elf.loader = self.text(segment.offset).map(<[u8]>::to_vec);
        }
        let Some(dynamic) = segments.iter().find(|segment| segment.kind == DYNAMIC) else {
            return Some(elf);
        };
        let entries = || self.dynamic(dynamic);
        let address = entries().find(|(tag, _)| *tag == STRINGS)?.1;
        let strings = segments
            .iter()
            .filter(|segment| segment.kind == LOAD)
            .find(|segment| address.checked_sub(segment.address).is_some_and(|at| at < segment.len))
            .and_then(|segment| segment.offset.checked_add(address - segment.address))?;
        for (tag, value) in entries() {
            let text = || strings.checked_add(value).and_then(|at| self.text(at));
            if tag == NEEDED || BESIDE.contains(&tag) {
                elf.needed.extend(text().map(<[u8]>::to_vec));
            } else if matches!(tag, RPATH | RUNPATH) {
                let folders = text().unwrap_or_default().split(|byte| *byte == b':');
                elf.folders.extend(folders.filter(|path| !path.is_empty()).map(<[u8]>::to_vec));
            }
        }
        elf.needed.truncate(MAX_NAMES);
        elf.folders.truncate(MAX_NAMES);
        Some(elf)
    }

    fn segments(&self) -> Option<Vec<Segment>> {
        let is_long = self.word == 8;
        let table = self.address(if is_long { 32 } else { 28 })?;
        let sizes = if is_long { 54 } else { 42 };
        let (size, count) = (self.number::<2>(sizes)?, self.number::<2>(sizes + 2)?);
        let segments = (0..count).map(|number| {
            let at = table.checked_add(number * size)?;
            // The offset comes behind the kind, and in long headers behind the flags too.
            let places = if is_long { [8, 16, 32] } else { [4, 8, 16] };
            let [offset, address, len] =
                places.map(|place| at.checked_add(place).and_then(|at| self.address(at)));
            let kind = self.number::<4>(at)? as u32;
            Some(Segment { kind, offset: offset?, address: address?, len: len? })
        });
        segments.collect()
    }

    /// Returns tags and values of the dynamic section, up to its end.
    fn dynamic(&self, segment: &Segment) -> impl Iterator<Item = (u64, u64)> + use<'_, 'a> {
        let (word, mut at) = (self.word as u64, segment.offset);
        let end = segment.offset.saturating_add(segment.len);
        iter::from_fn(move || {
            let next = at.checked_add(2 * word).filter(|next| *next <= end)?;
            let pair = (self.address(at)?, self.address(at + word)?);
            at = next;
            (pair.0 != 0).then_some(pair)
        })
    }

    fn address(&self, at: u64) -> Option<u64> {
        if self.word == 8 { self.number::<8>(at) } else { self.number::<4>(at) }
    }

    fn number<const N: usize>(&self, at: u64) -> Option<u64> {
        let found = self.from(at)?.get(..N)?;
        Some(found.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Returns the text that begins somewhere and ends with a zero.
    fn text(&self, at: u64) -> Option<&'a [u8]> {
        let rest = self.from(at)?;
        let end = rest.iter().take(MAX_TEXT).position(|byte| *byte == 0)?;
        (end > 0).then(|| &rest[..end])
    }

    fn from(&self, at: u64) -> Option<&'a [u8]> {
        self.bytes.get(usize::try_from(at).ok()?..)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn script(text: &str) -> Option<(String, String)> {
        let text_of = |bytes| String::from_utf8(bytes).unwrap();
        match Program::parse(text.as_bytes())? {
            Program::Script(path, rest) => Some((text_of(path), text_of(rest))),
            Program::Elf(_) => None,
        }
    }

    #[test]
    fn interpreters_of_scripts_are_read() {
        let both = |path: &str, rest: &str| Some((path.to_owned(), rest.to_owned()));
        assert_eq!(script("#!/bin/sh\necho"), both("/bin/sh", ""));
        assert_eq!(
            script("#! /usr/bin/env  -S python3 -u \n"),
            both("/usr/bin/env", "-S python3 -u")
        );
        assert_eq!(script("#!/bin/sh"), both("/bin/sh", ""));
        assert_eq!(script("#!\n/bin/sh"), None);
        assert_eq!(script("echo"), None);
    }

    #[test]
    fn the_program_that_runs_this_test_names_its_loader_and_libraries() {
        let bytes = fs::read("/proc/self/exe").unwrap();
        let Some(Program::Elf(elf)) = Program::parse(&bytes) else { panic!("it is one") };
        assert!(elf.loader.is_some_and(|loader| loader.windows(2).any(|part| part == b"ld")));
        assert!(elf.needed.contains(&b"libc.so.6".to_vec()), "{:?}", elf.needed);
        // The parser skips all files that are cut off or changed.
        for len in (0..bytes.len().min(5000)).chain([bytes.len() / 2]) {
            let _ = Program::parse(&bytes[..len]);
        }
        let mut wild = bytes[..bytes.len().min(1 << 16)].to_vec();
        for at in 4..700 {
            let kept = std::mem::replace(&mut wild[at], 0xff);
            let _ = Program::parse(&wild);
            wild[at] = kept;
        }
    }
}
