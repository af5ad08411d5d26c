//! `cargo xtask engine -- COMMAND`: a private engine for as long as a command runs.

use std::process::{Command, ExitCode};

use anyhow::{Context, bail};

use crate::child::{self, Interrupts};
use crate::packages::{self, Consent};
use crate::private_engine;
use crate::suites::{Engine, Folder, Store, Suite};

/// The task, as the user asks for it.
#[derive(Debug, PartialEq)]
pub struct Request<'a> {
    consent: Consent,
    /// The engine of another suite. This machine's own is used where there is none.
    engine: Option<Engine>,
    command: &'a [String],
}

impl<'a> Request<'a> {
    /// Reads the arguments of the task.
    ///
    /// # Errors
    /// The task takes other arguments.
    pub fn parse(mut arguments: &'a [String]) -> anyhow::Result<Self> {
        let (mut consent, mut suite, mut store) = (Consent::Asked, None, None);
        loop {
            let (agreed, rest) = Consent::parse(arguments);
            match rest {
                _ if agreed == Consent::Given => (consent, arguments) = (agreed, rest),
                [option, name, rest @ ..] if option == "--suite" => {
                    suite = Some(Suite::named(name).with_context(|| unknown("suite", name))?);
                    arguments = rest;
                }
                [option, name, rest @ ..] if option == "--store" => {
                    store = Some(Store::named(name).with_context(|| unknown("store", name))?);
                    arguments = rest;
                }
                [dashes, command @ ..] if dashes == "--" && !command.is_empty() => {
                    let engine = engine_of(suite, store)?;
                    return Ok(Self { consent, engine, command });
                }
                _ => bail!(
                    "usage: cargo xtask engine [--yes] [--suite SUITE [--store STORE]] -- COMMAND"
                ),
            }
        }
    }
}

fn unknown(option: &str, name: &str) -> String {
    format!("{name:?} is no {option}: `cargo xtask help` names them")
}

fn engine_of(suite: Option<Suite>, store: Option<Store>) -> anyhow::Result<Option<Engine>> {
    match (suite, store) {
        (None, None) => Ok(None),
        (None, Some(_)) => bail!("--store needs --suite: the engine of this machine has one store"),
        (Some(suite), store) => Ok(Some(Engine { suite, store: store.unwrap_or(Store::Overlay) })),
    }
}

/// Runs the command in the foreground, so that it may be a shell, and returns its status.
///
/// # Errors
/// There is no engine; the command cannot be run.
pub fn run(request: &Request<'_>) -> anyhow::Result<ExitCode> {
    let [program, arguments @ ..] = request.command else {
        bail!("no command is given");
    };
    let interrupts = Interrupts::catch()?;
    packages::install_missing(request.consent)?;
    let mut command = Command::new(program);
    command.args(arguments);
    let Some(engine) = request.engine else {
        return private_engine::with(&interrupts, |address| {
            child::run(name_engine(&mut command, address), &interrupts)
        });
    };
    let folder = Folder::provide(engine.suite, &interrupts)?;
    private_engine::with_suite(&interrupts, &folder, engine.store, |address, programs| {
        programs.name_to(&mut command)?;
        child::run(name_engine(&mut command, address), &interrupts)
    })
}

fn name_engine<'a>(command: &'a mut Command, address: &str) -> &'a mut Command {
    command.env("DOCKER_HOST", address).env("SEALCRATE_TEST_ENGINE", address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn engine_is_this_machines_unless_a_suite_is_named() {
        let typed = words("-- bash --suite forky");
        let request = Request::parse(&typed).unwrap();
        assert_eq!((request.consent, request.engine), (Consent::Asked, None));
        assert_eq!(request.command, &typed[1..]);
    }

    #[test]
    fn options_come_in_any_order() {
        let engine = |suite, store| Some(Engine { suite, store });
        for (typed, consent, wanted) in [
            ("--suite trixie", Consent::Asked, engine(Suite::Trixie, Store::Overlay)),
            (
                "--suite forky --store containerd --yes",
                Consent::Given,
                engine(Suite::Forky, Store::Containerd),
            ),
            (
                "--yes --store overlay --suite forky",
                Consent::Given,
                engine(Suite::Forky, Store::Overlay),
            ),
        ] {
            let all = words(&format!("{typed} -- docker info"));
            let request = Request::parse(&all).unwrap();
            assert_eq!((request.consent, request.engine), (consent, wanted), "{typed}");
            assert_eq!(request.command, ["docker", "info"]);
        }
    }

    #[test]
    fn engines_that_do_not_exist_are_refused() {
        for typed in [
            "",
            "bash",
            "--",
            "--suite",
            "--suite forky",
            "--suite forky bash",
            "--suite sid -- bash",
            "--suite forky --store vfs -- bash",
            "--store containerd -- bash",
        ] {
            assert!(Request::parse(&words(typed)).is_err(), "{typed}");
        }
    }
}
