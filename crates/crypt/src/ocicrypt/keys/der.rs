//! Elements of DER, as PKCS#7 and certificates have them: a reader that takes what other tools write
//! in a form of their own, too, and a writer.
//!
//! Lengths are definite and shorter than 4 GiB, tags of one byte. ITU-T X.690.

use pkcs8::der::{Encode as _, Length};
use zeroize::Zeroizing;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Writes an element whose content is `parts`.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let len = Length::try_from(len).expect("keys and their messages are short");
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 8));
    // ocicrypt writes a SEQUENCE that is marked as primitive: a tag that the library does not write.
    bytes.push(tag);
    len.encode_to_vec(&mut bytes).expect("memory takes all bytes");
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// Elements, one after the other.
pub(crate) struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    /// Reads the content of an element.
    pub(crate) fn new(content: &'d [u8]) -> Self {
        Self(content)
    }

    /// Reads the content of the only element of `bytes`, if it has this tag.
    pub(crate) fn of(bytes: &'d [u8], tag: u8) -> Option<Self> {
        let mut outer = Self(bytes);
        let content = outer.next(tag)?;
        outer.is_empty().then_some(Self(content))
    }

    /// Takes the content of the next element, if it has this tag.
    pub(crate) fn next(&mut self, tag: u8) -> Option<&'d [u8]> {
        if self.0.first() != Some(&tag) {
            return None;
        }
        self.next_any().map(|(_, content)| content)
    }

    /// Takes the tag and the content of the next element.
    pub(crate) fn next_any(&mut self) -> Option<(u8, &'d [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut len = usize::from(first);
        if first >= 0x80 {
            let count = usize::from(first & 0x7f);
            let (digits, behind) = rest.split_at_checked(count)?;
            // An indefinite length has no digits, a definite one no zero before them.
            if count > 4 || digits.first().is_none_or(|&top| top == 0) {
                return None;
            }
            len = digits.iter().fold(0, |len, &digit| len << 8 | usize::from(digit));
            rest = behind;
        }
        let (content, behind) = rest.split_at_checked(len)?;
        self.0 = behind;
        Some((tag, content))
    }

    /// Passes over the next element, if it has this tag.
    pub(crate) fn skip(mut self, tag: u8) -> Option<Self> {
        self.next(tag)?;
        Some(self)
    }

    /// Tells whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_lengths_that_lie_are_not() {
        for len in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![9; len];
            let written = element(OCTET_STRING, &[&content]);
            assert_eq!(Reader::new(&written).next(OCTET_STRING), Some(&content[..]));
            assert_eq!(Reader::new(&written).next(SEQUENCE), None);
            assert!(Reader::of(&[&written[..], &[0]].concat(), OCTET_STRING).is_none());
        }
        for bytes in [&[4][..], &[4, 1], &[4, 0x80, 0, 0], &[4, 0x81, 0], &[4, 0x85, 1, 0, 0, 0, 0]]
        {
            assert_eq!(Reader::new(bytes).next_any(), None, "{bytes:?}");
        }
    }

    #[test]
    fn lengths_are_written_as_der_wants_them() {
        assert_eq!(element(4, &[&[9; 128]])[..3], [4, 0x81, 128]);
        assert_eq!(element(4, &[&[9; 256], &[8; 1]])[..4], [4, 0x82, 1, 1]);
    }
}
