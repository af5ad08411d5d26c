//! One run of one command: its time, and the CPU and memory that it used.
//!
//! GNU time starts the command, since it reports what the system counts of a child.

use std::fs::{self, File};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

/// The time, CPU and memory of a command.
pub(super) struct Measured {
    /// In seconds.
    pub(super) wall: f64,
    /// In seconds, of user and system, of the command and its children.
    pub(super) cpu: f64,
    /// The most memory that the command or a child of it had at a time, in bytes.
    pub(super) peak: u64,
    /// In seconds: what the engine used meanwhile, where it can be seen.
    pub(super) engine_cpu: Option<f64>,
    /// In seconds: what the registry used meanwhile.
    pub(super) registry_cpu: Option<f64>,
}

impl Measured {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "wall_s": self.wall,
            "cpu_s": self.cpu,
            "engine_cpu_s": self.engine_cpu,
            "registry_cpu_s": self.registry_cpu,
            "peak_rss_bytes": self.peak,
        })
    }
}

/// Runs a command to its end, on a machine that has nothing left to write from before.
pub(super) fn run(command: Command) -> anyhow::Result<Measured> {
    rustix::fs::sync();
    let report = tempfile::NamedTempFile::new()?;
    let said = tempfile::NamedTempFile::new()?;
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["--format", "%U %S %M", "--output"]).arg(report.path());
    timed.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(name, value),
            None => timed.env_remove(name),
        };
    }
    timed.stdin(Stdio::null()).stdout(said.reopen()?).stderr(said.reopen()?);
    let begun = Instant::now();
    let status = timed.status().context("cannot run /usr/bin/time")?;
    let wall = begun.elapsed().as_secs_f64();
    ensure!(
        status.success(),
        "{} failed ({status}):\n{}",
        command.get_program().display(),
        text(said.as_file())?
    );
    let (user, system, kibibytes) = parse(&text(report.as_file())?)?;
    Ok(Measured {
        wall,
        cpu: user + system,
        peak: kibibytes << 10,
        engine_cpu: None,
        registry_cpu: None,
    })
}

/// Returns the seconds of CPU that a process and its ended children have used.
pub(super) fn cpu_of(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold anything, but ends with the last parenthesis. proc(5): fields 14 to 17.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(4);
    let ticks: Option<u64> = ticks.map(|field| field.parse::<u64>().ok()).sum();
    Some(ticks? as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn text(mut file: &File) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Parses user seconds, system seconds and kibibytes.
fn parse(report: &str) -> anyhow::Result<(f64, f64, u64)> {
    let context = || format!("time reports {report:?}");
    let mut words = report.split_whitespace();
    let mut word = || words.next().with_context(context);
    let (user, system, kibibytes) = (word()?, word()?, word()?);
    Ok((
        user.parse().with_context(context)?,
        system.parse().with_context(context)?,
        kibibytes.parse().with_context(context)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_of_time_is_understood() {
        assert_eq!(parse("1.50 0.25 2048\n").unwrap(), (1.5, 0.25, 2048));
        assert!(parse("1.50 0.25").is_err());
        assert!(parse("Command exited with non-zero status 1").is_err());
    }
}
