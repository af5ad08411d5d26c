//! The columns of the table.

use core::fmt;

/// A kind of machine that programs can be packed for.
#[derive(Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Target {
    /// Our own name, which people see and type.
    pub name: &'static str,
    /// The architecture in the config of an image. OCI and Docker have the names of Go.
    pub oci: &'static str,
    /// The architecture in the names of Debian's packages.
    pub debian: &'static str,
    /// The width of addresses in its programs. ELF, `EI_CLASS`.
    pub class: Class,
    /// The number of the machine in the header of its programs. ELF, `e_machine`.
    pub machine: u16,
    /// The largest size of a page that its kernels have.
    pub page_size: u64,
    /// Where loaders of libraries look.
    pub libraries: Libraries,
    /// How its stub and its init are built.
    pub toolchain: Toolchain,
}

/// The width of addresses in programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// 32 bits.
    Bits32,
    /// 64 bits.
    Bits64,
}

impl Class {
    /// Returns the number in the header of a program. ELF, `EI_CLASS`.
    pub const fn number(self) -> u8 {
        match self {
            Self::Bits32 => 1,
            Self::Bits64 => 2,
        }
    }
}

/// Where the loaders of a machine look for libraries. ld.so(8).
#[derive(Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Libraries {
    /// The name of Debian's folder for the machine.
    pub triplet: &'static str,
    /// The folders in each folder that may have other builds of a library.
    pub inner_folders: &'static [&'static str],
    /// The name in the names of musl's loader and of its list of folders.
    pub musl: &'static str,
}

/// The tools that build a stub and an init.
#[derive(Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Toolchain {
    /// The compiler's targets: any of them has the `core` that a stub needs.
    pub triples: &'static [&'static str],
    /// GNU's linker.
    pub linker: &'static str,
    /// The switches of the ciphers' code. `--cfg` of the compiler.
    pub cfgs: &'static [&'static str],
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
