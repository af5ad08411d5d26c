//! The frame of a packed program: everything in the file that is not payload.
//!
//! A packed program is its stub with a payload behind it. The header of the payload replaces the stub's
//! last program header, a note. A new table of sections follows the payload. It makes the payload a
//! section, because `strip` removes bytes that are in no section. `docs/formats/packed.md`.

use std::ops::Range;

use object::elf::{
    self, FileHeader32, FileHeader64, ProgramHeader32, ProgramHeader64, SectionHeader32,
    SectionHeader64,
};
use object::pod::{bytes_of_slice, from_bytes_mut, slice_from_bytes_mut};
use object::read::elf::{FileHeader, SectionHeader};
use object::{LittleEndian as LE, U16, U32, U64};
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_targets::{Class as Width, Target};
use thiserror::Error;

use crate::Stub;
use crate::program::headers::{Elf, ElfError, Segment};

/// The names of two sections: one holds the payload, the other the sections' names.
const PAYLOAD_NAME: &[u8] = b".payload\0";
const NAMES_NAME: &[u8] = b".shstrtab\0";

/// The lowest end of a 32-bit address space, less the room that stack and libraries need.
const END_OF_32_BITS: u64 = 0x8000_0000;

/// A stub that a payload can be added to.
#[derive(Debug)]
pub(crate) struct Frame {
    target: &'static Target,
    stub: &'static [u8],
    /// The number of the stub's bytes that are mapped. The payload replaces the bytes behind them.
    stub_len: usize,
    /// The number of the program header that is replaced, from 0.
    place: usize,
    payload_at: u64,
    address: u64,
}

/// The parts of the file that are written once the length of the payload is known.
pub(crate) struct Rest {
    /// The bytes that replace the beginning of the file.
    pub(crate) beginning: Vec<u8>,
    /// The offset of the end in the file.
    pub(crate) end_at: u64,
    /// The bytes that follow the payload.
    pub(crate) end: Vec<u8>,
}

impl Frame {
    /// Takes a stub.
    ///
    /// # Errors
    /// The stub has no place for a payload.
    pub(crate) fn of(stub: &Stub) -> Result<Self, FrameError> {
        let bytes = stub.bytes;
        let elf = Elf::read(bytes)?;
        let place = elf.segments.iter().rposition(|segment| segment.kind == elf::PT_NOTE);
        let place = place.ok_or(FrameError::NoPlace)?;
        // The kernel wants mapped segments in the order of their addresses.
        if elf.segments[place..].iter().any(|segment| segment.kind == elf::PT_LOAD) {
            return Err(FrameError::NoPlace);
        }
        let end_of = |range: fn(&Segment) -> Range<u64>| {
            elf.loads().map(|segment| range(segment).end).max().ok_or(FrameError::NoPlace)
        };
        let file_end = end_of(Segment::file_range)?;
        let stub_len = usize::try_from(file_end).map_err(|_| FrameError::NoPlace)?;
        if stub_len > bytes.len() {
            return Err(FrameError::NoPlace);
        }
        let align = elf.target.page_size;
        Ok(Self {
            target: elf.target,
            stub: bytes,
            stub_len,
            place,
            payload_at: file_end.next_multiple_of(align),
            address: end_of(Segment::addresses)?.next_multiple_of(align),
        })
    }

    /// Returns the bytes before the payload: the stub, and zeros up to the payload.
    pub(crate) fn before(&self) -> Vec<u8> {
        let mut before = self.stub[..self.stub_len].to_vec();
        before.resize(self.payload_at as usize, 0);
        before
    }

    /// Returns the rest of a file whose payload has `len` bytes.
    ///
    /// # Errors
    /// The payload is too long for the addresses of the target.
    pub(crate) fn around(&self, len: u64) -> Result<Rest, FrameError> {
        match self.target.class {
            Width::Bits64 => self.around_class::<FileHeader64<LE>>(len),
            Width::Bits32 => {
                if self.address.saturating_add(len) > END_OF_32_BITS {
                    return Err(FrameError::TooLong(self.target));
                }
                self.around_class::<FileHeader32<LE>>(len)
            }
        }
    }

