//! Locked images: how large they are beside the original, and how much longer they take to start.
//!
//! The containers of both are started in turns, so that whatever else the machine does meets both.
//! What is private are files of this machine. A start takes until the command has said a word: what an
//! engine does when a container ends, such as giving back its memory, is no part of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::keys::KeyPair;
use super::spread::Spread;
use super::{Extent, check, files, machine, results, tell};
use crate::child::{self, Interrupts};
use crate::{packages, private_engine};

/// How much is private, in megabytes, and how often it is started in a round.
const SIZES: [(u64, u8); 3] = [(1, 10), (50, 5), (500, 2)];

/// What is measured of one size in a hurry.
const QUICK: [(u64, u8); 2] = [(1, 5), (50, 3)];

/// Before this, nothing that counts: what is read for the first time takes longer.
const WARM_UP: u8 = 1;

/// What was measured of an image and its locked one.
struct Pair {
    /// How many bytes the private files have.
    private: u64,
    /// What a registry stores of each, in bytes.
    stored: [u64; 2],
    /// How long it took to lock, in seconds.
    lock: f64,
    /// How long each start took, in seconds: the original's, the locked one's.
    starts: [Vec<f64>; 2],
}

impl Pair {
    /// Returns what a start takes more, in milliseconds: the difference of two that follow each other.
    fn added(&self) -> Spread {
        let [plain, locked] = &self.starts;
        Spread::of(plain.iter().zip(locked).map(|(plain, locked)| (locked - plain) * 1e3))
    }

    fn to_json(&self) -> Value {
        json!({
            "private_bytes": self.private,
            "stored_bytes": { "original": self.stored[0], "locked": self.stored[1] },
            "lock_s": self.lock,
            "start_s": { "original": self.starts[0], "locked": self.starts[1] },
        })
    }

    /// Returns a line of a Markdown table under [`HEAD`].
    fn line(&self) -> String {
        let [plain, locked] = self.starts.each_ref().map(|starts| {
            let spread = Spread::of(starts.iter().map(|seconds| seconds * 1e3));
            format!("{:.0} ({:.0} – {:.0})", spread.median, spread.least, spread.most)
        });
        let added = self.added();
        let megabytes = self.private as f64 / 1e6;
        format!(
            "| {megabytes:.1} | {:.2} | {:.2} | {:.3} | {:.1} | {plain} | {locked} | {:.0} ({:.0} – {:.0}) | {:.0} |",
            self.stored[0] as f64 / 1e6,
            self.stored[1] as f64 / 1e6,
            self.stored[1] as f64 / self.stored[0] as f64,
            self.lock,
            added.median,
            added.least,
            added.most,
            megabytes / (added.median / 1e3),
        )
    }
}

/// The head of the table.
const HEAD: &str = "\
| private MB | original MB | locked MB | ratio | lock s | original start ms | locked start ms | more ms | private MB/s |
|---|---|---|---|---|---|---|---|---|";

/// Locks images with a private engine, and starts them and the originals in turns, `rounds` times.
pub(super) fn measure(
    sealcrate: &Path,
    extent: Extent,
    rounds: u8,
    interrupts: &Interrupts,
) -> anyhow::Result<()> {
    let machine = machine::describe();
    let mut pairs = Vec::new();
    private_engine::with(interrupts, |engine| {
        let locker = Locker::new(sealcrate, engine)?;
        let sizes: &[(u64, u8)] = match extent {
            Extent::Full => &SIZES,
            Extent::Quick => &QUICK,
        };
        for (megabytes, starts) in sizes {
            tell(&format!("making, locking and starting an image of {megabytes} MB"));
            let mut pair = locker.make(*megabytes)?;
            for _ in 0..WARM_UP {
                locker.start_both()?;
            }
            for _ in 0..u16::from(rounds) * u16::from(*starts) {
                check(interrupts)?;
                let taken = locker.start_both()?;
                for (all, one) in pair.starts.iter_mut().zip(taken) {
                    all.push(one);
                }
            }
            locker.remove()?;
            pairs.push(pair);
        }
        Ok(ExitCode::SUCCESS)
    })?;
    let lines: Vec<String> = pairs.iter().map(Pair::line).collect();
    let table = format!("{}\n\n{HEAD}\n{}\n", machine::line(&machine), lines.join("\n"));
    let images: Vec<Value> = pairs.iter().map(Pair::to_json).collect();
    let figures = json!({ "machine": machine, "images": images });
    results::publish(&format!("-locked{}", extent.suffix()), figures, &table)
}

const ORIGINAL: &str = "sealcrate-bench:original";
const LOCKED: &str = "sealcrate-bench:locked";

/// Makes, locks and starts images, with a key pair of its own.
struct Locker<'b> {
    sealcrate: &'b Path,
    engine: &'b str,
    folder: TempDir,
    recipient: String,
}

