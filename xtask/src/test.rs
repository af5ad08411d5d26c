//! `cargo xtask test`: every test of the workspace, with the services that the tests need. The tests of the
//! stub's own workspace come first.
//!
//! It selects both groups of the end-to-end tests. `cargo test` alone leaves out the group `engine`. All tests run on
//! this machine's engine. Then the named set runs on the engines of other suites.
//! The tests get four variables: `SEALCRATE_TEST_ENGINE`, the engine's address;
//! `SEALCRATE_TEST_BIN`, the path of the binary under test; `SEALCRATE_TEST_STATIC_BIN`, the path of the
//! binary in the tool's image; and `SEALCRATE_TEST_TRANSCRIPTS`, a folder. There the tests note all their
//! secrets, and all that the binary printed. In the end one is searched for the other. The tests start
//! registries themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::binary::{self, Profile};
use crate::child::{self, Interrupts};
use crate::packages::{self, Consent};
use crate::{private_engine, pyinstaller, stubs, suites};

/// The feature that selects the tests that need an engine, root or installed programs.
const GROUP: &str = "sealcrate-tests/engine";

/// The address that the search of the transcripts gets, which needs no engine.
const NO_ENGINE: &str = "unix:///nowhere";

/// The arguments by which cargo tests the workspace, both groups.
const WORKSPACE: [&str; 3] = ["--workspace", "--features", GROUP];

/// The option that chooses the engines.
const ENGINES: &str = "--engines";

/// The task, as the user asks for it.
#[derive(Debug, PartialEq)]
pub struct Request<'a> {
    consent: Consent,
    engines: Engines,
    /// For cargo.
    arguments: &'a [String],
}

/// The engines that tests run on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Engines {
    /// The engine of this machine with all tests, and the engines of all suites with the named set.
    All,
    /// The engine of this machine.
    Host,
}

impl<'a> Request<'a> {
    /// Reads the arguments of the task. Somebody who chooses tests waits for no others, unless that is asked for.
    ///
    /// # Errors
    /// The option names no engines.
    pub fn parse(mut arguments: &'a [String]) -> anyhow::Result<Self> {
        let (mut consent, mut chosen) = (Consent::Asked, None);
        loop {
            let (agreed, rest) = Consent::parse(arguments);
            match rest {
                _ if agreed == Consent::Given => (consent, arguments) = (agreed, rest),
                [option, engines, rest @ ..] if option == ENGINES => {
                    chosen = Some(Engines::named(engines)?);
                    arguments = rest;
                }
                [option] if option == ENGINES => bail!("{ENGINES} needs `host` or `all`"),
                _ => break,
            }
        }
        let usual = if arguments.is_empty() { Engines::All } else { Engines::Host };
        Ok(Self { consent, engines: chosen.unwrap_or(usual), arguments })
    }
}

impl Engines {
    fn named(name: &str) -> anyhow::Result<Self> {
        match name {
            "all" => Ok(Self::All),
            "host" => Ok(Self::Host),
            _ => bail!("{ENGINES} takes `host` or `all`, not {name:?}"),
        }
    }
}

/// Builds the binary, runs `cargo test --workspace`, and returns its status.
///
/// # Errors
/// Something that the tests need cannot be had; a command cannot be run.
pub fn run(request: &Request<'_>) -> anyhow::Result<ExitCode> {
    let interrupts = Interrupts::catch()?;
    packages::install_missing(request.consent)?;
    pyinstaller::provide()?;
    let parts = Parts::build(request.consent)?;
    let on_host = private_engine::with(&interrupts, |address| {
        let memory = child::run_in_own_group(&mut stub_memory_tests(), &interrupts)?;
        if memory != ExitCode::SUCCESS {
            return Ok(memory);
        }
        let mut tests = binary::cargo();
        tests.arg("test").args(WORKSPACE).args(request.arguments);
        parts.name_to(&mut tests, address);
        child::run_in_own_group(&mut tests, &interrupts)
    })?;
    if on_host != ExitCode::SUCCESS {
        return Ok(on_host);
    }
    if request.engines == Engines::All {
        let set = suites::Set::build(&WORKSPACE, &parts.stubs)?;
        let on_suites = set.run(&interrupts, |tests, address| parts.name_to(tests, address))?;
        if on_suites != ExitCode::SUCCESS {
            return Ok(on_suites);
        }
    }
    // Once more, and last: now all runs have printed their output.
    let mut search = binary::cargo();
    search.args(["test", "--quiet", "--package", "sealcrate-tests", "--features", GROUP]);
    search.args(["--test", "transcripts"]);
    parts.name_to(&mut search, NO_ENGINE);
    child::run_in_own_group(&mut search, &interrupts)
}

/// The parts that tests get, on whichever engine.
struct Parts {
    stubs: PathBuf,
    binary: PathBuf,
    for_image: PathBuf,
    transcripts: PathBuf,
    /// Takes along what tests leave that are killed.
    tmp: TempDir,
}

impl Parts {
    fn build(consent: Consent) -> anyhow::Result<Self> {
        let stubs = stubs::build(consent)?;
        Ok(Self {
            for_image: binary::build_static(&stubs)?,
            binary: binary::build(Profile::Dev, Some(&stubs))?,
            transcripts: empty_transcripts()?,
            tmp: tempfile::Builder::new()
                .prefix("sealcrate-tests-")
                .tempdir()
                .context("cannot create a temporary folder")?,
            stubs,
        })
    }

    /// Sets the variables of a command that runs tests.
    fn name_to(&self, tests: &mut Command, address: &str) {
        tests
            .env(stubs::FOLDER, &self.stubs)
            .env("SEALCRATE_TEST_ENGINE", address)
            .env("SEALCRATE_TEST_BIN", &self.binary)
            .env("SEALCRATE_TEST_STATIC_BIN", &self.for_image)
            .env("SEALCRATE_TEST_TRANSCRIPTS", &self.transcripts)
            .env("TMPDIR", self.tmp.path());
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn all_engines_are_tested_unless_tests_or_engines_are_chosen() {
        for (typed, consent, engines, arguments) in [
            ("", Consent::Asked, Engines::All, ""),
            ("--yes", Consent::Given, Engines::All, ""),
            ("--engines host", Consent::Asked, Engines::Host, ""),
            ("--engines host --yes", Consent::Given, Engines::Host, ""),
            ("--yes --test lock", Consent::Given, Engines::Host, "--test lock"),
            ("--test lock -- --yes", Consent::Asked, Engines::Host, "--test lock -- --yes"),
            ("--yes --engines all dare", Consent::Given, Engines::All, "dare"),
            ("dare --engines all", Consent::Asked, Engines::Host, "dare --engines all"),
        ] {
            let typed = words(typed);
            let wanted = Request { consent, engines, arguments: &words(arguments) };
            assert_eq!(Request::parse(&typed).unwrap(), wanted, "{typed:?}");
        }
    }

    #[test]
    fn engines_that_do_not_exist_are_refused() {
        for typed in ["--engines", "--yes --engines", "--engines forky", "--engines --yes"] {
            assert!(Request::parse(&words(typed)).is_err(), "{typed}");
        }
    }
}