    fn around_class<C: Class>(&self, len: u64) -> Result<Rest, FrameError> {
        let payload = Placed {
            offset: self.payload_at,
            address: self.address,
            len,
            align: self.target.page_size,
        };
        let mut names = self.section_names::<C>()?.to_vec();
        let payload_name = append(&mut names, PAYLOAD_NAME);
        let names_name = append(&mut names, NAMES_NAME);

        let names_at = payload.offset + payload.len;
        let table_at = (names_at + names.len() as u64).next_multiple_of(8);
        let mut sections = self.mapped_sections::<C>()?;
        sections.push(C::payload_section(payload_name, &payload));
        sections.push(C::names_section(names_name, names_at, names.len() as u64));
        let mut end = names;
        end.resize((table_at - names_at) as usize, 0);
        end.extend_from_slice(bytes_of_slice(&sections));

        let malformed = |()| FrameError::NoPlace;
        let mut beginning = self.stub[..self.stub_len].to_vec();
        let (header, _) = from_bytes_mut::<C>(&mut beginning).map_err(malformed)?;
        header.set_sections(table_at, sections.len() as u16);
        let (headers_at, count) = (header.e_phoff(LE).into(), header.e_phnum(LE).into());
        let headers = beginning.get_mut(headers_at as usize..).ok_or(FrameError::NoPlace)?;
        let (headers, _) =
            slice_from_bytes_mut::<C::ProgramHeader>(headers, count).map_err(malformed)?;
        headers[self.place] = C::payload_header(&payload);
        let used = headers_at as usize + count * size_of::<C::ProgramHeader>();
        beginning.truncate(used.max(size_of::<C>()));
        Ok(Rest { beginning, end_at: names_at, end })
    }

    /// Returns the headers of the stub's sections that are mapped, behind the empty first one.
    fn mapped_sections<C: Class>(&self) -> Result<Vec<C::SectionHeader>, FrameError> {
        let header = C::parse(self.stub).map_err(|_| FrameError::NoPlace)?;
        let all = header.section_headers(LE, self.stub).map_err(|_| FrameError::NoSections)?;
        let is_mapped = |section: &&C::SectionHeader| {
            section.sh_type(LE) == elf::SHT_NULL || section.sh_flags(LE).0 & elf::SHF_ALLOC.0 != 0
        };
        Ok(all.iter().filter(is_mapped).copied().collect())
    }

    fn section_names<C: Class>(&self) -> Result<&'static [u8], FrameError> {
        let header = C::parse(self.stub).map_err(|_| FrameError::NoPlace)?;
        let all = header.section_headers(LE, self.stub).map_err(|_| FrameError::NoSections)?;
        let index =
            header.section_strings_index(LE, self.stub).map_err(|_| FrameError::NoSections)?;
        let names = all.get(index.0).ok_or(FrameError::NoSections)?;
        names.data(LE, self.stub).map_err(|_| FrameError::NoSections)
    }
}

fn append(names: &mut Vec<u8>, name: &[u8]) -> u32 {
    let at = names.len() as u32;
    names.extend_from_slice(name);
    at
}

/// The place of the payload in the file and in memory.
struct Placed {
    offset: u64,
    address: u64,
    len: u64,
    align: u64,
}

/// The headers of a class of ELF files, as they are written. Callers have checked that the numbers fit.
trait Class: FileHeader<Endian = LE> {
    /// Maps the payload, for reading alone.
    fn payload_header(payload: &Placed) -> Self::ProgramHeader;
    /// Makes the payload a section.
    fn payload_section(name: u32, payload: &Placed) -> Self::SectionHeader;
    /// Makes the names of the sections a section.
    fn names_section(name: u32, offset: u64, len: u64) -> Self::SectionHeader;
    /// Sets the place of the table of sections. The last section has the names.
    fn set_sections(&mut self, offset: u64, count: u16);
}

macro_rules! class {
    ($header:ident, $program:ident, $section:ident, $word:ident, $int:ty, $mapped:expr) => {
        impl Class for $header<LE> {
            fn payload_header(payload: &Placed) -> Self::ProgramHeader {
                let address = $word::new(LE, payload.address as $int);
                let len = $word::new(LE, payload.len as $int);
                $program {
                    p_type: U32::new(LE, elf::PT_LOAD),
                    p_flags: U32::new(LE, elf::PF_R),
                    p_offset: $word::new(LE, payload.offset as $int),
                    p_vaddr: address,
                    p_paddr: address,
                    p_filesz: len,
                    p_memsz: len,
                    p_align: $word::new(LE, payload.align as $int),
                }
            }

            fn payload_section(name: u32, payload: &Placed) -> Self::SectionHeader {
                $section {
                    sh_flags: $mapped,
                    sh_addr: $word::new(LE, payload.address as $int),
                    sh_addralign: $word::new(LE, payload.align as $int),
                    sh_type: U32::new(LE, elf::SHT_PROGBITS),
                    ..Self::names_section(name, payload.offset, payload.len)
                }
            }

            fn names_section(name: u32, offset: u64, len: u64) -> Self::SectionHeader {
                $section {
                    sh_name: U32::new(LE, name),
                    sh_type: U32::new(LE, elf::SHT_STRTAB),
                    sh_flags: $word::default(),
                    sh_addr: $word::default(),
                    sh_offset: $word::new(LE, offset as $int),
                    sh_size: $word::new(LE, len as $int),
                    sh_link: U32::default(),
                    sh_info: U32::default(),
                    sh_addralign: $word::new(LE, 1),
                    sh_entsize: $word::default(),
                }
            }

            fn set_sections(&mut self, offset: u64, count: u16) {
                self.e_shoff = $word::new(LE, offset as $int);
                self.e_shentsize = U16::new(LE, size_of::<Self::SectionHeader>() as u16);
                self.e_shnum = U16::new(LE, count);
                self.e_shstrndx = U16::new(LE, elf::SymbolSection(count - 1));
            }
        }
    };
}

