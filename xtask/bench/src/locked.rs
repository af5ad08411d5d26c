//! Locked images: how large they are beside the original, and how much longer they take to start.
//!
//! The containers of both start in turns, so that other work of the machine slows both. The private files are
//! files of this machine. A start ends when the command has printed a word. It does not include the engine's work
//! at the end of a container, such as giving back its memory.

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
use super::steps::{Extent, check, tell};
use super::{files, machine, results};
use xtask::child::{self, Interrupts};
use xtask::{packages, private_engine};

/// A kind of image, and how often it is started in a round.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    private: Private,
    starts: u8,
}

/// The content of the private layers.
#[derive(Clone, Copy)]
enum Private {
    /// So many megabytes of this machine's files, in so many layers.
    Files { megabytes: u64, layers: u64 },
    /// So many files of a few KiB, in one layer.
    Small(usize),
}

const fn files(name: &'static str, megabytes: u64, layers: u64, starts: u8) -> Case {
    Case { name, private: Private::Files { megabytes, layers }, starts }
}

const CASES: [Case; 5] = [
    files("1 MB", 1, 1, 10),
    files("50 MB", 50, 1, 5),
    Case { name: "20,000 small files", private: Private::Small(20_000), starts: 5 },
    files("500 MB", 500, 1, 2),
    files("500 MB in 4 layers", 500, 4, 2),
];

/// The images that are measured in a hurry.
const QUICK: [Case; 2] = [files("1 MB", 1, 1, 5), files("50 MB", 50, 1, 3)];

/// The starts before the first that counts: the first read of a file takes longer.
const WARM_UP: u8 = 1;

/// The starts that are compared.
#[derive(Clone, Copy)]
enum Kind {
    Original,
    Locked,
    /// The locked image on one core alone.
    OneCore,
}

const KINDS: [Kind; 3] = [Kind::Original, Kind::Locked, Kind::OneCore];

/// The measurements of an image and its locked one.
struct Measured {
    name: &'static str,
    /// The bytes of the private files.
    private: u64,
    /// The bytes that a registry stores of each.
    stored: [u64; 2],
    /// The time that locking took, in seconds.
    lock: f64,
    /// The time that each start of each kind took, in seconds.
    starts: [Vec<f64>; 3],
}

impl Measured {
    fn of(&self, kind: Kind) -> &[f64] {
        &self.starts[kind as usize]
    }

    /// Returns the further time that a start of a kind takes, in milliseconds: the difference of two that
    /// follow each other.
    fn added(&self, kind: Kind) -> Spread {
        let pairs = self.of(Kind::Original).iter().zip(self.of(kind));
        Spread::of(pairs.map(|(plain, locked)| (locked - plain) * 1e3))
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "private_bytes": self.private,
            "stored_bytes": { "original": self.stored[0], "locked": self.stored[1] },
            "lock_s": self.lock,
            "start_s": {
                "original": self.of(Kind::Original),
                "locked": self.of(Kind::Locked),
                "locked_on_one_core": self.of(Kind::OneCore),
            },
        })
    }

    /// Returns a line of a Markdown table under [`HEAD`].
    fn line(&self) -> String {
        let starts = KINDS.map(|kind| {
            let spread = Spread::of(self.of(kind).iter().map(|seconds| seconds * 1e3));
            format!("{:.0} ({:.0} – {:.0})", spread.median, spread.least, spread.most)
        });
        let (added, alone) = (self.added(Kind::Locked), self.added(Kind::OneCore));
        format!(
            "| {} | {:.2} | {:.2} | {:.3} | {:.1} | {} | {:.0} ({:.0} – {:.0}) | {:.0} | {:.1} |",
            self.name,
            self.stored[0] as f64 / 1e6,
            self.stored[1] as f64 / 1e6,
            self.stored[1] as f64 / self.stored[0] as f64,
            self.lock,
            starts.join(" | "),
            added.median,
            added.least,
            added.most,
            self.private as f64 / 1e3 / added.median,
            alone.median / added.median,
        )
    }
}

/// The head of the table.
const HEAD: &str = "\
| private | original MB | locked MB | ratio | lock s | original start ms | locked start ms | on one core ms | more ms | private MB/s | times faster than on one core |
|---|---|---|---|---|---|---|---|---|---|---|";

