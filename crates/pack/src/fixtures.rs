//! ELF files made by hand, and packed, for tests.

use std::fs::File;

use object::elf;
use sealcrate_targets::{Class, Target};

use crate::{Compression, Openers, Packer, Parameters, Program};

/// A passphrase, and the smallest work factor.
pub(crate) const PASSPHRASE: &[u8] = b"a passphrase";
pub(crate) const LEAST_WORK: u8 = 14;

/// Returns the target of a name.
pub(crate) fn target(name: &str) -> &'static Target {
    Target::named(name).expect("the table has it")
}

/// Returns the program that [`packed`] packs.
pub(crate) fn program() -> Made {
    let code = (0_u32..100_000).flat_map(|i| (i / 3).to_le_bytes()).collect();
    Made { code, ..Made::program(target("amd64")) }
}

/// Packs [`program`].
pub(crate) fn packed(openers: &Openers, compression: Compression) -> File {
    let bytes = program().bytes();
    let program = Program::of(bytes.as_slice()).unwrap();
    let parameters = Parameters::new(1, "BP", b"/run/secrets/bp", b"Hello\n").unwrap();
    let output = tempfile::tempfile().unwrap();
    let packer = Packer { parameters, openers, compression };
    packer.pack(&program, &mut bytes.as_slice(), &output).unwrap();
    output
}

/// Packs [`program`] under [`PASSPHRASE`].
pub(crate) fn packed_under_passphrase(compression: Compression) -> File {
    packed(&Openers::passphrase(PASSPHRASE, LEAST_WORK).unwrap(), compression)
}

/// Reads a file from its beginning.
pub(crate) fn content(mut file: &File) -> Vec<u8> {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Makes a file of bytes.
pub(crate) fn file_of(bytes: &[u8]) -> File {
    use std::io::Write;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// The address at which the file is mapped.
pub(crate) const BASE: u64 = 0x40_0000;

/// The parts of an ELF file. Each file has one executable segment that maps all of it, and the parts that
/// a test adds.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) target: &'static Target,
    pub(crate) kind: elf::FileType,
    pub(crate) interpreter: Option<&'static str>,
    /// Tags of the dynamic section with numbers.
    pub(crate) flags: Vec<(elf::DynamicTag, u64)>,
    /// Tags of the dynamic section with texts.
    pub(crate) texts: Vec<(elf::DynamicTag, &'static str)>,
    /// The first bytes behind the headers.
    pub(crate) code: Vec<u8>,
}

impl Made {
    /// Begins with a static program.
    pub(crate) fn program(target: &'static Target) -> Self {
        Self {
            target,
            kind: elf::ET_EXEC,
            interpreter: None,
            flags: Vec::new(),
            texts: Vec::new(),
            code: b"instructions".to_vec(),
        }
    }

    /// Makes the file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let is_64 = self.target.class == Class::Bits64;
        let (header_len, entry_len) = if is_64 { (64, 56) } else { (52, 32) };
        let has_dynamic = !self.flags.is_empty() || !self.texts.is_empty();
        let count = 1 + usize::from(self.interpreter.is_some()) + usize::from(has_dynamic);
        let mut body = self.code.clone();
        let body_at = (header_len + count * entry_len) as u64;
        let mut headers = Vec::new();
        if let Some(interpreter) = self.interpreter {
            let at = body_at + body.len() as u64;
            body.extend(interpreter.bytes().chain([0]));
            headers.push((elf::PT_INTERP, at, interpreter.len() as u64 + 1));
        }
        if has_dynamic {
            let strings_at = body_at + body.len() as u64;
            let mut strings = vec![0];
            let mut entries = self.flags.clone();
            for (tag, text) in &self.texts {
                entries.push((*tag, strings.len() as u64));
                strings.extend(text.bytes().chain([0]));
            }
            entries.push((elf::DT_STRTAB, BASE + strings_at));
            entries.push((elf::DT_STRSZ, strings.len() as u64));
            entries.push((elf::DT_NULL, 0));
            body.extend(strings);
            let at = body_at + body.len() as u64;
            for (tag, value) in entries {
                word(&mut body, is_64, tag.0 as u64);
                word(&mut body, is_64, value);
            }
            headers.push((elf::PT_DYNAMIC, at, body_at + body.len() as u64 - at));
        }
        headers.insert(0, (elf::PT_LOAD, 0, body_at + body.len() as u64));

        let mut file = b"\x7fELF".to_vec();
        file.extend([if is_64 { 2 } else { 1 }, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        file.extend(self.kind.0.to_le_bytes());
        file.extend(self.target.machine.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        word(&mut file, is_64, BASE + body_at);
        word(&mut file, is_64, header_len as u64);
        word(&mut file, is_64, 0);
        file.extend(0_u32.to_le_bytes());
        for number in [header_len, entry_len, headers.len(), 0, 0, 0] {
            file.extend((number as u16).to_le_bytes());
        }
        for (kind, at, len) in headers {
            file.extend(kind.0.to_le_bytes());
            let flags = (elf::PF_R | elf::PF_X).0.to_le_bytes();
            if is_64 {
                file.extend(flags);
            }
            for number in [at, BASE + at, BASE + at, len, len] {
                word(&mut file, is_64, number);
            }
            if !is_64 {
                file.extend(flags);
            }
            word(&mut file, is_64, 0x1000);
        }
        assert_eq!(file.len() as u64, body_at);
        file.extend(body);
        file
    }
}

fn word(out: &mut Vec<u8>, is_64: bool, number: u64) {
    let bytes = number.to_le_bytes();
    out.extend(if is_64 { &bytes[..] } else { &bytes[..4] });
}
