//! Memory in whole pages: buffers that come from the kernel, are wiped, and go back to it.

use core::ffi::c_char;
use core::ops::{Deref, DerefMut};
use core::{ptr, slice};

use sealcrate_agefile::scrypt::Block;

use crate::system::{self, Errno};

/// A type that has zeros as a value.
///
/// # Safety
/// Zeros are a value of the type, the type has no drop, and its alignment is no more than a page's.
pub unsafe trait Zeros: Copy {
    /// Whether other code has wiped the values before they are dropped.
    const ARE_WIPED: bool;
}

// SAFETY: zero is a number.
unsafe impl Zeros for u8 {
    const ARE_WIPED: bool = false;
}

// SAFETY: zeros are the null pointer.
unsafe impl Zeros for *const c_char {
    const ARE_WIPED: bool = false;
}

// SAFETY: a block consists of numbers, with an alignment of 64.
unsafe impl Zeros for Block {
    // The derivation wipes its blocks, and there can be a GiB of them.
    const ARE_WIPED: bool = true;
}

/// A slice that is wiped when it is dropped.
pub struct Pages<T: Zeros> {
    start: *mut T,
    len: usize,
}

impl<T: Zeros> Pages<T> {
    /// Returns a slice of `len` zeros. `len` is more than 0.
    pub fn new(len: usize) -> Result<Self, Errno> {
        let bytes = len.checked_mul(size_of::<T>()).ok_or(Errno::NO_MEMORY)?;
        Ok(Self { start: system::map(bytes)?.cast(), len })
    }
}

impl<T: Zeros> Pages<T> {
    /// Keeps the slice until the process ends, and never wipes it.
    pub fn leak(self) -> &'static [T] {
        let pages = core::mem::ManuallyDrop::new(self);
        // SAFETY: it is mapped, of that length, initialised, and nobody changes or unmaps it.
        unsafe { slice::from_raw_parts(pages.start, pages.len) }
    }
}

impl<T: Zeros> Deref for Pages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: it is mapped, of that length, and initialised, at first with zeros.
        unsafe { slice::from_raw_parts(self.start, self.len) }
    }
}

impl<T: Zeros> DerefMut for Pages<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and nobody else has it.
        unsafe { slice::from_raw_parts_mut(self.start, self.len) }
    }
}

impl<T: Zeros> Drop for Pages<T> {
    fn drop(&mut self) {
        let bytes = self.len * size_of::<T>();
        // SAFETY: it is mapped, of that length, and nobody uses it any more.
        unsafe {
            if !T::ARE_WIPED {
                ptr::write_bytes(self.start.cast::<u8>(), 0, bytes);
            }
            system::unmap(self.start.cast(), bytes);
        }
    }
}
