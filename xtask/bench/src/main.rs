//! `cargo xtask bench`: how fast sealcrate is, beside other tools on the same machine.
//!
//! Each subject is a module: [`images`] are pushed and pulled, [`programs`] packed and started, layers and
//! payloads encrypted and decrypted ([`ciphers`]), and large images held in little [`memory`]. They share
//! the other modules: one run of one command ([`measure`]), the [`machine`] and the [`files`] that it has, a
//! [`registry`], the [`layout`] of an image, the [`spread`] of figures, and the folder of [`results`]. Nothing
//! here passes or fails by time.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use xtask::binary::{self, Profile};
use xtask::child::Interrupts;
use xtask::packages::{self, Consent};
use xtask::stubs;

use steps::Extent;

mod ciphers;
mod files;
mod images;
mod keys;
mod layout;
mod locked;
mod machine;
mod measure;
mod memory;
mod programs;
mod registry;
mod results;
mod spread;
mod steps;

/// A subject that can be measured alone.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// Pushes and pulls, beside skopeo, docker and crypto-cli
    Images,
    /// Locked images: sizes, and the time to start
    Locked,
    /// Packed programs: sizes, and the time to start
    Programs,
    /// Ciphers, beside openssl
    Ciphers,
    /// The most memory that a push and a pull of 10 GB take (needs 25 GB of disk)
    Memory,
}

/// Measures sealcrate beside skopeo, docker and crypto-cli, and its parts by themselves
///
/// Prints Markdown tables, and writes them and the figures to benches/results. Images take some ten
/// minutes and about 10 GB in the target folder and the temporary folder; --quick, three minutes.
/// CRYPTO_CLI=PATH names a binary of crypto-cli to be measured.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Arguments {
    /// Measure only this
    subject: Option<Subject>,
    /// Measure small images in few rounds, to see whether everything works
    #[arg(long)]
    quick: bool,
    /// Measure images beside these alone
    #[arg(long, value_name = "PEER", value_delimiter = ',', default_values = ["skopeo", "docker", "crypto-cli"])]
    peer: Vec<images::Peer>,
    /// How often everything is measured: 5 times, with --quick 2
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    rounds: Option<u8>,
    /// Install missing packages without a question
    #[arg(long)]
    yes: bool,
}

/// Measures a subject, or all there is, prints tables and writes results.
fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let (extent, rounds) = if arguments.quick { (Extent::Quick, 2) } else { (Extent::Full, 5) };
    let rounds = arguments.rounds.unwrap_or(rounds);
    let interrupts = Interrupts::catch()?;
    let consent = if arguments.yes { Consent::Given } else { Consent::Asked };
    packages::install_missing_for_bench(consent)?;
    // The bench measures the binary of a release, which people get.
    let binary = binary::build(Profile::Dist, Some(&stubs::build(consent)?))?;
    let target = binary.ancestors().nth(2).context("the binary is in no target folder")?;
    let kept = target.join("bench");
    let wanted = |subject| arguments.subject.is_none_or(|only| only == subject);
    if wanted(Subject::Programs) {
        programs::measure(&binary, &kept, rounds, &interrupts)?;
    }
    if wanted(Subject::Locked) {
        locked::measure(&binary, extent, rounds, &interrupts)?;
    }
    if wanted(Subject::Ciphers) {
        ciphers::measure(target, extent, &interrupts)?;
    }
    if wanted(Subject::Memory) {
        memory::measure(&binary, &kept, extent, &interrupts)?;
    }
    if wanted(Subject::Images) {
        return images::measure(&binary, &kept, extent, &arguments.peer, rounds, &interrupts);
    }
    Ok(ExitCode::SUCCESS)
}
