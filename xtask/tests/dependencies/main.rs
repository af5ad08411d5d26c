//! The arrows of the project, as ARCHITECTURE.md draws them: between crates, between the top folders of
//! a crate, and between its files.

mod circles;
mod crates;
mod errors;
mod files;
mod folders;
mod modules;
mod paths;
mod tokens;

use std::path::{Path, PathBuf};

/// Returns the folder of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// Returns the entries of `folder`, in the order of their names. Build output and hidden entries are left
/// out.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name != "target" && !name.starts_with('.')
    });
    paths.sort();
    paths
}

/// Returns `folder` and all folders below it.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let below = entries(folder).into_iter().filter(|path| path.is_dir() && !path.is_symlink());
    std::iter::once(folder.to_owned()).chain(below.flat_map(|path| folders(&path))).collect()
}