/// Locks images with a private engine, and starts them and the originals in turns, `rounds` times.
pub(super) fn measure(
    sealcrate: &Path,
    extent: Extent,
    rounds: u8,
    interrupts: &Interrupts,
) -> anyhow::Result<()> {
    let machine = machine::describe();
    let mut all = Vec::new();
    private_engine::with(interrupts, |engine| {
        let locker = Locker::new(sealcrate, engine)?;
        let cases: &[Case] = match extent {
            Extent::Full => &CASES,
            Extent::Quick => &QUICK,
        };
        for case in cases {
            tell(&format!("making, locking and starting an image: {}", case.name));
            let mut measured = locker.make(case)?;
            for _ in 0..WARM_UP {
                locker.start_all()?;
            }
            for _ in 0..u16::from(rounds) * u16::from(case.starts) {
                check(interrupts)?;
                let taken = locker.start_all()?;
                for (starts, one) in measured.starts.iter_mut().zip(taken) {
                    starts.push(one);
                }
            }
            locker.remove()?;
            all.push(measured);
        }
        Ok(ExitCode::SUCCESS)
    })?;
    let lines: Vec<String> = all.iter().map(Measured::line).collect();
    let table = format!("{}\n\n{HEAD}\n{}\n", machine::line(&machine), lines.join("\n"));
    let images: Vec<Value> = all.iter().map(Measured::to_json).collect();
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

    /// Builds and locks an image.
    fn make(&self, case: &Case) -> anyhow::Result<Measured> {
        let context = self.folder.path().join("context");
        fs::create_dir_all(&context)?;
        let (private, layers) = match case.private {
            Private::Files { megabytes, layers } => {
                (write_files(&context, megabytes * 1_000_000, layers)?, layers)
            }
            Private::Small(count) => (write_small(&context, count)?, 1),
        };
        let busybox = packages::static_busybox().context("there is no static busybox")?;
        fs::copy(busybox, context.join("busybox"))?;
        let copies: String = (0..layers).map(|layer| format!("COPY {layer} /{layer}\n")).collect();
        fs::write(
            context.join("Dockerfile"),
            format!(
                "FROM scratch\nCOPY busybox /bin/busybox\n{copies}\
                 CMD [\"/bin/busybox\", \"echo\", \"started\"]\n"
            ),
        )?;
        let path = context.to_str().context("a temporary folder has a name in UTF-8")?;
        let build = ["build", "--quiet", "--no-cache", "--network", "none", "-t", ORIGINAL, path];
        child::quietly(self.docker(&build))?;
        fs::remove_dir_all(&context)?;

        let begun = Instant::now();
        child::quietly(self.lock(layers, &["-t", LOCKED]))?;
        let lock = begun.elapsed().as_secs_f64();
        let original = self.folder.path().join("original");
        let mut copy = self.sealcrate(&["copy", &format!("docker-daemon:{ORIGINAL}")]);
        copy.arg(format!("oci:{}:1", original.display()));
        child::quietly(copy)?;
        let locked = self.folder.path().join("locked");
        let to = format!("oci:{}:1", locked.display());
        child::quietly(self.lock(layers, &["--to", &to]))?;
        let stored = [stored(&original)?, stored(&locked)?];
        fs::remove_dir_all(original)?;
        fs::remove_dir_all(locked)?;
        Ok(Measured { name: case.name, private, stored, lock, starts: Default::default() })
    }

    fn sealcrate(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.sealcrate);
        command.env("DOCKER_HOST", self.engine).args(arguments);
        command
    }

    /// Locks the image, of which the upper `layers` are private.
    fn lock(&self, layers: u64, to: &[&str]) -> Command {
        let mut command = self.sealcrate(&["lock", ORIGINAL]);
        command.args((1..=layers).map(|layer| format!("--encrypt-layer={layer}")));
        command.args(["-r", &self.recipient]).args(to);
        command
    }

    /// Starts an image of each kind, and returns the time that each took, in seconds.
    fn start_all(&self) -> anyhow::Result<[f64; 3]> {
        let key = self.folder.path().join("identity");
        let key = format!("type=bind,src={},dst=/run/secrets/sealcrate_key,ro", key.display());
        let run = ["run", "--rm", "--network", "none"];
        // All have the same options, so that only the unlocking differs.
        let options = [
            "--mount",
            key.as_str(),
            "--tmpfs",
            "/dev/sealcrate:exec,size=1g",
            "--log-driver=none",
        ];
        let start = |kind: Kind| -> anyhow::Result<f64> {
            let (cores, image) = match kind {
                Kind::Original => (&[][..], ORIGINAL),
                Kind::Locked => (&[][..], LOCKED),
                Kind::OneCore => (&["--cpuset-cpus=0"][..], LOCKED),
            };
            let mut command = self.docker(&[&run[..], &options, cores, &[image]].concat());
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
        let [original, locked, one_core] = KINDS.map(start);
        Ok([original?, locked?, one_core?])
    }

    fn remove(&self) -> anyhow::Result<()> {
        child::quietly(self.docker(&["image", "rm", "--force", ORIGINAL, LOCKED]))
    }
}

/// Writes so many bytes of this machine's files, the same share into the folder of each layer.
fn write_files(context: &Path, bytes: u64, layers: u64) -> anyhow::Result<u64> {
    let mut left = bytes;
    let mut folders = Vec::new();
    for layer in 0..layers {
        folders.push(context.join(layer.to_string()));
        fs::create_dir(&folders[folders.len() - 1])?;
    }
    let mut shares = vec![bytes.div_ceil(layers); folders.len()];
    for (number, file) in files::all()?.into_iter().enumerate() {
        // Not everybody may read every file.
        let Ok(content) = fs::read(&file) else { continue };
        let Some(layer) = shares.iter().position(|share| *share > 0) else { break };
        let len = left.min(shares[layer]).min(content.len() as u64);
        fs::write(folders[layer].join(number.to_string()), &content[..len as usize])?;
        left -= len;
        shares[layer] -= len;
    }
    ensure!(left == 0, "this machine has too few files");
    Ok(bytes)
}

/// Writes many files of up to 2 KiB, in 200 folders, and returns the number of their bytes.
fn write_small(context: &Path, count: usize) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for number in 0..count {
        let folder = context.join(format!("0/{}", number % 200));
        fs::create_dir_all(&folder)?;
        let content = format!("line {number}\n").repeat(1 + number * 7919 % 170);
        bytes += content.len() as u64;
        fs::write(folder.join(number.to_string()), content)?;
    }
    Ok(bytes)
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
        let starts = [vec![0.3, 0.9, 0.5], vec![0.4, 1.1, 0.51], vec![0.5, 1.3, 0.52]];
        let (name, private, stored) = ("50 MB", 50_000_000, [100, 110]);
        let measured = Measured { name, private, stored, lock: 2.0, starts };
        assert!((measured.added(Kind::Locked).median - 100.0).abs() < 1e-6);
        let line = measured.line();
        assert!(line.ends_with("| 100 (10 – 200) | 500 | 2.0 |"), "{line}");
    }
}
