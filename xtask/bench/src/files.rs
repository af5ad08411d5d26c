//! Files of this machine, of which images and programs are made: the same files make the same image.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

use sha2::{Digest, Sha256};

/// Files larger than this would make one image unlike another.
const LARGEST: u64 = 32 << 20;

/// Lists programs, libraries and texts in an order that mixes them, the same each time.
pub(super) fn all() -> anyhow::Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> =
        ["/usr/bin", "/usr/lib", "/usr/share"].map(PathBuf::from).into();
    if let Ok(output) = Command::new("rustc").args(["--print", "sysroot"]).output() {
        folders.push(PathBuf::from(OsStr::from_bytes(output.stdout.trim_ascii())).join("lib"));
    }
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.is_file() && (1..=LARGEST).contains(&metadata.len()) {
                files.push(entry.path());
            }
        }
    }
    files.sort_by_cached_key(|path| <[u8; 32]>::from(Sha256::digest(path.as_os_str().as_bytes())));
    Ok(files)
}
