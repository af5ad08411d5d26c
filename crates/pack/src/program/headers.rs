//! ELF files as the packer sees them: header and segments, the same for both classes.
//!
//! The input may be any bytes. This module does not decide whether they make a program. System V ABI,
//! "ELF Header" and "Program Header".

use std::ops::Range;

use object::LittleEndian;
use object::elf::{self, FileHeader32, FileHeader64, FileType, ProgramType};
use object::read::ReadRef;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use sealcrate_targets::{Class, Target};
use thiserror::Error;

/// As many program headers as the kernel takes: 64 KiB of them (`load_elf_phdrs`).
const MAX_HEADERS_BYTES: usize = 64 << 10;

/// The longest dynamic section, in bytes. No linker writes a longer one.
const MAX_DYNAMIC_BYTES: u64 = 1 << 20;

/// The headers of a file that begins as an ELF file does.
#[derive(Debug)]
pub(crate) struct Elf {
    pub(crate) target: &'static Target,
    pub(crate) kind: FileType,
    pub(crate) entry: u64,
    pub(crate) segments: Vec<Segment>,
    /// The offset in the file where the last segment or the table of sections ends.
    pub(crate) end: u64,
}

/// One program header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) kind: ProgramType,
    pub(crate) is_executable: bool,
    pub(crate) offset: u64,
    pub(crate) file_size: u64,
    pub(crate) address: u64,
    pub(crate) memory_size: u64,
}

impl Segment {
    /// Returns the range of the segment's bytes in the file.
    pub(crate) fn file_range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.file_size)
    }

    /// Returns the range of the segment's addresses.
    pub(crate) fn addresses(&self) -> Range<u64> {
        self.address..self.address.saturating_add(self.memory_size)
    }
}

impl Elf {
    /// Reads the headers at the beginning of `data`. It checks that the headers are whole, but not that
    /// the file has the parts that they name.
    ///
    /// # Errors
    /// The file ends within its headers, is for a machine that is no target, or is none that the kernel
    /// would start.
    pub(crate) fn read<'data>(data: impl ReadRef<'data>) -> Result<Self, ElfError> {
        // The header of the 32-bit class is the shorter one; both begin alike.
        let header = data.read_at::<FileHeader32<LittleEndian>>(0).map_err(|()| ElfError::Cut)?;
        if header.e_ident.magic != elf::ELFMAG {
            return Err(ElfError::NotElf);
        }
        match (header.e_ident.class, header.e_ident.data) {
            (_, elf::ELFDATA2MSB) => Err(ElfError::BigEndian),
            (elf::ELFCLASS32, elf::ELFDATA2LSB) => {
                Self::read_class::<FileHeader32<LittleEndian>>(data)
            }
            (elf::ELFCLASS64, elf::ELFDATA2LSB) => {
                Self::read_class::<FileHeader64<LittleEndian>>(data)
            }
            _ => Err(ElfError::Malformed("its class or byte order is none that there is")),
        }
    }

    fn read_class<'data, H>(data: impl ReadRef<'data>) -> Result<Self, ElfError>
    where
        H: FileHeader<Endian = LittleEndian>,
    {
        let header = data.read_at::<H>(0).map_err(|()| ElfError::Cut)?;
        let class = header.e_ident().class;
        let machine = header.e_machine(LittleEndian);
        let target = Target::of_program(class.0, machine.0)
            .ok_or_else(|| ElfError::Machine(machine_name(class, machine)))?;
        let kind = header.e_type(LittleEndian);
        let headers = program_headers(header, data)?;
        let segments: Vec<Segment> = headers.iter().map(segment).collect();
        let sections =
            u64::from(header.e_shnum(LittleEndian)) * u64::from(header.e_shentsize(LittleEndian));
        let sections_end = header.e_shoff(LittleEndian).into().saturating_add(sections);
        let loaded = segments.iter().map(|segment| segment.file_range().end).max();
        let end = loaded.unwrap_or(0).max(sections_end);
        Ok(Self { target, kind, entry: header.e_entry(LittleEndian).into(), segments, end })
    }

    /// Returns the segments that are mapped.
    pub(crate) fn loads(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.kind == elf::PT_LOAD)
    }

    /// Returns the first segment of a kind.
    pub(crate) fn segment(&self, kind: ProgramType) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.kind == kind)
    }

    /// Reads the dynamic section: tags and values, up to the end mark.
    ///
    /// # Errors
    /// The section is too long, or not in the file.
    pub(crate) fn dynamic<'data>(
        &self,
        data: impl ReadRef<'data>,
    ) -> Result<Vec<(elf::DynamicTag, u64)>, ElfError> {
        match self.target.class {
            Class::Bits32 => self.dynamic_of::<elf::Dyn32<LittleEndian>>(data),
            Class::Bits64 => self.dynamic_of::<elf::Dyn64<LittleEndian>>(data),
        }
    }

    fn dynamic_of<'data, D>(
        &self,
        data: impl ReadRef<'data>,
    ) -> Result<Vec<(elf::DynamicTag, u64)>, ElfError>
    where
        D: Dyn<Endian = LittleEndian>,
    {
        let Some(segment) = self.segment(elf::PT_DYNAMIC) else { return Ok(Vec::new()) };
        if segment.file_size > MAX_DYNAMIC_BYTES {
            return Err(ElfError::Malformed("its dynamic section is longer than 1 MiB"));
        }
        let count = segment.file_size as usize / size_of::<D>();
        let entries = data.read_slice_at::<D>(segment.offset, count).map_err(|()| ElfError::Cut)?;
        Ok(entries
            .iter()
            .map(|entry| (entry.tag(LittleEndian), entry.val(LittleEndian)))
            .take_while(|(tag, _)| *tag != elf::DT_NULL)
            .collect())
    }

    /// Returns the offset in the file of the byte at `address`.
    pub(crate) fn offset_of(&self, address: u64) -> Option<u64> {
        self.loads().find_map(|segment| {
            let within = address.checked_sub(segment.address)?;
            (within < segment.file_size).then(|| segment.offset.checked_add(within))?
        })
    }
}

