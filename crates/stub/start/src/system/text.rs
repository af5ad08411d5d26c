//! Texts as the kernel takes them: with a zero at their end.

use core::ffi::CStr;

use super::Errno;

/// The longest path, in bytes, the zero at its end included.
const MAX: usize = 4096;

/// A path or name with a zero at its end.
pub struct Text {
    bytes: [u8; MAX],
    len: usize,
}

impl Text {
    /// Copies a path or name.
    ///
    /// # Errors
    /// It is too long.
    pub fn new(text: &[u8]) -> Result<Self, Errno> {
        Self::of(&[text])
    }

    /// Copies the parts of a path or name, one behind the other.
    ///
    /// # Errors
    /// They are too long.
    // Called at many places, and not worth a copy at each.
    #[inline(never)]
    pub fn of(parts: &[&[u8]]) -> Result<Self, Errno> {
        let mut text = Self { bytes: [0; MAX], len: 0 };
        for part in parts {
            let end = text.len + part.len();
            if end >= MAX {
                return Err(Errno::NAME_TOO_LONG);
            }
            text.bytes[text.len..end].copy_from_slice(part);
            text.len = end;
        }
        Ok(text)
    }

    /// Returns the text with a zero at its end.
    #[inline(never)]
    pub fn as_c_str(&self) -> &CStr {
        // The first zero is behind the text at the latest.
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }

    pub(super) fn place(&self) -> usize {
        self.bytes.as_ptr() as usize
    }
}

/// Writes a number, and returns its digits.
pub fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}
