//! Programs: which files can be packed, and the properties that packing needs to know.
//!
//! Every ELF file that the kernel would start is a program. The error for another file tells the kind
//! of the file, so that the message can say what to do instead.

pub(crate) mod headers;
pub(crate) mod own_file;
pub(crate) mod privileges;

use std::fs::File;
use std::io;

use object::elf::{self, DynamicTag};
use object::read::{ReadCache, ReadRef};
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use crate::Target;
use crate::program::headers::{Elf, ElfError, Segment};

/// The first bytes of a payload.
const MAGIC: [u8; 8] = *b"sealpack";

/// The number of bytes of a run path that are searched.
const MAX_RUN_PATH: u64 = 64 << 10;

/// The names that the dynamic linker replaces with the program's folder.
const ORIGIN: [&[u8]; 2] = [b"$ORIGIN", b"${ORIGIN}"];

/// A file that can be packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    target: &'static Target,
    len: u64,
    run_path: Option<String>,
}

impl Program {
    /// Reads the program in `file`, from any position of the file. The position changes.
    ///
    /// # Errors
    /// The file is no program, or one that cannot be packed.
    pub fn read(file: &File) -> Result<Self, ProgramError> {
        if !file.metadata()?.is_file() {
            return Err(ProgramError::NotAFile);
        }
        Self::of(&ReadCache::new(file))
    }

    /// Reads the program in the bytes `data`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn of<'data>(data: impl ReadRef<'data>) -> Result<Self, ProgramError> {
        let unreadable = |()| ProgramError::Io(io::Error::other("the file cannot be read"));
        let len = data.len().map_err(unreadable)?;
        if len == 0 {
            return Err(ProgramError::Empty);
        }
        let head = data.read_bytes_at(0, len.min(64)).map_err(unreadable)?;
        if let Some(other) = other_than_elf(head) {
            return Err(other);
        }
        let elf = Elf::read(data).map_err(|error| match error {
            ElfError::Cut => ProgramError::Truncated { len },
            other => ProgramError::from(other),
        })?;
        if elf.end > len {
            return Err(ProgramError::Truncated { len });
        }
        check_kind(&elf, data)?;
        let is_entry =
            |segment: &Segment| segment.is_executable && segment.addresses().contains(&elf.entry);
        if !elf.loads().any(is_entry) {
            return Err(ProgramError::Malformed("its entry point is not in an executable segment"));
        }
        if elf.loads().any(|segment| is_payload(data, segment.offset)) {
            return Err(ProgramError::AlreadyPacked);
        }
        let run_path = run_path_of_its_own(&elf, data)?;
        Ok(Self { target: elf.target, len, run_path })
    }

    /// Returns the target that the program runs on.
    pub fn target(&self) -> &'static Target {
        self.target
    }

    /// Returns the length of the program in bytes.
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Returns the run path or the library name that leads to the program's own folder, if there is one.
    /// A packed program does not lie in a folder any more, so it does not find libraries there.
    pub fn run_path(&self) -> Option<&str> {
        self.run_path.as_deref()
    }
}

/// Returns the error for a file that is no ELF file. The first bytes tell the kind of the file.
fn other_than_elf(head: &[u8]) -> Option<ProgramError> {
    let what = match head {
        [b'#', b'!', rest @ ..] => {
            let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let interpreter = String::from_utf8_lossy(line).trim().to_owned();
            return Some(ProgramError::Script { interpreter });
        }
        [0x7f, b'E', b'L', b'F', ..] => return None,
        [b'M', b'Z', ..] => "a Windows or EFI program",
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => {
            "a macOS program or Java class"
        }
        [0x1f, 0x8b, ..] => "a gzip file",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "a zstd file",
        [b'P', b'K', 3, 4, ..] => "a zip or jar file",
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => "an archive of object files",
        [0, b'a', b's', b'm', ..] => "a WebAssembly module",
        _ => "no ELF file",
    };
    Some(ProgramError::NotElf(what))
}

