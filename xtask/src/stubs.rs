//! `cargo xtask stubs`: the stubs and inits of all machines, in `target/stubs`.
//!
//! A build of sealcrate makes the stub and the init of its own machine alone. It embeds all of them where
//! `SEALCRATE_STUBS_DIR` names the folder of this task. The tests and releases have all of them.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Context;
use sealcrate_stub_build::{Build, Compiler, Network, Sources};
use sealcrate_targets::{TARGETS, Target};

use crate::foreign;
use crate::packages::{self, Consent};

/// The variable that names the folder to a build.
pub const FOLDER: &str = "SEALCRATE_STUBS_DIR";

/// Builds all, and returns their folder.
///
/// # Errors
/// There is no compiler, no library or no linker for a machine; what failed.
pub fn build(consent: Consent) -> anyhow::Result<PathBuf> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).canonicalize()?;
    let folder = root.join("target/stubs");
    // Apart from the folder that builds watch for changes.
    let work = root.join("target/stub-build");
    let sources = Sources::copy(&root.join("crates/pack/stub-sources"), &work.join("sources"))?;

    let mut compilers = compilers(&root);
    let missing: Vec<&'static Target> =
        TARGETS.iter().filter(|target| build_by(&compilers, target).is_none()).collect();
    if !missing.is_empty() {
        foreign::provide(consent, &root, &missing)?;
        compilers = self::compilers(&root);
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for target in &TARGETS {
        let build = build_by(&compilers, target)
            .with_context(|| format!("no compiler here builds stubs for {target}"))?;
        let compiler = build.compiler().program().display();
        packages::announce(&format!("stub for {target}, by {compiler}"));
        build.run(&cargo, &sources, &work, Network::AsConfigured)?.keep_in(&folder)?;
    }
    Ok(folder)
}

/// Returns the compilers of this machine: this build's, and the distribution's with its own libraries and
/// with the libraries of [`foreign`].
fn compilers(root: &Path) -> Vec<Compiler> {
    let own = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let distribution = || Compiler::find(Path::new(foreign::COMPILER));
    let unpacked = |compiler: Compiler| compiler.with_libraries(&foreign::sysroot(root));
    [Compiler::find(Path::new(&own)), distribution(), distribution().map(unpacked)]
        .into_iter()
        .flatten()
        .collect()
}

fn build_by<'c>(compilers: &'c [Compiler], target: &'static Target) -> Option<Build<'c>> {
    compilers.iter().find_map(|compiler| Build::new(compiler, target).ok())
}
