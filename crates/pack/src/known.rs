//! Known stubs and inits: whether what runs first is what this build puts there.
//!
//! Another version has others. What is unknown need not be bad, and what is known can be exchanged later.

use std::ops::Range;

use crate::elf::Elf;
use crate::frame::Frame;
use crate::stubs::{inits, stubs};

/// The longest that can be before the payload of a packed program, in bytes.
pub(crate) const MAX_BEFORE_PAYLOAD: u64 = 1 << 20;

/// Tells whether a packed program is one of our stubs up to its payload, whose place is `payload`. Its headers
/// count too: they say where it begins to run.
pub(crate) fn is_known_stub(elf: &Elf, before: &[u8], payload: Range<u64>) -> bool {
    let Some(stub) = stubs().iter().find(|stub| stub.target == elf.target) else { return false };
    let Ok(frame) = Frame::of(stub) else { return false };
    let Ok(rest) = frame.around(payload.end.saturating_sub(payload.start)) else { return false };
    let mut expected = frame.before();
    expected.splice(..rest.beginning.len(), rest.beginning);
    expected == before
}

/// Tells whether a file is one of our inits.
pub(crate) fn is_known_init(bytes: &[u8]) -> bool {
    inits().iter().any(|init| init.bytes == bytes)
}

/// Returns the length of the longest init, in bytes.
pub(crate) fn longest_init() -> u64 {
    inits().iter().map(|init| init.bytes.len() as u64).max().unwrap_or(0)
}