/// Refuses ELF files that are something else than programs.
///
/// A position-independent program has the type of a shared library. Linkers mark it as a program. Older
/// linkers had no such mark: they gave the program an interpreter, and no name as a library. A library
/// may have an interpreter too: the C library has one, and prints its version when you start it. System
/// V ABI, "Dynamic Section"; `DF_1_PIE` in glibc's `elf.h`.
fn check_kind<'data>(elf: &Elf, data: impl ReadRef<'data>) -> Result<(), ProgramError> {
    match elf.kind {
        elf::ET_EXEC => return Ok(()),
        elf::ET_DYN => {}
        elf::ET_REL => return Err(ProgramError::ObjectFile),
        elf::ET_CORE => return Err(ProgramError::CoreDump),
        _ => return Err(ProgramError::Malformed("it is of no type that there is")),
    }
    let dynamic = elf.dynamic(data)?;
    let has = |tag| dynamic.iter().any(|&(other, _)| other == tag);
    let is_marked =
        dynamic.iter().any(|&(tag, flags)| tag == elf::DT_FLAGS_1 && flags & elf::DF_1_PIE.0 != 0);
    let is_old = elf.segment(elf::PT_INTERP).is_some() && !has(elf::DT_SONAME);
    if is_marked || is_old { Ok(()) } else { Err(ProgramError::SharedLibrary) }
}

/// Returns the text of the dynamic section that names the program's own folder, if there is one.
fn run_path_of_its_own<'data>(
    elf: &Elf,
    data: impl ReadRef<'data>,
) -> Result<Option<String>, ProgramError> {
    const NAMING: [DynamicTag; 3] = [elf::DT_RPATH, elf::DT_RUNPATH, elf::DT_NEEDED];
    let dynamic = elf.dynamic(data)?;
    let value = |tag| dynamic.iter().find(|&&(other, _)| other == tag).map(|&(_, value)| value);
    let Some(strings) = value(elf::DT_STRTAB).and_then(|address| elf.offset_of(address)) else {
        return Ok(None);
    };
    let size = value(elf::DT_STRSZ).unwrap_or(0);
    let texts = dynamic.iter().filter(|(tag, _)| NAMING.contains(tag)).filter_map(|&(_, at)| {
        let len = size.checked_sub(at)?.min(MAX_RUN_PATH);
        let bytes = data.read_bytes_at(strings.checked_add(at)?, len).ok()?;
        bytes.split(|&byte| byte == 0).next()
    });
    let names_origin = |text: &&[u8]| {
        ORIGIN.iter().any(|origin| text.windows(origin.len()).any(|part| part == *origin))
    };
    Ok(texts.into_iter().find(names_origin).map(|text| String::from_utf8_lossy(text).into_owned()))
}

/// Tells whether a payload begins at `offset`.
fn is_payload<'data>(data: impl ReadRef<'data>, offset: u64) -> bool {
    data.read_bytes_at(offset, MAGIC.len() as u64).is_ok_and(|bytes| bytes == MAGIC)
}

/// Why a file cannot be packed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The file is a packed program.
    #[error("the program is packed already")]
    AlreadyPacked,
    /// Its numbers are stored with the highest byte first.
    #[error("the program is for a big-endian machine")]
    BigEndian,
    /// The memory of a program that crashed.
    #[error("it is a core dump, not a program")]
    CoreDump,
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// Reading failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is no stub for its machine, and none is planned.
    #[error("the program is for {0}")]
    Machine(String),
    /// The kernel would not start it.
    #[error("the program is malformed: {0}")]
    Malformed(&'static str),
    /// A folder, a device or the like.
    #[error("it is not a regular file")]
    NotAFile,
    /// A file of another kind.
    #[error("it is {0}, not a program for Linux")]
    NotElf(&'static str),
    /// The output of a compiler, which a linker makes into a program.
    #[error("it is an object file, not a program")]
    ObjectFile,
    /// Text that an interpreter runs.
    #[error("it is a script for {interpreter}, not a program")]
    Script {
        /// The interpreter that the first line names, with its arguments.
        interpreter: String,
    },
    /// A library that programs are linked to.
    #[error("it is a shared library, not a program")]
    SharedLibrary,
    /// The end is missing.
    #[error("the program is cut off: its headers name more than the {len} bytes that there are")]
    Truncated {
        /// The number of bytes that there are.
        len: u64,
    },
}

impl Classified for ProgramError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::AlreadyPacked
            | Self::BigEndian
            | Self::CoreDump
            | Self::Empty
            | Self::Machine(_)
            | Self::Malformed(_)
            | Self::NotAFile
            | Self::NotElf(_)
            | Self::ObjectFile
            | Self::Script { .. }
            | Self::SharedLibrary
            | Self::Truncated { .. } => Some(ErrorClass::Failure),
            Self::Io(_) => None,
        }
    }
}

