//! How much longer a packed program takes from start to end than the bare one, and how large it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::made::Program;
use crate::keys::KeyPair;
use crate::spread::Spread;
use crate::steps::{check, tell};
use xtask::child::{self, Interrupts};

const COMPRESSIONS: [&str; 3] = ["lz4", "zstd", "none"];

/// The figures of a program in one form.
pub(super) struct Form {
    pub(super) program: &'static str,
    /// `bare`, or how the packed one is compressed.
    pub(super) form: &'static str,
    /// Of the file, in bytes.
    pub(super) size: u64,
    /// Of the bare program after gzip, in bytes.
    pub(super) gzipped: u64,
    /// From start to end, in seconds.
    starts: Vec<f64>,
    path: PathBuf,
}

impl Form {
    /// From start to end, in milliseconds.
    pub(super) fn milliseconds(&self) -> Spread {
        Spread::of(self.starts.iter().map(|seconds| seconds * 1e3))
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "program": self.program,
            "form": self.form,
            "bytes": self.size,
            "gzipped_bare_bytes": self.gzipped,
            "start_to_end_s": self.starts,
        })
    }
}

/// Packs programs to a recipient, in every compression, and starts them in turns with the bare ones.
pub(super) fn measure(
    sealcrate: &Path,
    programs: &[Program],
    rounds: u8,
    interrupts: &Interrupts,
) -> anyhow::Result<Vec<Form>> {
    let packer = Packer::new(sealcrate)?;
    let mut all = Vec::new();
    for program in programs {
        let mut forms = packer.forms(program)?;
        tell(&format!("starting the program of {}, bare and packed", program.name));
        for _ in 0..rounds {
            for _ in 0..program.starts {
                check(interrupts)?;
                for form in &mut forms {
                    form.starts.push(packer.start(&form.path)?);
                }
            }
        }
        all.extend(forms);
    }
    Ok(all)
}

/// Packs and starts, with a key pair of its own.
struct Packer<'b> {
    sealcrate: &'b Path,
    folder: TempDir,
    identity: String,
    recipient: String,
}

impl<'b> Packer<'b> {
    fn new(sealcrate: &'b Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sealcrate-bench-").tempdir()?;
        let file = folder.path().join("identity");
        let KeyPair { identity, recipient } = KeyPair::make(sealcrate, &file)?;
        Ok(Self { sealcrate, folder, identity, recipient })
    }

    /// The bare program and all that is packed of it.
    fn forms(&self, program: &Program) -> anyhow::Result<Vec<Form>> {
        let gzip = Command::new("gzip").arg("-c").arg(&program.path).output().context("gzip")?;
        ensure!(gzip.status.success(), "gzip failed");
        let form = |form, path: PathBuf| -> anyhow::Result<Form> {
            let (program, gzipped) = (program.name, gzip.stdout.len() as u64);
            let size = fs::metadata(&path)?.len();
            Ok(Form { program, form, size, gzipped, starts: Vec::new(), path })
        };
        let mut forms = vec![form("bare", program.path.clone())?];
        for compression in COMPRESSIONS {
            let output = self.folder.path().join(compression);
            let mut command = Command::new(self.sealcrate);
            command.args(["pack", "--force", "--compress", compression, "-r", &self.recipient]);
            command.arg(&program.path).arg("-o").arg(&output);
            child::quietly(command)?;
            let kept = output.with_extension(program.starts.to_string());
            fs::rename(output, &kept)?;
            forms.push(form(compression, kept)?);
        }
        Ok(forms)
    }

    /// Returns how long a program took, in seconds.
    fn start(&self, program: &Path) -> anyhow::Result<f64> {
        let mut command = Command::new(program);
        command.env_clear().env("BP", &self.identity).stdin(Stdio::null()).stdout(Stdio::null());
        let begun = Instant::now();
        let status = command.status().with_context(|| program.display().to_string())?;
        let seconds = begun.elapsed().as_secs_f64();
        ensure!(status.success(), "{} failed ({status})", program.display());
        Ok(seconds)
    }
}
