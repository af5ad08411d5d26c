//! Files that are mapped into memory.

use core::ops::Deref;
use core::{ptr, slice};

use linux_raw_sys::general as linux;

use crate::system::call::call;
use crate::system::errno::Errno;
use crate::system::files::file::File;
use crate::system::memory::{MMAP, unmap};
use crate::system::text::Text;

/// All of a file, as a slice of bytes.
pub struct Mapped {
    place: *mut u8,
    len: usize,
}

impl Mapped {
    /// Maps a file. If somebody cuts the file while it is mapped, a read beyond its end ends the process.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &[u8]) -> Result<Self, Errno> {
        Self::of(&File::open(path)?)
    }

    /// Maps the file at an absolute path, without the `/` before it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open_at_root(path: &[u8]) -> Result<Self, Errno> {
        Self::of(&File::open_text(&Text::of(&[b"/", path])?, linux::O_RDONLY)?)
    }

    fn of(file: &File) -> Result<Self, Errno> {
        let len = usize::try_from(file.descriptor().file_len()?).map_err(|_| Errno::NO_MEMORY)?;
        if len == 0 {
            return Ok(Self { place: ptr::null_mut(), len });
        }
        let arguments =
            [0, len, linux::PROT_READ as usize, linux::MAP_PRIVATE as usize, file.0 as usize, 0];
        // SAFETY: the mapping is new, and nothing lies there.
        let place = unsafe { call(MMAP, arguments) }?;
        Ok(Self { place: place as *mut u8, len })
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: it is mapped, of that length, and nobody writes to it.
        unsafe { slice::from_raw_parts(self.place, self.len) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: it is mapped, of that length, and nobody uses it any more.
            unsafe { unmap(self.place, self.len) };
        }
    }
}