impl From<ElfError> for ProgramError {
    fn from(error: ElfError) -> Self {
        match error {
            ElfError::BigEndian => Self::BigEndian,
            ElfError::Cut => Self::Malformed("its headers name what is not in the file"),
            ElfError::Machine(name) => Self::Machine(name),
            ElfError::Malformed(text) => Self::Malformed(text),
            ElfError::NotElf => Self::NotElf("no ELF file"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealcrate_targets::TARGETS;

    use crate::fixtures::{Made, target};

    fn read(made: &Made) -> Result<Program, ProgramError> {
        Program::of(made.bytes().as_slice())
    }

    fn refused(bytes: &[u8]) -> String {
        Program::of(bytes).unwrap_err().to_string()
    }

    /// A position-independent program, as linkers mark it.
    fn pie() -> Made {
        Made {
            kind: elf::ET_DYN,
            flags: vec![(elf::DT_FLAGS_1, elf::DF_1_PIE.0)],
            ..Made::program(target("amd64"))
        }
    }

    #[test]
    fn programs_of_every_target_and_kind_are_taken() {
        for target in &TARGETS {
            let made = Made::program(target);
            let program = read(&made).unwrap();
            assert_eq!(program.target(), target);
            assert_eq!(program.size(), made.bytes().len() as u64);
            assert_eq!(program.run_path(), None);
            let made = Made { target, ..pie() };
            assert_eq!(read(&made).unwrap().target(), target, "static-PIE");
            let interpreter = Some("/lib/ld.so");
            let made = Made { target, interpreter, ..pie() };
            assert_eq!(read(&made).unwrap().target(), target, "PIE");
            let made = Made { interpreter, ..Made::program(target) };
            assert_eq!(read(&made).unwrap().target(), target, "dynamic");
        }
        // Older linkers set no mark.
        let old = Made { interpreter: Some("/lib/ld.so"), flags: Vec::new(), ..pie() };
        assert!(read(&old).is_ok());
    }

    #[test]
    fn this_very_program_is_taken_from_its_file() {
        let file = File::open("/proc/self/exe").unwrap();
        let program = Program::read(&file).unwrap();
        assert_eq!(program.size(), file.metadata().unwrap().len());
    }

    #[test]
    fn shared_libraries_are_refused_with_an_interpreter_too() {
        let library = Made { flags: vec![(elf::DT_FLAGS_1, 1)], ..pie() };
        let named = Made { texts: vec![(elf::DT_SONAME, "libx.so.1")], ..library.clone() };
        let started = Made { interpreter: Some("/lib/ld.so"), ..named.clone() };
        for made in [library, named, started] {
            assert!(matches!(read(&made), Err(ProgramError::SharedLibrary)));
        }
    }

    #[test]
    fn other_elf_files_are_refused_by_name() {
        let of_kind = |kind| read(&Made { kind, ..Made::program(target("amd64")) });
        assert!(matches!(of_kind(elf::ET_REL), Err(ProgramError::ObjectFile)));
        assert!(matches!(of_kind(elf::ET_CORE), Err(ProgramError::CoreDump)));
        assert!(matches!(of_kind(elf::ET_NONE), Err(ProgramError::Malformed(_))));
        let mut bytes = Made::program(target("amd64")).bytes();
        bytes[0x12..0x14].copy_from_slice(&elf::EM_RISCV.0.to_le_bytes());
        assert_eq!(refused(&bytes), "the program is for RISC-V");
        bytes[5] = 2;
        assert!(matches!(Program::of(&*bytes), Err(ProgramError::BigEndian)));
        let mut bytes = Made::program(target("i386")).bytes();
        bytes[0x12..0x14].copy_from_slice(&elf::EM_X86_64.0.to_le_bytes());
        assert!(refused(&bytes).contains("x32"));
    }

    #[test]
    fn what_is_no_elf_file_is_refused_by_name() {
        assert_eq!(refused(b""), "the file is empty");
        let script = refused(b"#! /usr/bin/env python3\nprint()\n");
        assert_eq!(script, "it is a script for /usr/bin/env python3, not a program");
        assert_eq!(refused(b"MZ\x90"), "it is a Windows or EFI program, not a program for Linux");
        assert_eq!(refused(b"hello"), "it is no ELF file, not a program for Linux");
        let folder = tempfile::tempdir().unwrap();
        let folder = File::open(folder.path()).unwrap();
        assert!(matches!(Program::read(&folder), Err(ProgramError::NotAFile)));
    }

    #[test]
    fn cut_off_programs_are_refused_at_every_length() {
        for made in [Made::program(target("armv7")), pie()] {
            let bytes = made.bytes();
            for len in 4..bytes.len() {
                let error = Program::of(&bytes[..len]).unwrap_err();
                assert!(matches!(
                    error,
                    ProgramError::Truncated { .. } | ProgramError::Malformed(_)
                ));
            }
        }
        // The kernel does not need the sections at a start, but they are part of the file.
        let mut bytes = Made::program(target("amd64")).bytes();
        let len = bytes.len() as u64;
        bytes[0x28..0x30].copy_from_slice(&len.to_le_bytes());
        bytes[0x3a..0x3e].copy_from_slice(&[64, 0, 1, 0]);
        assert!(matches!(Program::of(&*bytes), Err(ProgramError::Truncated { .. })));
        bytes.extend([0; 64]);
        assert!(Program::of(&*bytes).is_ok());
    }

    #[test]
    fn an_entry_point_that_is_nowhere_is_refused() {
        let mut bytes = Made::program(target("amd64")).bytes();
        bytes[0x18] ^= 0xff;
        bytes[0x1c] ^= 0xff;
        assert!(refused(&bytes).contains("entry point"));
        let mut bytes = Made::program(target("amd64")).bytes();
        bytes[0x44] &= !1;
        assert!(refused(&bytes).contains("entry point"));
    }

    #[test]
    fn packed_programs_are_refused() {
        let mut bytes = Made::program(target("amd64")).bytes();
        // A second segment, of the payload alone.
        let segment = bytes[0x40..0x78].to_vec();
        bytes[0x38] = 2;
        let at = bytes.len() as u64 + 56;
        bytes.splice(0x78..0x78, segment);
        bytes[0x80..0x88].copy_from_slice(&at.to_le_bytes());
        bytes[0x98..0xa0].copy_from_slice(&8_u64.to_le_bytes());
        bytes.extend(MAGIC);
        assert!(matches!(Program::of(&*bytes), Err(ProgramError::AlreadyPacked)));
    }

    #[test]
    fn libraries_beside_the_program_are_told() {
        let with = |tag, text| Made { texts: vec![(tag, text)], ..pie() };
        for tag in [elf::DT_RPATH, elf::DT_RUNPATH, elf::DT_NEEDED] {
            for text in ["$ORIGIN/../lib", "/lib:${ORIGIN}"] {
                assert_eq!(read(&with(tag, text)).unwrap().run_path(), Some(text));
            }
        }
        assert_eq!(read(&with(elf::DT_RUNPATH, "/opt/ORIGIN")).unwrap().run_path(), None);
        assert_eq!(read(&with(elf::DT_SONAME, "$ORIGIN")).unwrap().run_path(), None);
    }

    #[test]
    fn wild_numbers_are_refused_or_bounded() {
        let dynamic = Made { texts: vec![(elf::DT_RUNPATH, "$ORIGIN")], ..pie() };
        for made in [dynamic, Made::program(target("i386"))] {
            let bytes = made.bytes();
            for place in 4..bytes.len() {
                for value in [0, 0x7f, 0xff] {
                    let mut bytes = bytes.clone();
                    bytes[place] = value;
                    // Any result will do: it must not panic.
                    let _ = Program::of(&*bytes);
                }
            }
        }
    }
}