class!(
    FileHeader32,
    ProgramHeader32,
    SectionHeader32,
    U32,
    u32,
    U32::new_u64_truncate(LE, elf::SHF_ALLOC)
);
class!(FileHeader64, ProgramHeader64, SectionHeader64, U64, u64, U64::new(LE, elf::SHF_ALLOC));

/// Why a packed program cannot be put together.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The headers of the stub cannot be read.
    #[error("the stub has no place for a payload")]
    NoPlace,
    /// The sections of the stub cannot be read.
    #[error("the stub has no sections")]
    NoSections,
    /// The payload would not fit below the addresses that stack and libraries take.
    #[error("the program is too large to be packed for {0}, whose addresses have 32 bits")]
    TooLong(&'static Target),
}

impl Classified for FrameError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::NoPlace | Self::NoSections | Self::TooLong(_) => Some(ErrorClass::Failure),
        }
    }
}

impl From<ElfError> for FrameError {
    fn from(_: ElfError) -> Self {
        Self::NoPlace
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::target;
    use crate::stubs;

    /// Returns the file that a stub and a payload make.
    fn around(stub: &Stub, payload: &[u8]) -> Vec<u8> {
        let frame = Frame::of(stub).unwrap();
        let mut file = frame.before();
        file.extend_from_slice(payload);
        let rest = frame.around(payload.len() as u64).unwrap();
        assert_eq!(rest.end_at, file.len() as u64);
        file.extend_from_slice(&rest.end);
        file[..rest.beginning.len()].copy_from_slice(&rest.beginning);
        file
    }

    #[test]
    fn payload_is_the_last_segment_and_a_section() {
        assert!(stubs().iter().any(|stub| stub.target.name == "amd64"));
        for stub in stubs() {
            let payload = vec![b'p'; 70_001];
            let file = around(stub, &payload);
            let (before, after) =
                (Elf::read(stub.bytes).unwrap(), Elf::read(file.as_slice()).unwrap());
            assert_eq!((after.target, after.entry), (stub.target, before.entry));
            assert_eq!(after.end, file.len() as u64);
            let (last, others) = after.segments.split_last().unwrap();
            assert_eq!(others, &before.segments[..others.len()], "the other segments");
            let range = last.file_range();
            assert_eq!(&file[range.start as usize..range.end as usize], payload);
            assert_eq!((last.kind, last.is_executable), (elf::PT_LOAD, false));
            let page = stub.target.page_size;
            assert_eq!((last.address % page, last.offset % page), (0, 0));
            let others_end = before.loads().map(|segment| segment.addresses().end).max().unwrap();
            assert!((others_end..others_end + page).contains(&last.address));

            let object = object::read::elf::ElfFile64::<LE>::parse(file.as_slice());
            if let Ok(object) = object {
                use object::{Object, ObjectSection};
                let section = object.section_by_name(".payload").unwrap();
                assert_eq!(section.file_range(), Some((range.start, payload.len() as u64)));
                assert_eq!(section.address(), last.address);
                let object::SectionFlags::Elf { sh_flags, .. } = section.flags() else { panic!() };
                assert_eq!(sh_flags, elf::SHF_ALLOC);
                assert!(object.section_by_name(".text").is_some());
            }
        }
    }

    #[test]
    fn payloads_beyond_32_bits_are_refused() {
        // The same stub, as if it were of another class: the check looks at numbers alone.
        let frame = Frame::of(&stubs()[0]).unwrap();
        let narrow = Frame { target: target("i386"), ..frame };
        let refused = narrow.around(END_OF_32_BITS).map(|_| ()).unwrap_err();
        assert_eq!(refused, FrameError::TooLong(target("i386")));
    }

    #[test]
    fn stubs_without_a_place_are_refused() {
        let bytes: &'static [u8] = crate::fixtures::Made::program(target("amd64")).bytes().leak();
        let refused = Frame::of(&Stub { target: target("amd64"), bytes }).unwrap_err();
        assert_eq!(refused, FrameError::NoPlace);
        // A segment that is mapped after the place would be at a lower address than the payload.
        let mut bytes = stubs()[0].bytes.to_vec();
        let (header, _) = from_bytes_mut::<FileHeader64<LE>>(&mut bytes).unwrap();
        let (at, count) = (header.e_phoff.get(LE) as usize, header.e_phnum.get(LE).into());
        let (headers, _) =
            slice_from_bytes_mut::<ProgramHeader64<LE>>(&mut bytes[at..], count).unwrap();
        headers.reverse();
        let refused =
            Frame::of(&Stub { target: target("amd64"), bytes: bytes.leak() }).unwrap_err();
        assert_eq!(refused, FrameError::NoPlace);
    }
}