fn program_headers<'data, H>(
    header: &H,
    data: impl ReadRef<'data>,
) -> Result<&'data [H::ProgramHeader], ElfError>
where
    H: FileHeader<Endian = LittleEndian>,
{
    let count = usize::from(header.e_phnum(LittleEndian));
    if count == 0 {
        return Ok(&[]);
    }
    let size = size_of::<H::ProgramHeader>();
    if usize::from(header.e_phentsize(LittleEndian)) != size || count * size > MAX_HEADERS_BYTES {
        return Err(ElfError::Malformed("its program headers are none that the kernel takes"));
    }
    data.read_slice_at(header.e_phoff(LittleEndian).into(), count).map_err(|()| ElfError::Cut)
}

fn segment<H: ProgramHeader<Endian = LittleEndian>>(header: &H) -> Segment {
    Segment {
        kind: header.p_type(LittleEndian),
        is_executable: header.p_flags(LittleEndian).0 & elf::PF_X.0 != 0,
        offset: header.p_offset(LittleEndian).into(),
        file_size: header.p_filesz(LittleEndian).into(),
        address: header.p_vaddr(LittleEndian).into(),
        memory_size: header.p_memsz(LittleEndian).into(),
    }
}

/// Names a machine that is no target.
fn machine_name(class: elf::FileClass, machine: elf::Machine) -> String {
    let name = match machine {
        elf::EM_X86_64 => "x86-64 with 32-bit addresses (x32)",
        elf::EM_AARCH64 => "AArch64 with 32-bit addresses",
        elf::EM_RISCV => "RISC-V",
        elf::EM_PPC | elf::EM_PPC64 => "PowerPC",
        elf::EM_MIPS => "MIPS",
        elf::EM_LOONGARCH => "LoongArch",
        elf::EM_BPF => "the kernel's BPF",
        _ => return format!("machine {} of ELF class {}", machine.0, class.0),
    };
    name.to_owned()
}

/// Why bytes are no ELF file that the packer can use.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum ElfError {
    #[error("it is for a big-endian machine")]
    BigEndian,
    #[error("it ends before its headers do")]
    Cut,
    #[error("it is for {0}")]
    Machine(String),
    #[error("{0}")]
    Malformed(&'static str),
    #[error("it is no ELF file")]
    NotElf,
}