impl<'b> Locker<'b> {
    fn new(sealcrate: &'b Path, engine: &'b str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sealcrate-bench-").tempdir()?;
        let file = folder.path().join("identity");
        let recipient = KeyPair::make(sealcrate, &file)?.recipient;
        Ok(Self { sealcrate, engine, folder, recipient })
    }

    fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["-H", self.engine]).args(arguments).env("DOCKER_BUILDKIT", "0");
        command
    }

    /// Builds and locks an image whose private layer has so many megabytes of this machine's files.
    fn make(&self, megabytes: u64) -> anyhow::Result<Pair> {
        let context = self.folder.path().join("context");
        let private = context.join("private");
        fs::create_dir_all(&private)?;
        let mut left = megabytes * 1_000_000;
        for (number, file) in files::all()?.into_iter().enumerate() {
            // Not everybody may read every file.
            let Ok(bytes) = fs::read(&file) else { continue };
            let len = left.min(bytes.len() as u64);
            fs::write(private.join(number.to_string()), &bytes[..len as usize])?;
            left -= len;
            if left == 0 {
                break;
            }
        }
        ensure!(left == 0, "this machine has too few files");
        let busybox = packages::static_busybox().context("there is no static busybox")?;
        fs::copy(busybox, context.join("busybox"))?;
        fs::write(
            context.join("Dockerfile"),
            "FROM scratch\nCOPY busybox /bin/busybox\nCOPY private /private\n\
             CMD [\"/bin/busybox\", \"echo\", \"started\"]\n",
        )?;
        let path = context.to_str().context("a temporary folder has a name in UTF-8")?;
        let build = ["build", "--quiet", "--no-cache", "--network", "none", "-t", ORIGINAL, path];
        child::quietly(self.docker(&build))?;
        fs::remove_dir_all(&context)?;

        let begun = Instant::now();
        child::quietly(self.lock(&["-t", LOCKED]))?;
        let lock = begun.elapsed().as_secs_f64();
        let original = self.folder.path().join("original");
        let mut copy = self.sealcrate(&["copy", &format!("docker-daemon:{ORIGINAL}")]);
        copy.arg(format!("oci:{}:1", original.display()));
        child::quietly(copy)?;
        let locked = self.folder.path().join("locked");
        child::quietly(self.lock(&["--to", &format!("oci:{}:1", locked.display())]))?;
        let stored = [stored(&original)?, stored(&locked)?];
        fs::remove_dir_all(original)?;
        fs::remove_dir_all(locked)?;
        Ok(Pair { private: megabytes * 1_000_000, stored, lock, starts: [Vec::new(), Vec::new()] })
    }

    fn sealcrate(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.sealcrate);
        command.env("DOCKER_HOST", self.engine).args(arguments);
        command
    }

    fn lock(&self, to: &[&str]) -> Command {
        let mut command = self.sealcrate(&["lock", ORIGINAL, "--encrypt-layer=1"]);
        command.args(["-r", &self.recipient]).args(to);
        command
    }

    /// Returns how long the starts of the original and of the locked image took, in seconds.
    fn start_both(&self) -> anyhow::Result<[f64; 2]> {
        let key = self.folder.path().join("identity");
        let key = format!("type=bind,src={},dst=/run/secrets/sealcrate_key,ro", key.display());
        let run = ["run", "--rm", "--network", "none"];
        // The same for both, so that what is compared is the unlocking alone.
        let options = [
            "--mount",
            key.as_str(),
            "--tmpfs",
            "/dev/sealcrate:exec,size=1g",
            "--log-driver=none",
        ];
        let start = |image: &str| -> anyhow::Result<f64> {
            let mut command = self.docker(&[&run[..], &options, &[image]].concat());
            command.stdin(Stdio::null()).stdout(Stdio::piped());
            let begun = Instant::now();
            let mut docker = command.spawn().context("docker")?;
            let mut said = String::new();
            if let Some(output) = docker.stdout.take() {
                BufReader::new(output).read_line(&mut said)?;
            }
            let seconds = begun.elapsed().as_secs_f64();
            let status = docker.wait()?;
            ensure!(status.success(), "a container of {image} failed ({status})");
            ensure!(said == "started\n", "a container of {image} says {said:?}");
            Ok(seconds)
        };
        Ok([start(ORIGINAL)?, start(LOCKED)?])
    }

    fn remove(&self) -> anyhow::Result<()> {
        child::quietly(self.docker(&["image", "rm", "--force", ORIGINAL, LOCKED]))
    }
}

/// Returns how many bytes the blobs of an OCI layout have.
fn stored(layout: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(layout.join("blobs/sha256"))? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_start_takes_more_is_the_middle_of_the_differences() {
        let starts = [vec![0.3, 0.9, 0.5], vec![0.4, 1.1, 0.51]];
        let pair = Pair { private: 50_000_000, stored: [100, 110], lock: 2.0, starts };
        assert!((pair.added().median - 100.0).abs() < 1e-6);
        assert!(pair.line().ends_with("| 100 (10 – 200) | 500 |"), "{}", pair.line());
    }
}
