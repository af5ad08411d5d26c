//! Lists of strings as the kernel takes them: each string ends with a zero, and the list with a null pointer.

use core::ffi::c_char;

use sealcrate_stub_start::{Failure, Pages};

/// A list that is being put together, in memory that stays where it is.
pub(crate) struct Strings {
    pointers: Pages<*const c_char>,
    count: usize,
    bytes: Pages<u8>,
    len: usize,
}

impl Strings {
    /// Makes room for `count` strings. `bytes` is the length of all strings that will be copied, without
    /// their zeros.
    pub(crate) fn new(count: usize, bytes: usize) -> Result<Self, Failure> {
        let no_memory = |_| Failure::Memory("arguments and environment");
        let pointers = Pages::new(count + 1).map_err(no_memory)?;
        let bytes = Pages::new(bytes + count + 1).map_err(no_memory)?;
        Ok(Self { pointers, count: 0, bytes, len: 0 })
    }

    /// Adds a string that has a zero at its end and stays where it is.
    pub(crate) fn add(&mut self, string: *const c_char) {
        self.pointers[self.count] = string;
        self.count += 1;
    }

    /// Adds a copy of a string.
    pub(crate) fn add_copy(&mut self, string: &[u8]) {
        // The memory is full of zeros, so the zero at the string's end is there already.
        let place = &mut self.bytes[self.len..][..string.len() + 1];
        place[..string.len()].copy_from_slice(string);
        let pointer = place.as_ptr().cast();
        self.len += string.len() + 1;
        self.add(pointer);
    }

    /// Returns the strings, without the zeros.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.pointers[..self.count].iter().map(|pointer| {
            // SAFETY: every string in the list ends with a zero, and stays where it is.
            unsafe { core::ffi::CStr::from_ptr(*pointer) }.to_bytes()
        })
    }

    /// Returns the list.
    pub(crate) fn list(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}
