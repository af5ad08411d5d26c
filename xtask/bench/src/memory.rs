//! The most memory that a push and a pull take, of an image that is far larger than memory needs to be.
//!
//! Its layers repeat themselves: half is noise, which a compressor cannot shorten, half are zeros, which
//! take no room on disk. It is removed afterwards.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::NamedTempFile;

use super::layout::{self, Blob, Packing};
use super::registry::Registry;
use super::steps::{Extent, check, tell};
use super::{machine, measure, results};
use xtask::child::Interrupts;

/// More than the jobs of any run have to share.
const LAYERS: usize = 16;
const JOBS: [u8; 2] = [2, 16];
/// The length of the repeated part, in bytes.
const PART: usize = 1 << 20;
const TAR_BLOCK: usize = 512;

/// Pushes and pulls with few and with many jobs.
pub(super) fn measure(
    binary: &Path,
    kept: &Path,
    extent: Extent,
    interrupts: &Interrupts,
) -> anyhow::Result<()> {
    // In parts of noise, each with as many zeros behind.
    let (size, parts) = match extent {
        Extent::Full => ("10 GB", 300),
        Extent::Quick => ("0.5 GB", 15),
    };
    tell(&format!("making an image of {size}"));
    fs::create_dir_all(kept)?;
    let folder = tempfile::tempdir_in(kept)?;
    let (source, passphrase) = (folder.path().join("source"), folder.path().join("passphrase"));
    make(&source, parts)?;
    fs::write(&passphrase, "of no importance\n")?;
    let machine = machine::describe();
    let mut table = format!(
        "{}\n\nImage of {size} in {LAYERS} layers, half of it noise; goal: less than 96 MiB.\n\n\
         | what | jobs | peak MiB | wall s |\n|---|---|---|---|\n",
        machine::line(&machine)
    );
    let mut runs = Vec::new();
    for jobs in JOBS {
        let registry = Registry::start()?;
        let stored = format!("docker://{}/bench/large:latest", registry.host());
        let pulled = folder.path().join("pulled");
        let locations = [
            ("push", "--new-pass-file", location(&source), stored.clone()),
            ("pull", "--pass-file", stored, location(&pulled)),
        ];
        for (what, key, from, to) in locations {
            check(interrupts)?;
            let mut command = Command::new(binary);
            command.env_remove("SEALCRATE_PASS").args(["copy", "--quiet", key]).arg(&passphrase);
            if what == "push" {
                command.arg("--all-layers");
            }
            command.args(["--jobs", &jobs.to_string(), &from, &to]);
            let measured = measure::run(command)?;
            let (peak, wall) = (measured.peak >> 20, measured.wall);
            tell(&format!("{what} of {size} with {jobs} jobs: {peak} MiB, {wall:.1} s"));
            let _ = writeln!(table, "| {what} | {jobs} | {peak} | {wall:.1} |");
            runs.push(json!({ "what": what, "jobs": jobs, "run": measured.to_json() }));
        }
        fs::remove_dir_all(pulled)?;
    }
    let figures = json!({ "machine": machine, "image": size, "layers": LAYERS, "runs": runs });
    results::publish(&format!("-memory{}", extent.suffix()), figures, &table)
}

fn location(layout: &Path) -> String {
    format!("oci:{}:{}", layout.display(), layout::TAG)
}

fn make(folder: &Path, parts: usize) -> anyhow::Result<()> {
    fs::create_dir(folder)?;
    let layers: Vec<Blob> = (0..LAYERS)
        .map(|_| Blob::keep(folder, layer(folder, parts)?))
        .collect::<anyhow::Result<_>>()?;
    let diff_ids: Vec<String> = layers.iter().map(Blob::digest).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    layout::write(folder, &layers, Packing::None, &config.to_string())
}

/// Writes a tar of one file.
fn layer(folder: &Path, parts: usize) -> anyhow::Result<NamedTempFile> {
    // No window of a compressor is as large, so that it does not see the repetition.
    let mut noise = vec![0; PART];
    File::open("/dev/urandom")?.read_exact(&mut noise)?;
    let size = 2 * PART * parts;
    let mut header = tar::Header::new_gnu();
    header.set_path("large")?;
    header.set_mode(0o644);
    header.set_size(size as u64);
    header.set_cksum();
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(header.as_bytes())?;
    for _ in 0..parts {
        file.write_all(&noise)?;
        file.seek(SeekFrom::Current(PART as i64))?;
    }
    // The end of a tar is two blocks of zeros.
    file.as_file().set_len((size + 3 * TAR_BLOCK) as u64)?;
    Ok(file)
}
