//! How large the stubs are, as the binary tells it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// Returns the size in bytes of the stub for each target that the binary has.
pub(super) fn sizes(sealcrate: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let output = Command::new(sealcrate).args(["pack", "--list-targets"]).output()?;
    ensure!(output.status.success(), "sealcrate pack --list-targets failed");
    parse(&String::from_utf8(output.stdout)?)
}

/// Parses lines of a target, a tab and a number. A build for a bench lacks no target.
fn parse(listed: &str) -> anyhow::Result<BTreeMap<String, u64>> {
    let line = |line: &str| {
        let (target, size) = line.split_once('\t')?;
        Some((target.to_owned(), size.parse().ok()?))
    };
    listed.lines().map(|text| line(text).with_context(|| format!("no target: {text}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_sizes() {
        let sizes = parse("amd64\t61440\narm64\t70000\n").unwrap();
        assert_eq!(sizes, BTreeMap::from([("amd64".into(), 61440), ("arm64".into(), 70000)]));
        assert!(parse("amd64\n").is_err());
    }
}
