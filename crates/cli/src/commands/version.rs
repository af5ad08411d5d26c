//! `sealcrate --version --verbose`: the version, and which machines this build has stubs for.
//!
//! Two builds of one version may differ in that.

use anyhow::Result;
use sealcrate_pack::{missing_targets, stubs};

use super::print_line;

/// Prints it.
pub(crate) fn run() -> Result<()> {
    let there = stubs().iter().map(|stub| stub.target.name);
    let missing = missing_targets().map(|target| target.name);
    print_line(&format!(
        "sealcrate {}\nstubs: {}\nstubs that are not in this build: {}",
        env!("CARGO_PKG_VERSION"),
        listed(there),
        listed(missing)
    ))
}

fn listed(names: impl Iterator<Item = &'static str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
