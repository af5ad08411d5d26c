//! How fast layers and payloads are encrypted and decrypted, beside what `openssl speed` does with the
//! same ciphers on one core, in pieces of 64 KiB.
//!
//! The benches themselves are criterion's, in the crates that have the ciphers. openssl is measured
//! before and after them, and its better figure counts.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::steps::{Extent, check, tell};
use super::{machine, results};
use xtask::binary::cargo;
use xtask::child::Interrupts;

/// A bench, and the figure that it is compared with.
struct Bench {
    /// As criterion has it: `GROUP/FUNCTION`.
    name: &'static str,
    what: &'static str,
    /// openssl's names; the slowest counts.
    against: &'static [&'static str],
    /// The goal, in hundredths of that, if there is one.
    goal: Option<u32>,
}

const BENCHES: [Bench; 5] = [
    Bench { name: "dare/encrypt", what: "DARE, encrypt", against: &[GCM], goal: Some(80) },
    Bench { name: "dare/decrypt", what: "DARE, decrypt", against: &[GCM], goal: Some(80) },
    Bench {
        name: "oci/encrypt",
        what: "OCI cipher, encrypt",
        against: &[SHA, CTR],
        goal: Some(90),
    },
    Bench {
        name: "oci/decrypt",
        what: "OCI cipher, decrypt",
        against: &[SHA, CTR],
        goal: Some(90),
    },
    Bench {
        name: "payload/decrypt",
        what: "packed payload, decrypt",
        against: &[CHACHA],
        goal: None,
    },
];

const GCM: &str = "aes-256-gcm";
const CTR: &str = "aes-256-ctr";
const SHA: &str = "sha256";
const CHACHA: &str = "chacha20-poly1305";

/// How long openssl takes for a figure, and criterion for a bench, in seconds.
struct Patience {
    openssl: u8,
    warm_up: u8,
    bench: u8,
}

/// Measures all benches, and prints what they reach.
pub(super) fn measure(
    target: &Path,
    extent: Extent,
    interrupts: &Interrupts,
) -> anyhow::Result<()> {
    let patience = match extent {
        Extent::Full => Patience { openssl: 3, warm_up: 2, bench: 5 },
        Extent::Quick => Patience { openssl: 1, warm_up: 1, bench: 1 },
    };
    let machine = machine::describe();
    let before = openssl(&patience, interrupts)?;
    tell("measuring ciphers");
    let status = cargo()
        .args(["bench", "--profile=dist", "--package=sealcrate-crypt", "--bench=layers"])
        .args(["--package=sealcrate-agefile", "--bench=payload", "--", "--noplot", "--quiet"])
        .args(["--warm-up-time", &patience.warm_up.to_string()])
        .args(["--measurement-time", &patience.bench.to_string()])
        .status()
        .context("cargo bench")?;
    ensure!(status.success(), "cargo bench failed");
    let after = openssl(&patience, interrupts)?;
    let references: Vec<(&str, f64)> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| (before.0, before.1.max(after.1)))
        .collect();
    let mut table = heading(&machine, &references);
    let mut benches = Vec::new();
    for bench in &BENCHES {
        let reached = criterion(&target.join("criterion"), bench.name)?;
        let reference = slowest(bench, &references)?;
        let share = reached / reference * 100.0;
        let goal = bench.goal.map_or_else(|| "–".to_owned(), |goal| format!("{goal} %"));
        let against = bench.against.join(", ");
        let _ = writeln!(
            table,
            "| {} | {reached:.2} | {against} | {reference:.2} | {share:.0} % | {goal} |",
            bench.what
        );
        benches.push(json!({
            "bench": bench.name, "gb_per_s": reached, "against": bench.against,
            "against_gb_per_s": reference, "goal_percent": bench.goal,
        }));
    }
    let openssl = |run: &[(&str, f64)]| -> Value {
        run.iter().map(|(name, speed)| ((*name).to_owned(), json!(speed))).collect()
    };
    let figures = json!({
        "machine": machine, "openssl_before_gb_per_s": openssl(&before),
        "openssl_after_gb_per_s": openssl(&after), "benches": benches,
    });
    results::publish(&format!("-ciphers{}", extent.suffix()), figures, &table)
}

fn heading(machine: &Value, references: &[(&str, f64)]) -> String {
    let mut text = format!("{}\n\nopenssl speed, 64 KiB, GB/s:", machine::line(machine));
    for (name, speed) in references {
        let _ = write!(text, " {name} {speed:.2}");
    }
    text.push_str("\n\n| what | GB/s | beside openssl's | GB/s | reaches | goal |\n|---|---|---|---|---|---|\n");
    text
}

/// Returns the least of what openssl does of the ciphers that a bench is measured by.
fn slowest(bench: &Bench, references: &[(&str, f64)]) -> anyhow::Result<f64> {
    let speeds = references.iter().filter(|(name, _)| bench.against.contains(name));
    speeds.map(|(_, speed)| *speed).reduce(f64::min).context("a bench is measured by something")
}

/// Returns what openssl does with each cipher, in GB/s.
fn openssl(
    patience: &Patience,
    interrupts: &Interrupts,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let mut speeds = Vec::new();
    for cipher in [GCM, CTR, SHA, CHACHA] {
        check(interrupts)?;
        let output = Command::new("openssl")
            .args(["speed", "-elapsed", "-seconds", &patience.openssl.to_string()])
            .args(["-bytes", "65536", "-evp", cipher])
            .output()
            .context("cannot run openssl")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let speed = openssl_speed(&text).with_context(|| format!("openssl speed says {text}"))?;
        speeds.push((cipher, speed));
    }
    Ok(speeds)
}

/// Finds the thousands of bytes in a second at the end of what openssl prints, and returns GB/s.
fn openssl_speed(text: &str) -> Option<f64> {
    let word = text.split_whitespace().next_back()?;
    Some(word.strip_suffix('k')?.parse::<f64>().ok()? / 1e6)
}

/// Returns the median speed of a bench, in GB/s, from what criterion has written.
fn criterion(folder: &Path, name: &str) -> anyhow::Result<f64> {
    let read = |file: &str| -> anyhow::Result<Value> {
        let path = folder.join(name).join("new").join(file);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(serde_json::from_slice(&text)?)
    };
    let bytes = read("benchmark.json")?["throughput"]["Bytes"].as_f64();
    let nanoseconds = read("estimates.json")?["median"]["point_estimate"].as_f64();
    Ok(bytes.context("no throughput")? / nanoseconds.context("no median")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_line_of_openssl_is_understood() {
        let text = "version: 3.0.19\nThe 'numbers' are in 1000s of bytes per second processed.\n\
            type          65536 bytes\nAES-256-GCM   5123456.00k\n";
        assert_eq!(openssl_speed(text), Some(5.123456));
        assert_eq!(openssl_speed("speed: unknown algorithm"), None);
        assert_eq!(openssl_speed(""), None);
    }

    #[test]
    fn slower_one_counts() {
        let bench = &BENCHES[2];
        assert_eq!(slowest(bench, &[(GCM, 1.0), (SHA, 2.0), (CTR, 5.0)]).unwrap(), 2.0);
        assert!(slowest(bench, &[]).is_err());
    }
}
