//! What is told of the samples: a table for people, and everything for machines.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use super::locked::{self, Pair};
use super::measure::Sample;
use super::starts::Form;
use super::tell;
use super::tools::Tool;

/// The samples of one tool that does one thing with one image.
pub(super) struct Row {
    operation: &'static str,
    image: &'static str,
    tool: Tool,
    pub(super) samples: Vec<Sample>,
}

impl Row {
    pub(super) fn new(operation: &'static str, image: &'static str, tool: Tool) -> Self {
        Self { operation, image, tool, samples: Vec::new() }
    }

    fn wall(&self) -> Spread {
        Spread::of(self.samples.iter().map(|sample| sample.measured.wall))
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "operation": self.operation,
            "image": self.image,
            "tool": self.tool.name(),
            "samples": self.samples.iter().map(Sample::to_json).collect::<Vec<_>>(),
        })
    }
}

/// The least, the middle and the greatest of some figures.
#[derive(Debug, PartialEq)]
pub(super) struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    pub(super) fn least(&self) -> f64 {
        self.least
    }

    pub(super) fn median(&self) -> f64 {
        self.median
    }

    pub(super) fn most(&self) -> f64 {
        self.most
    }

    /// Figures that are none have a spread of nothing.
    pub(super) fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        let median = (at(last / 2) + at(sorted.len() / 2)) / 2.0;
        Self { least: at(0), median, most: at(last) }
    }
}

/// Prints a Markdown table of medians.
#[expect(clippy::print_stdout, reason = "the result")]
pub(super) fn print(machine: &Value, rows: &[Row], rounds: u8) {
    println!("{} core(s) of {}, {}", machine["cores"], machine["cpu"], machine["memory"]);
    println!("sealcrate: {}", machine["sealcrate"]);
    println!("engine: {}", machine["engine"]);
    for peer in ["skopeo", "docker"] {
        match machine[peer].as_str() {
            Some(version) => println!("{peer}: {version}"),
            None => println!("{peer}: missing, not measured"),
        }
    }
    println!("medians of {rounds} interleaved rounds; peak memory is the most of all rounds\n");
    println!(
        "| operation | image | tool | wall s (least – most) | ratio to sealcrate | CPU s | engine CPU s | peak MiB | stored MB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        println!("{}", line(row, rows));
    }
}

fn line(row: &Row, rows: &[Row]) -> String {
    let ours = rows.iter().find(|other| {
        other.tool == Tool::Sealcrate
            && (other.operation, other.image) == (row.operation, row.image)
    });
    let wall = row.wall();
    let ratio = ours.map_or(f64::NAN, |ours| wall.median / ours.wall().median);
    let median = |figure: &dyn Fn(&Sample) -> Option<f64>| {
        let median = Spread::of(row.samples.iter().filter_map(figure)).median;
        if median.is_nan() { "–".to_owned() } else { format!("{median:.2}") }
    };
    let peak = row.samples.iter().map(|sample| sample.measured.peak).max().unwrap_or_default();
    format!(
        "| {} | {} | {} | {:.2} ({:.2} – {:.2}) | {ratio:.2} | {} | {} | {} | {} |",
        row.operation,
        row.image,
        row.tool.name(),
        wall.median,
        wall.least,
        wall.most,
        median(&|sample| Some(sample.measured.cpu)),
        median(&|sample| sample.measured.engine_cpu),
        peak >> 20,
        median(&|sample| sample.stored.map(|bytes| bytes as f64 / 1e6)),
    )
}

/// Prints a Markdown table of sizes, and one of medians.
#[expect(clippy::print_stdout, reason = "the result")]
pub(super) fn print_programs(machine: &Value, stubs: &BTreeMap<String, u64>, forms: &[Form]) {
    println!("{} core(s) of {}, {}\n", machine["cores"], machine["cpu"], machine["memory"]);
    println!("| stub for | bytes |");
    println!("|---|---|");
    for (target, size) in stubs {
        println!("| {target} | {size} |");
    }
    println!("\nstart to end: medians (least – most); packed to a recipient\n");
    println!(
        "| program | form | MB | of the bare one | of its gzip | start to end ms | more than bare ms |"
    );
    println!("|---|---|---|---|---|---|---|");
    for form in forms {
        let bare = forms.iter().find(|bare| (bare.program, bare.form) == (form.program, "bare"));
        let (size, bare_size) = (form.size as f64, bare.map_or(f64::NAN, |bare| bare.size as f64));
        let took = form.milliseconds();
        let more = bare.map_or(f64::NAN, |bare| took.median - bare.milliseconds().median);
        println!(
            "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} ({:.2} – {:.2}) | {more:.2} |",
            form.program,
            form.form,
            size / 1e6,
            size / bare_size,
            size / form.gzipped as f64,
            took.median,
            took.least,
            took.most,
        );
    }
    println!();
}

/// Prints a Markdown table of sizes and medians.
#[expect(clippy::print_stdout, reason = "the result")]
pub(super) fn print_locked(machine: &Value, pairs: &[Pair]) {
    println!("{} core(s) of {}, {}\n", machine["cores"], machine["cpu"], machine["memory"]);
    println!("start to end of containers: medians (least – most); locked to a recipient\n");
    println!("{}", locked::HEAD);
    for pair in pairs {
        println!("{}", pair.line());
    }
    println!();
}

/// Writes samples to `benches/results`, into a file that is named for the date and what was measured.
pub(super) fn write(kind: &str, mut samples: Value) -> anyhow::Result<()> {
    let date = Command::new("date").args(["--utc", "+%Y-%m-%d"]).output().context("date")?;
    let date = String::from_utf8(date.stdout)?.trim().to_owned();
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/results"));
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{date}{kind}.json"));
    samples["date"] = json!(date);
    let text = serde_json::to_string_pretty(&samples)? + "\n";
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    tell(&format!("samples written to {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_in_the_middle() {
        let spread = |figures: &[f64]| Spread::of(figures.iter().copied());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Spread { least: 1.0, median: 2.0, most: 3.0 });
        assert_eq!(spread(&[4.0, 1.0]).median, 2.5);
        assert_eq!(spread(&[7.0]), Spread { least: 7.0, median: 7.0, most: 7.0 });
        assert!(spread(&[]).median.is_nan());
    }
}
