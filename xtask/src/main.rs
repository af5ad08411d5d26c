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
mod root;
mod test;

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().task {
        Task::Demo => demo::run(),
        Task::Bench { subject, quick, rounds } => bench::run(subject, quick, rounds),
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
    /// Measure pushes and pulls beside skopeo and docker, and the start of packed programs
    ///
    /// Prints Markdown tables and writes benches/results/DATE.json and DATE-programs.json. Images
    /// take some minutes and about 10 GB in the target folder and the temporary folder.
    Bench {
        /// Measure only this
        subject: Option<bench::Subject>,
        /// Measure one small image, to see whether everything works
        #[arg(long)]
        quick: bool,
        /// How often everything is measured
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
        rounds: u8,
    },
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
