//! Open files: how they are opened, read, written and sealed.

use core::ffi::CStr;
use core::marker::PhantomData;

use linux_raw_sys::general as linux;

use crate::system::call::call;
use crate::system::errno::Errno;
use crate::system::signal_set::{SIGNAL_SET, Signal, set_of};
use crate::system::text::Text;

/// Standard error.
pub const STDERR: Descriptor<'static> = Descriptor(2, PhantomData);

/// Standard input.
pub const STDIN: Descriptor<'static> = Descriptor(0, PhantomData);

/// The number of the call that changes an open file.
#[cfg(target_pointer_width = "64")]
pub(in crate::system) const FCNTL: u32 = linux::__NR_fcntl;
#[cfg(target_pointer_width = "32")]
pub(in crate::system) const FCNTL: u32 = linux::__NR_fcntl64;

/// An open file that its owner closes.
#[derive(Clone, Copy)]
pub struct Descriptor<'f>(pub(in crate::system) i32, PhantomData<&'f File>);

/// A file that is open until it is dropped.
pub struct File(pub(in crate::system) i32);

impl File {
    /// Opens a file for reading.
    pub fn open(path: &[u8]) -> Result<Self, Errno> {
        Self::open_with(path, linux::O_RDONLY)
    }

    /// Opens a terminal, without making it the controlling one.
    pub fn open_terminal(path: &[u8]) -> Result<Self, Errno> {
        Self::open_with(path, linux::O_RDWR | linux::O_NOCTTY)
    }

    fn open_with(path: &[u8], flags: u32) -> Result<Self, Errno> {
        Self::open_text(&Text::new(path)?, flags)
    }

    pub(in crate::system) fn open_text(path: &Text, flags: u32) -> Result<Self, Errno> {
        let flags = (flags | linux::O_CLOEXEC) as usize;
        let arguments = [linux::AT_FDCWD as usize, path.place(), flags, 0];
        // SAFETY: the path ends with a zero.
        let fd = unsafe { call(linux::__NR_openat, arguments) }?;
        Ok(Self(fd as i32))
    }

    /// Makes a file in memory that can be executed and sealed.
    pub fn in_memory(name: &CStr, flags: u32) -> Result<Self, Errno> {
        let flags = flags | linux::MFD_CLOEXEC | linux::MFD_ALLOW_SEALING;
        // SAFETY: the name ends with a zero.
        let fd =
            unsafe { call(linux::__NR_memfd_create, [name.as_ptr() as usize, flags as usize]) }?;
        Ok(Self(fd as i32))
    }

    /// Makes a file that signals are read from.
    pub fn of_signals(signals: &[Signal]) -> Result<Self, Errno> {
        let set = set_of(signals);
        let arguments =
            [usize::MAX, &raw const set as usize, SIGNAL_SET, linux::O_CLOEXEC as usize];
        // SAFETY: the set has the length that the kernel is told.
        let fd = unsafe { call(linux::__NR_signalfd4, arguments) }?;
        Ok(Self(fd as i32))
    }

    /// Returns the file for code that uses it and does not close it.
    pub fn descriptor(&self) -> Descriptor<'_> {
        Descriptor(self.0, PhantomData)
    }

    /// Goes to a place in the file, counted from its beginning.
    pub fn seek(&self, place: u64) -> Result<(), Errno> {
        #[cfg(target_pointer_width = "64")]
        // SAFETY: no argument points to memory.
        let sought = unsafe { call(linux::__NR_lseek, [self.0 as usize, place as usize, 0]) };
        #[cfg(target_pointer_width = "32")]
        let sought = {
            let mut found = 0_u64;
            let (high, low) = ((place >> 32) as usize, place as usize);
            let arguments = [self.0 as usize, high, low, &raw mut found as usize, 0];
            // SAFETY: the kernel writes no more than the number.
            unsafe { call(linux::__NR__llseek, arguments) }
        };
        sought.map(drop)
    }

    /// Forbids every change of a file in memory, for good.
    pub fn seal(&self) -> Result<(), Errno> {
        let seals =
            linux::F_SEAL_SEAL | linux::F_SEAL_SHRINK | linux::F_SEAL_GROW | linux::F_SEAL_WRITE;
        let arguments = [self.0 as usize, linux::F_ADD_SEALS as usize, seals as usize];
        // SAFETY: no argument points to memory.
        unsafe { call(FCNTL, arguments) }.map(drop)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: no argument points to memory, and nobody has the number any more.
        let _ = unsafe { call(linux::__NR_close, [self.0 as usize]) };
    }
}

impl Descriptor<'_> {
    /// Reads some bytes, and returns their number: 0 at the end.
    pub fn read(self, buffer: &mut [u8]) -> Result<usize, Errno> {
        loop {
            let arguments = [self.0 as usize, buffer.as_mut_ptr() as usize, buffer.len()];
            // SAFETY: the buffer has the length that the kernel is told.
            match unsafe { call(linux::__NR_read, arguments) } {
                Err(Errno::INTERRUPTED) => {}
                done => return done,
            }
        }
    }

    /// Writes all bytes.
    pub fn write(self, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let arguments = [self.0 as usize, bytes.as_ptr() as usize, bytes.len()];
            // SAFETY: there are as many bytes as the kernel is told.
            match unsafe { call(linux::__NR_write, arguments) } {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(Errno::INTERRUPTED) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Skips `count` bytes, which are zeros then.
    pub fn skip(self, count: usize) -> Result<(), Errno> {
        let from_here = linux::SEEK_CUR as usize;
        #[cfg(target_pointer_width = "64")]
        // SAFETY: no argument points to memory.
        let done = unsafe { call(linux::__NR_lseek, [self.0 as usize, count, from_here]) };
        #[cfg(target_pointer_width = "32")]
        let done = {
            let mut end = 0_u64;
            let arguments = [self.0 as usize, 0, count, &raw mut end as usize, from_here];
            // SAFETY: the kernel writes a number of this size.
            unsafe { call(linux::__NR__llseek, arguments) }
        };
        done.map(drop)
    }
}
