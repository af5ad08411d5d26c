//! `cargo xtask test`: every test of the workspace, with the services that the tests need. The tests of the
//! stub's own workspace come first.
//!
//! It selects both groups of the end-to-end tests. `cargo test` alone leaves out the group `engine`.
//! The tests get four variables: `SEALCRATE_TEST_ENGINE`, the engine's address;
//! `SEALCRATE_TEST_BIN`, the path of the binary under test; `SEALCRATE_TEST_STATIC_BIN`, the path of the
//! binary in the tool's image; and `SEALCRATE_TEST_TRANSCRIPTS`, a folder. There the tests note all their
//! secrets, and all that the binary printed. In the end one is searched for the other. The tests start
//! registries themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::binary::{self, Profile};
use crate::child::{self, Interrupts};
use crate::packages::{self, Consent};
use crate::{private_engine, pyinstaller, stubs};

/// The feature that selects the tests that need an engine, root or installed programs.
const GROUP: &str = "sealcrate-tests/engine";

/// Builds the binary, runs `cargo test --workspace` with `cargo_test_args`, and returns its status.
pub fn run(consent: Consent, cargo_test_args: &[String]) -> anyhow::Result<ExitCode> {
    let interrupts = Interrupts::catch()?;
    packages::install_missing(consent)?;
    pyinstaller::provide()?;
    let stubs = stubs::build(consent)?;
    let for_image = binary::build_static(&stubs)?;
    let binary = binary::build(Profile::Dev, Some(&stubs))?;
    // Takes along what tests leave that are killed.
    let tmp = tempfile::Builder::new()
        .prefix("sealcrate-tests-")
        .tempdir()
        .context("cannot create a temporary folder")?;
    let transcripts = empty_transcripts()?;
    private_engine::with(&interrupts, |address| {
        let memory = child::run_in_own_group(&mut stub_memory_tests(), &interrupts)?;
        if memory != ExitCode::SUCCESS {
            return Ok(memory);
        }
        let set = |tests: &mut Command, address: &str| {
            tests
                .env(stubs::FOLDER, &stubs)
                .env("SEALCRATE_TEST_ENGINE", address)
                .env("SEALCRATE_TEST_BIN", &binary)
                .env("SEALCRATE_TEST_STATIC_BIN", &for_image)
                .env("SEALCRATE_TEST_TRANSCRIPTS", &transcripts)
                .env("TMPDIR", tmp.path());
        };
        let mut tests = binary::cargo();
        tests.args(["test", "--workspace", "--features", GROUP]).args(cargo_test_args);
        set(&mut tests, address);
        let passed = child::run_in_own_group(&mut tests, &interrupts)?;
        if passed != ExitCode::SUCCESS {
            return Ok(passed);
        }
        // Once more, and last: now all runs have printed their output.
        let mut search = binary::cargo();
        search.args(["test", "--quiet", "--package", "sealcrate-tests", "--features", GROUP]);
        search.args(["--test", "transcripts"]);
        set(&mut search, address);
        child::run_in_own_group(&mut search, &interrupts)
    })
}

/// Makes a folder for what the tests' runs print, without anything of earlier tests.
fn empty_transcripts() -> anyhow::Result<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/transcripts"));
    if folder.exists() {
        fs::remove_dir_all(folder).context("cannot remove the transcripts of earlier tests")?;
    }
    fs::create_dir_all(folder).context("cannot make the folder of transcripts")?;
    Ok(folder.to_owned())
}

/// The tests of what a stub has in place of a C library, in the stub's own workspace.
fn stub_memory_tests() -> Command {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut tests = binary::cargo();
    tests.args(["test", "--quiet", "--locked", "--package", "sealcrate-stub-memory"]);
    tests.arg("--manifest-path").arg(root.join("crates/stub/Cargo.toml"));
    tests.arg("--target-dir").arg(root.join("target/stub"));
    tests
}
