//! The developers' tasks that need more than cargo: `cargo xtask help` lists them.
//!
//! This file owns the command line, which is read by hand: a library for it would be the largest part of
//! what every task waits for. Each task has a module or a package of its name.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use xtask::binary::{self, Profile};
use xtask::child::{self, Interrupts};
use xtask::packages::Consent;
use xtask::{engine, stubs, test};

const HELP: &str = "\
Runs a development task of sealcrate

Usage: cargo xtask TASK

Tasks:
  demo                 Build the release binary and show, in a temporary folder, what it is for. Needs nothing
                       but cargo. Where the docker command reaches an engine, the image goes through that too,
                       and is removed from it afterwards
  test [--yes] [--engines host|all] [ARGUMENT]...
                       Run every test of the workspace against a private Docker engine and real registries, and
                       some of them against each engine of newer Debian releases. `--engines host` leaves these
                       out, as ARGUMENT does unless `--engines all` is said. Arguments go on to
                       `cargo test --workspace`. Stops what it started. With SEALCRATE_TEST_ENGINE set
                       (unix:///run/docker.sock), the tests use that engine in place of the private one
  engine [--yes] [--suite trixie|forky [--store overlay|containerd]] -- COMMAND
                       Run a command with DOCKER_HOST and SEALCRATE_TEST_ENGINE naming a private Docker engine.
                       With `--suite` it is the engine of another Debian release, in target/engines, and that
                       release's docker, ctr, podman, skopeo, buildah, cosign, oras and age come first in PATH
  stubs [--yes]        Build the stubs for all machines into target/stubs, and print that folder:
                       SEALCRATE_STUBS_DIR names it to a build of sealcrate. Where the compiler has no
                       libraries for a machine, those of Debian's packages are used
  proto                Write the committed code of the gRPC service anew, from crates/cli/proto. Needs protoc
                       (Debian: protobuf-compiler)
  bench [ARGUMENT]...  Measure sealcrate beside other tools: `cargo xtask bench --help` says more
  help                 Print this

The tasks test, engine, stubs and bench list the Debian packages that are missing, and ask whether to install
them. With --yes they install them without a question. No service of a package starts, then or later.
";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = env::args_os()
        .skip(1)
        .map(|argument| argument.into_string().ok().context("an argument is no Unicode text"))
        .collect::<anyhow::Result<_>>()?;
    match Task::parse(&arguments)? {
        Task::Bench(arguments) => bench(arguments),
        Task::Demo => demo(),
        Task::Engine(request) => engine::run(&request),
        Task::Help => {
            print(HELP.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Task::Proto => proto(),
        Task::Stubs(consent) => {
            print(&stubs::build(consent)?.display().to_string());
            Ok(ExitCode::SUCCESS)
        }
        Task::Test(request) => test::run(&request),
    }
}

/// The task that the user asks for.
#[derive(Debug, PartialEq)]
enum Task<'a> {
    Bench(&'a [String]),
    Demo,
    Engine(engine::Request<'a>),
    Help,
    Proto,
    Stubs(Consent),
    Test(test::Request<'a>),
}

impl<'a> Task<'a> {
    fn parse(arguments: &'a [String]) -> anyhow::Result<Self> {
        let Some((task, rest)) = arguments.split_first() else {
            bail!("no task is named: `cargo xtask help` lists them");
        };
        let (consent, more) = Consent::parse(rest);
        match (task.as_str(), more) {
            ("bench", _) => Ok(Self::Bench(rest)),
            ("demo", []) if rest.is_empty() => Ok(Self::Demo),
            ("engine", _) => Ok(Self::Engine(engine::Request::parse(rest)?)),
            ("help" | "--help" | "-h", _) => Ok(Self::Help),
            ("proto", []) if rest.is_empty() => Ok(Self::Proto),
            ("stubs", []) => Ok(Self::Stubs(consent)),
            ("test", _) => Ok(Self::Test(test::Request::parse(rest)?)),
            (task, _) => {
                bail!("{task:?} is no task, or takes no arguments: see `cargo xtask help`")
            }
        }
    }
}

/// Builds the demo and the binary together, and goes through all steps.
fn demo() -> anyhow::Result<ExitCode> {
    let interrupts = Interrupts::catch()?;
    print("Building sealcrate.");
    let [demo, binary] = binary::build_with("xtask-demo", Profile::Release)?;
    child::run(Command::new(demo).arg(binary), &interrupts)
}

fn proto() -> anyhow::Result<ExitCode> {
    let interrupts = Interrupts::catch()?;
    let mut proto = binary::cargo();
    proto.args(["run", "--quiet", "--locked", "--package", "xtask-proto"]);
    child::run(&mut proto, &interrupts)
}

fn bench(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let interrupts = Interrupts::catch()?;
    let mut bench = binary::cargo();
    bench.args(["run", "--quiet", "--locked", "--package", "xtask-bench", "--"]).args(arguments);
    child::run(&mut bench, &interrupts)
}

#[expect(clippy::print_stdout, reason = "what was asked for")]
fn print(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn arguments_go_on_to_what_a_task_runs() {
        let test = words("test --test lock -- --nocapture");
        let request = test::Request::parse(&test[1..]).unwrap();
        assert_eq!(Task::parse(&test).unwrap(), Task::Test(request));
        assert_eq!(Task::parse(&words("stubs --yes")).unwrap(), Task::Stubs(Consent::Given));
        let engine = words("engine -- bash -c true");
        let request = engine::Request::parse(&engine[1..]).unwrap();
        assert_eq!(Task::parse(&engine).unwrap(), Task::Engine(request));
        let bench = words("bench images --quick");
        assert_eq!(Task::parse(&bench).unwrap(), Task::Bench(&bench[1..]));
    }

    #[test]
    fn what_is_no_task_is_refused() {
        for typed in [
            "",
            "tests",
            "engine",
            "engine bash",
            "engine --",
            "demo now",
            "proto now",
            "demo --yes",
            "stubs arm64",
        ] {
            assert!(Task::parse(&words(typed)).is_err(), "{typed}");
        }
        assert!(Task::parse(&[]).is_err());
    }
}
