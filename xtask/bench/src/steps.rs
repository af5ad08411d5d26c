//! The parts that all benches share: their extent, the order of turns, and words about steps.

use anyhow::bail;
use xtask::child::Interrupts;

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All there is.
    Full,
    /// A small part of it, to see whether everything works.
    Quick,
}

impl Extent {
    /// Returns what the names of results end with.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Quick => "-quick",
        }
    }
}

/// The order of a round: each round another one is first.
pub(crate) fn turns(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |i| (i + round) % count)
}

pub(crate) fn check(interrupts: &Interrupts) -> anyhow::Result<()> {
    if interrupts.arrived() {
        bail!("interrupted");
    }
    Ok(())
}

/// Tells of a step at once, so that a bench that is broken off has told something.
#[expect(clippy::print_stderr, reason = "what the user waits for")]
pub(crate) fn tell(what: &str) {
    eprintln!("xtask: {what}");
}
