//! The folder of results, `benches/results`. The names of its files have the date and the subject.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use super::steps::tell;

/// The folder of all benches in the repository.
const BENCHES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches");

/// Prints a table, and writes it as `DATE{suffix}.md` beside the figures, `DATE{suffix}.json`.
pub(super) fn publish(suffix: &str, mut figures: Value, table: &str) -> anyhow::Result<()> {
    print(table);
    let date = Command::new("date").args(["--utc", "+%Y-%m-%d"]).output().context("date")?;
    let date = String::from_utf8(date.stdout)?.trim().to_owned();
    figures["date"] = json!(date);
    let folder = Path::new(BENCHES).join("results");
    let json = serde_json::to_string_pretty(&figures)? + "\n";
    write(folder.join(format!("{date}{suffix}.json")), &json)?;
    write(folder.join(format!("{date}{suffix}.md")), &format!("# {date}{suffix}\n\n{table}"))
}

/// Writes the chart that the README shows.
pub(super) fn publish_chart(svg: &str) -> anyhow::Result<()> {
    write(Path::new(BENCHES).join("images.svg"), svg)
}

fn write(path: PathBuf, text: &str) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    fs::create_dir_all(path.parent().with_context(cannot)?).with_context(cannot)?;
    fs::write(&path, text).with_context(cannot)?;
    let path = path.canonicalize().with_context(cannot)?;
    tell(&format!("written: {}", path.display()));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result")]
fn print(table: &str) {
    println!("{table}");
}
