//! How large packed programs are, and how much longer they take to start than the bare ones.

use std::path::Path;

use serde_json::json;

use super::{machine, results};
use xtask::child::Interrupts;

mod made;
mod starts;
mod stubs;
mod table;

/// Packs and starts programs in all forms, in turns.
pub(super) fn measure(
    binary: &Path,
    kept: &Path,
    rounds: u8,
    interrupts: &Interrupts,
) -> anyhow::Result<()> {
    let machine = machine::describe();
    let programs = made::all(kept)?;
    let stubs = stubs::sizes(binary)?;
    let forms = starts::measure(binary, &programs, rounds, interrupts)?;
    let table = table::of(&machine, &stubs, &forms);
    let figures = json!({
        "machine": machine,
        "stub_bytes": stubs,
        "forms": forms.iter().map(starts::Form::to_json).collect::<Vec<_>>(),
    });
    results::publish("-programs", figures, &table)
}
