//! The origin of stubs and inits: whether this build puts them into programs and images.
//!
//! Another version has others. An unknown stub need not be bad. A stub of this build tells nothing of the
//! time to come: somebody can exchange it later.

use std::ops::Range;

use crate::Target;
use crate::program::headers::Elf;
use crate::stub::frame::Frame;
use crate::stub::{inits, stubs};

/// The origin of a stub or an init.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This build has it.
    ThisBuild,
    /// Another version has it, or somebody made or changed it.
    Unknown,
}

/// The most bytes that can be before the payload of a packed program.
pub(crate) const MAX_BEFORE_PAYLOAD: u64 = 1 << 20;

/// Returns the origin of the stub in `before`, the bytes before the payload. `payload` is the payload's place.
/// The headers count too: they say where the program begins to run.
pub(crate) fn origin_of_stub(elf: &Elf, before: &[u8], payload: Range<u64>) -> Origin {
    let len = payload.end.saturating_sub(payload.start);
    match bytes_before(elf.target, len) {
        Some(expected) if expected == before => Origin::ThisBuild,
        _ => Origin::Unknown,
    }
}

/// Returns the bytes that this build puts before a payload of `len` bytes.
fn bytes_before(target: &Target, len: u64) -> Option<Vec<u8>> {
    let stub = stubs().iter().find(|stub| stub.target == target)?;
    let frame = Frame::of(stub).ok()?;
    let rest = frame.around(len).ok()?;
    let mut before = frame.before();
    before.splice(..rest.beginning.len(), rest.beginning);
    Some(before)
}

/// Returns the origin of an init.
pub(crate) fn origin_of_init(bytes: &[u8]) -> Origin {
    match inits().iter().any(|init| init.bytes == bytes) {
        true => Origin::ThisBuild,
        false => Origin::Unknown,
    }
}

/// Returns the length of the longest init, in bytes.
pub(crate) fn longest_init() -> u64 {
    inits().iter().map(|init| init.bytes.len() as u64).max().unwrap_or(0)
}
