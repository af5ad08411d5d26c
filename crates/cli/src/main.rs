//! Keeps container images private on public registries: the command line.
//!
//! This crate reads the command line and the environment, opens places, asks for passphrases, shows
//! progress, and turns errors into exit codes and hints. The other crates know what an image is and
//! how it is encrypted.

mod args;
mod commands;
mod encryption;
mod environment;
mod grpc;
mod keys;
mod opening;
mod output;
mod session;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sealcrate_image::{CompressionLevel, Runtime};

use crate::args::{Cli, Command, CompressionArgs, MainRegistry, RegistryArgs, TalkArgs};
use crate::environment::interrupt::Interrupt;
use crate::environment::places::Places;
use crate::environment::programs;
use crate::keys::{Ambient, VARIABLE};
use crate::output::{failure, progress, talk};
use crate::session::{Local, Session};

fn main() -> ExitCode {
    let typed = args::invocation(std::env::args_os());
    let cli = match Cli::try_parse_from(&typed) {
        Ok(cli) => cli,
        Err(error) if args::asks_for_build(&error, &typed) => return show_build(),
        Err(error) => error.exit(),
    };
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if cli.command.is_for_programs() => {
            if matches!(cli.command, Command::Decoder(_)) {
                commands::node::decoder::outlive();
            }
            failure::report_to_program(&error)
        }
        Err(error) => failure::report(&error),
    }
}

/// Shows the version, and what else tells one build from another.
fn show_build() -> ExitCode {
    match commands::version::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

fn run(cli: &Cli) -> Result<()> {
    let reading = |args, main| start(&cli.talk, args, &main, CompressionLevel::default());
    let writing = |args, main, compression: &CompressionArgs| {
        start(&cli.talk, args, &main, compression.compression_level.try_into()?)
    };
    match &cli.command {
        Command::Push(args) => commands::push::run(
            args,
            &writing(&args.registry, args.main_registry(), &args.compression)?,
        ),
        Command::Pull(args) => {
            commands::pull::run(args, &reading(&args.registry, args.main_registry())?)
        }
        Command::Copy(args) => commands::copy::run(
            args,
            &writing(&args.registry, args.main_registry(), &args.compression)?,
        ),
        Command::Rewrap(args) => {
            commands::rewrap::run(args, &reading(&args.registry, args.main_registry())?)
        }
        Command::Inspect(args) => {
            commands::inspect::run(args, &reading(&args.registry, args.main_registry())?)
        }
        Command::Pack(args) => commands::pack::run(args, &begin(&cli.talk)?),
        Command::Unpack(args) => commands::unpack::run(args, &begin(&cli.talk)?),
        Command::Lock(args) => commands::lock::run(
            args,
            &writing(&args.registry, args.main_registry(), &args.compression)?,
        ),
        Command::Unlock(args) => commands::unlock::run(
            args,
            &writing(&args.registry, args.main_registry(), &args.compression)?,
        ),
        Command::Keygen(args) => commands::keygen::run(args, &begin(&cli.talk)?),
        Command::Respond(args) => {
            commands::respond::run(args, &reading(&args.registry, args.main_registry())?)
        }
        Command::Cache { task } => commands::cache::run(*task),
        Command::Decoder(args) => {
            let payload = commands::node::decoder::open_payload();
            let local = begin(&cli.talk)?;
            commands::node::decoder::run(args, payload, &local.runtime)
        }
        Command::Keyprovider(args) => {
            // It handles signals itself: a service ends in order.
            harden(&cli.talk)?;
            commands::node::keyprovider::run(args, Runtime::default())
        }
        Command::Linger => {
            commands::node::decoder::linger();
            Ok(())
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "sealcrate", &mut script);
            commands::print_line(String::from_utf8(script)?.trim_end())
        }
        Command::Man { folder } => man(folder),
    }
}

/// Makes the session of a command on images.
fn start(
    talk: &TalkArgs,
    args: &RegistryArgs,
    main: &MainRegistry,
    level: CompressionLevel,
) -> Result<Session> {
    let local = begin(talk)?;
    allow_many_files();
    let (progress, leftovers) = (local.progress.clone(), local.interrupt.leftovers());
    let places = Places::new(args, main, progress, leftovers, &local.runtime)?;
    Ok(Session::new(local, places, args, level))
}

/// Prepares the process to hold secrets, and makes the tools of a command on files.
fn begin(talk: &TalkArgs) -> Result<Local> {
    harden(talk)?;
    let interrupt = Interrupt::listen().context("cannot listen for signals")?;
    let keys = Ambient::new(std::env::var_os(VARIABLE));
    Ok(Local { keys, progress: progress::shown(talk), interrupt, runtime: Runtime::default() })
}

/// Prepares the process to hold secrets.
fn harden(talk: &TalkArgs) -> Result<()> {
    forbid_core_dumps()?;
    programs::keep_descriptors();
    if talk.verbose {
        let level = tracing_subscriber::filter::LevelFilter::DEBUG;
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(|| talk::Log)
            .with_ansi(false)
            .init();
    }
    Ok(())
}

/// Forbids core dumps. A limit of 0 stops files only. With a limit of 1 the kernel pipes no dump to a
/// collector either (core(5), `coredump_pipe` in the kernel). No file fits in one byte.
fn forbid_core_dumps() -> Result<()> {
    let limit = Rlimit { current: Some(1), maximum: Some(1) };
    setrlimit(Resource::Core, limit).context("cannot forbid core dumps")
}

/// Raises the limit of open files. Every blob that waits for its turn is an open file, and an image
/// may have more blobs than the default limit allows. If the limit cannot be raised, small images
/// still work.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn man(folder: &Path) -> Result<()> {
    clap_mangen::generate_to(Cli::command(), folder)
        .with_context(|| format!("cannot write the man pages to {}", folder.display()))
}
