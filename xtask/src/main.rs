//! The developers' tasks that need more than cargo: `cargo xtask --help` lists them.
//!
//! This file owns the command line. What a task does is in the module of its name.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod binary;
mod child;
mod demo;
mod engine;
mod foreign;
mod packages;
mod private_engine;
mod pyinstaller;
mod root;
mod test;

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().task {
        Task::Demo => demo::run(),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Test { cargo_test_args } => test::run(&cargo_test_args),
        Task::Engine { command } => engine::run(&command),
    }
}

/// Runs a development task of sealcrate
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the release binary and show, in a temporary folder, what it is for
    ///
    /// Needs nothing but cargo. Where the docker command reaches an engine, the image goes through
    /// that too, and is removed from it afterwards.
    Demo,
    /// Measure sealcrate beside skopeo, docker and crypto-cli, and its parts by themselves
    ///
    /// Prints Markdown tables, and writes them and the figures to benches/results. Images take some ten
    /// minutes and about 10 GB in the target folder and the temporary folder; --quick, three minutes.
    /// CRYPTO_CLI=PATH names a binary of crypto-cli to be measured.
    Bench(bench::Arguments),
    /// Run every test of the workspace against a private Docker engine and real registries
    ///
    /// Installs the Debian packages that are missing, and stops what it started. With
    /// SEALCRATE_TEST_ENGINE set (`unix:///run/docker.sock`) that engine is used instead.
    Test {
        /// Passed on to `cargo test --workspace`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        cargo_test_args: Vec<String>,
    },
    /// Run a command with DOCKER_HOST and SEALCRATE_TEST_ENGINE naming a private Docker engine
    Engine {
        /// The command and its arguments
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
}
