//! A buffer for bytes that hold a key.

use std::io::{self, Write};

use serde::Serialize;
use zeroize::Zeroizing;

/// Bytes that are written one after the other. A vector that grows by itself leaves a copy of them
/// behind. This buffer wipes the smaller copy, and in the end itself.
#[derive(Default)]
pub(super) struct SecretBuffer(Zeroizing<Vec<u8>>);

impl SecretBuffer {
    /// Returns `value` as JSON.
    pub(super) fn json(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
        let mut buffer = Self::default();
        serde_json::to_writer(&mut buffer, value).expect("memory can be written");
        buffer.0
    }

    /// Adds one byte.
    pub(super) fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    /// Returns the bytes.
    pub(super) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    fn extend(&mut self, bytes: &[u8]) {
        let len = self.0.len() + bytes.len();
        if len > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * len + 256));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }
}

impl Write for SecretBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_were_written() {
        let mut buffer = SecretBuffer::default();
        let mut expected = Vec::new();
        for len in [0, 1, 300, 10_000] {
            buffer.write_all(&vec![len as u8; len]).unwrap();
            buffer.push(7);
            expected.extend(vec![len as u8; len]);
            expected.push(7);
        }
        assert_eq!(*buffer.into_bytes(), expected);
        assert_eq!(&**SecretBuffer::json(&["a", "\""]), br#"["a","\""]"#);
    }
}
