//! Known stubs and inits: the ones that this build puts into programs and images.
//!
//! Another version has others. An unknown stub need not be bad, and somebody can exchange a known one later.

use std::ops::Range;

use crate::program::headers::Elf;
use crate::stub::frame::Frame;
use crate::stub::{inits, stubs};

/// The most bytes that can be before the payload of a packed program.
pub(crate) const MAX_BEFORE_PAYLOAD: u64 = 1 << 20;

/// Tells whether `before`, the bytes before the payload, are a stub of this build. `payload` is the payload's
/// place. The headers count too: they say where the program begins to run.
pub(crate) fn is_known_stub(elf: &Elf, before: &[u8], payload: Range<u64>) -> bool {
    let Some(stub) = stubs().iter().find(|stub| stub.target == elf.target) else { return false };
    let Ok(frame) = Frame::of(stub) else { return false };
    let Ok(rest) = frame.around(payload.end.saturating_sub(payload.start)) else { return false };
    let mut expected = frame.before();
    expected.splice(..rest.beginning.len(), rest.beginning);
    expected == before
}

/// Tells whether a file is an init of this build.
pub(crate) fn is_known_init(bytes: &[u8]) -> bool {
    inits().iter().any(|init| init.bytes == bytes)
}

/// Returns the length of the longest init, in bytes.
pub(crate) fn longest_init() -> u64 {
    inits().iter().map(|init| init.bytes.len() as u64).max().unwrap_or(0)
}
