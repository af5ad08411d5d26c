//! Inputs of several parts.

/// The most parts that are taken.
const MAX_PARTS: usize = 12;

/// Splits `bytes` into parts: each a length of two bytes, the lower one first, and so many bytes.
///
/// The end of the input may cut off a part, so that every input has a meaning.
pub(crate) fn parts(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let ([low, high, rest @ ..], true) = (bytes, parts.len() < MAX_PARTS) {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (part, after) = rest.split_at(len);
        parts.push(part);
        bytes = after;
    }
    parts
}
