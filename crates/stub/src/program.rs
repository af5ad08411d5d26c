//! The program in memory: a file without a name in any folder, sealed before it is run.

use core::ffi::CStr;

use linux_raw_sys::general::MFD_EXEC;
use sealcrate_stub_start::system::{Errno, File};
use sealcrate_stub_start::{self as start, Start};

use crate::failure::Failure;

/// The first bytes of every program.
const ELF: &[u8] = b"\x7fELF";

/// The longest name that a file in memory can have, in bytes.
const MAX_NAME: usize = 249;

/// A program that is being written.
pub(crate) struct Program {
    file: File,
}

impl Program {
    /// Makes an empty file in memory, for a program that begins with `bytes`. The file's name is for people
    /// who look at processes.
    pub(crate) fn begin(name: &[u8], bytes: &[u8]) -> Result<Self, Failure> {
        if !bytes.starts_with(ELF) {
            return Err(start::Failure::Content("it holds no program").into());
        }
        let mut buffer = [0; MAX_NAME + 1];
        let name = &name[..name.len().min(MAX_NAME)];
        buffer[..name.len()].copy_from_slice(name);
        let name = CStr::from_bytes_until_nul(&buffer).map_err(|_| start::Failure::Defect)?;
        // Kernels before 6.3 do not know the flag that marks a file for execution.
        let made = match File::in_memory(name, MFD_EXEC) {
            Err(Errno::INVALID) => File::in_memory(name, 0),
            made => made,
        };
        match made {
            Ok(file) => Ok(Self { file }),
            Err(Errno::ACCESS) => Err(Failure::NoExecutableMemory),
            Err(errno) => Err(Failure::Program(errno)),
        }
    }

    /// Becomes the program. Returns only if that fails.
    pub(crate) fn run(self, start: &Start) -> Failure {
        if let Err(errno) = self.file.seal() {
            return Failure::Program(errno);
        }
        let (arguments, environment) = start.lists();
        // SAFETY: `Start::lists` returns such lists.
        let error = match unsafe { self.file.execute(arguments, environment) } {
            // Emulators do not know the call, and some filters forbid it.
            first @ (Errno::NOT_KNOWN | Errno::NOT_PERMITTED | Errno::ACCESS) => {
                // SAFETY: `Start::lists` returns such lists.
                match unsafe { self.file.execute_by_name(arguments, environment) } {
                    Some(error) => error,
                    None => return Failure::NoProc(first),
                }
            }
            error => error,
        };
        match error {
            Errno::NO_ENTRY => Failure::Loader,
            error => Failure::Execute(error),
        }
    }

    /// Appends some bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.descriptor().write(bytes).map_err(Failure::Program)
    }
}
