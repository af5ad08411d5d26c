//! The build around a build of stubs: its profile, and whether it may download crates.
//!
//! cargo tells neither to a build script. The profile is in the path of `OUT_DIR`, and the command line
//! of cargo in `/proc`.

use std::fs;
use std::path::Path;

use crate::{Error, Network, Pair, missing};

/// The profile of releases.
const RELEASES: &str = "dist";

/// Returns the folder of the profile: it has the folder `build` with the folders of all build scripts.
pub fn folder_of_profile(out_dir: &Path) -> Option<&Path> {
    out_dir.ancestors().find(|folder| folder.ends_with("build"))?.parent()
}

/// Refuses a release that lacks a target.
///
/// # Errors
/// It is a release, and does.
pub fn check_release(out_dir: &Path, pairs: &[Pair]) -> Result<(), Error> {
    let profile = folder_of_profile(out_dir).and_then(Path::file_name);
    let missing = missing(pairs);
    if profile.is_some_and(|name| name == RELEASES) && !missing.is_empty() {
        return Err(Error::Release(missing));
    }
    Ok(())
}

impl Network {
    /// Tells whether the process of a cargo may download crates.
    pub fn of_cargo(pid: u32) -> Self {
        Self::said(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
    }

    /// Tells whether the words of a command line forbid downloads. A zero stands behind each word.
    /// Each cargo reads its configuration by itself.
    fn said(words: &[u8]) -> Self {
        let own = words.split(|byte| *byte == 0).take_while(|word| *word != b"--");
        let mut offline = own.filter(|word| matches!(*word, b"--offline" | b"--frozen"));
        if offline.next().is_some() { Self::Offline } else { Self::AsConfigured }
    }
}

#[cfg(test)]
mod tests {
    use sealcrate_targets::TARGETS;

    use super::*;

    const OF_RELEASE: &str = "/t/dist/build/sealcrate-pack-0123/out";

    /// Makes pairs for the first targets.
    fn pairs(count: usize) -> Vec<Pair> {
        let pair = |target| Pair { target, stub: "stub".into(), init: "init".into() };
        TARGETS.iter().take(count).map(pair).collect()
    }

    #[test]
    fn release_that_lacks_a_target_is_refused() {
        let check = |count| check_release(Path::new(OF_RELEASE), &pairs(count));
        assert!(check(TARGETS.len()).is_ok());
        let error = check(TARGETS.len() - 1).unwrap_err().to_string();
        assert!(error.contains("i386") && !error.contains("amd64"), "{error}");
        assert!(error.contains("cargo xtask stubs"), "{error}");
    }

    #[test]
    fn other_builds_may_lack_targets() {
        for out in [
            "/t/release/build/sealcrate-pack-0123/out",
            "/t/x86_64-unknown-linux-gnu/debug/build/sealcrate-pack-0123/out",
            // The name of somebody's folder is no profile.
            "/dist/build/t/debug/build/sealcrate-pack-0123/out",
            "/elsewhere/out",
        ] {
            assert!(check_release(Path::new(out), &pairs(1)).is_ok(), "{out}");
        }
    }

    #[test]
    fn profile_is_found_whatever_lies_around_it() {
        for (out, folder) in [
            (OF_RELEASE, "/t/dist"),
            ("/build/t/dist/build/sealcrate-pack/0123/out", "/build/t/dist"),
        ] {
            assert_eq!(folder_of_profile(Path::new(out)), Some(Path::new(folder)));
        }
        assert_eq!(folder_of_profile(Path::new("/elsewhere/out")), None);
    }

    #[test]
    fn command_line_says_whether_crates_may_be_downloaded() {
        let said = |line: &str| Network::said(line.replace(' ', "\0").as_bytes());
        assert_eq!(said("cargo build --offline "), Network::Offline);
        assert_eq!(said("cargo install --frozen --path . "), Network::Offline);
        assert_eq!(said("cargo build --locked "), Network::AsConfigured);
        // Those are the words of the program that is run.
        assert_eq!(said("cargo run -- --offline "), Network::AsConfigured);
        assert_eq!(said(""), Network::AsConfigured);
    }
}
