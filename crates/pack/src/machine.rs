//! Machines that programs can be packed for.

use std::fmt;

use object::elf;

/// A kind of machine: an instruction set, and how wide its addresses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Machine {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
    /// 32-bit ARM with the hard-float EABI.
    Armv7,
    /// 32-bit x86.
    I386,
}

impl Machine {
    /// All of them, by name.
    pub const ALL: [Self; 4] = [Self::Amd64, Self::Arm64, Self::Armv7, Self::I386];

    /// Returns the name, as container platforms have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Armv7 => "armv7",
            Self::I386 => "i386",
        }
    }

    /// Returns the machine of little-endian ELF files with these headers, if it is one of ours.
    pub(crate) fn of(class: elf::FileClass, machine: elf::Machine) -> Option<Self> {
        match (class, machine) {
            (elf::ELFCLASS64, elf::EM_X86_64) => Some(Self::Amd64),
            (elf::ELFCLASS64, elf::EM_AARCH64) => Some(Self::Arm64),
            (elf::ELFCLASS32, elf::EM_ARM) => Some(Self::Armv7),
            (elf::ELFCLASS32, elf::EM_386) => Some(Self::I386),
            _ => None,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
