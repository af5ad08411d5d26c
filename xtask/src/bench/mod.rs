//! `cargo xtask bench`: how fast sealcrate is, beside skopeo and docker on the same machine, and how
//! much longer a packed program takes to start than the bare one.
//!
//! The tools take turns, round by round, so that whatever else the machine does meets all of them.
//! Every push goes to a registry of its own, which holds nothing yet; the last round's are what is
//! pulled. This module owns the order of events; nothing here passes or fails by time.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};
use serde_json::json;

use self::images::{FULL, QUICK, Recipe};
use self::measure::{Measured, Sample};
use self::registry::Registry;
use self::report::Row;
use self::tools::{Bench, Tool};
use crate::binary::{self, Profile};
use crate::child::Interrupts;
use crate::{packages, private_engine};

mod images;
mod locked;
mod machine;
mod measure;
mod programs;
mod registry;
mod report;
mod starts;
mod stubs;
mod tools;

/// What can be measured alone.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Subject {
    /// Pushes and pulls, beside skopeo and docker
    Images,
    /// Locked images: sizes, and the time to start
    Locked,
    /// Packed programs: sizes, and the time to start
    Programs,
}

/// Measures a subject, or all there is, `rounds` times, prints tables and writes the samples.
pub(crate) fn run(subject: Option<Subject>, quick: bool, rounds: u8) -> anyhow::Result<ExitCode> {
    let interrupts = Interrupts::catch()?;
    packages::install_missing_for_bench()?;
    let binary = binary::build(Profile::Release)?;
    let kept = binary.ancestors().nth(2).context("the binary is in no target folder")?;
    let kept = kept.join("bench");
    let is_asked_for = |one| subject.is_none_or(|subject| subject == one);
    if is_asked_for(Subject::Programs) {
        measure_programs(&binary, &kept, rounds, &interrupts)?;
    }
    if is_asked_for(Subject::Locked) {
        measure_locked(&binary, quick, rounds, &interrupts)?;
    }
    if is_asked_for(Subject::Images) {
        return measure_images(&binary, &kept, quick, rounds, &interrupts);
    }
    Ok(ExitCode::SUCCESS)
}

fn measure_locked(
    binary: &Path,
    quick: bool,
    rounds: u8,
    interrupts: &Interrupts,
) -> anyhow::Result<()> {
    let mut pairs = Vec::new();
    private_engine::with(interrupts, |address| {
        pairs = locked::measure(binary, address, quick, rounds, interrupts)?;
        Ok(ExitCode::SUCCESS)
    })?;
    let machine = machine::describe();
    report::print_locked(&machine, &pairs);
    let pairs: Vec<_> = pairs.iter().map(locked::Pair::to_json).collect();
    let kind = if quick { "-locked-quick" } else { "-locked" };
    report::write(kind, json!({ "machine": machine, "images": pairs }))
}

fn measure_programs(
    binary: &Path,
    kept: &Path,
    rounds: u8,
    interrupts: &Interrupts,
) -> anyhow::Result<()> {
    let programs = programs::all(kept)?;
    let stubs = stubs::sizes(binary)?;
    let forms = starts::measure(binary, &programs, rounds, interrupts)?;
    let machine = machine::describe();
    report::print_programs(&machine, &stubs, &forms);
    let samples = json!({
        "machine": machine,
        "stub_bytes": stubs,
        "forms": forms.iter().map(starts::Form::to_json).collect::<Vec<_>>(),
    });
    report::write("-programs", samples)
}

fn measure_images(
    binary: &Path,
    kept: &Path,
    quick: bool,
    rounds: u8,
    interrupts: &Interrupts,
) -> anyhow::Result<ExitCode> {
    let recipes: &[Recipe] = if quick { &QUICK } else { &FULL };
    let mut images = Vec::new();
    for recipe in recipes {
        images.push((recipe, images::archive(recipe, kept)?));
    }
    private_engine::with(interrupts, |address| {
        let bench = Bench::new(binary.to_owned(), address)?;
        let mut rows = Vec::new();
        for (recipe, archive) in images {
            rows.extend(measure_image(&bench, recipe, &archive, rounds, interrupts)?);
        }
        let machine = machine::describe_with_tools(&bench);
        report::print(&machine, &rows, rounds);
        let samples = json!({
            "machine": machine,
            "rows": rows.iter().map(Row::to_json).collect::<Vec<_>>(),
        });
        report::write(if quick { "-quick" } else { "" }, samples)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Measures both directions for one image.
fn measure_image(
    bench: &Bench,
    recipe: &Recipe,
    archive: &Path,
    rounds: u8,
    interrupts: &Interrupts,
) -> anyhow::Result<Vec<Row>> {
    let tools = bench.tools();
    let mut pushes: Vec<Row> =
        tools.iter().map(|tool| Row::new("push", recipe.name, *tool)).collect();
    let mut registries: Vec<Option<Registry>> = tools.iter().map(|_| None).collect();
    bench.load(archive)?;
    let layers = bench.layers(images::TAG)?;
    for round in 0..rounds {
        for i in turns(tools.len(), round) {
            check(interrupts)?;
            // The one of the round before goes first: its space is needed.
            registries[i] = None;
            let registry = Registry::start()?;
            bench.prepare_push(tools[i], registry.host())?;
            let command = bench.push(tools[i], registry.host(), recipe);
            let measured = measured(bench, command)?;
            tell_sample("push", recipe, tools[i], &measured);
            pushes[i].samples.push(Sample { measured, stored: Some(registry.stored()?) });
            registries[i] = Some(registry);
        }
    }
    // What is pulled must be new to the engine.
    bench.remove_images()?;
    let mut pulls: Vec<Row> =
        tools.iter().map(|tool| Row::new("pull", recipe.name, *tool)).collect();
    for round in 0..rounds {
        for i in turns(tools.len(), round) {
            check(interrupts)?;
            let Some(registry) = &registries[i] else { bail!("nothing was pushed") };
            let measured = measured(bench, bench.pull(tools[i], registry.host()))?;
            tell_sample("pull", recipe, tools[i], &measured);
            let pulled = bench.layers(&tools::public_name(registry.host()))?;
            ensure!(pulled == layers, "{} has pulled another image", tools[i].name());
            bench.remove_images()?;
            pulls[i].samples.push(Sample { measured, stored: None });
        }
    }
    pushes.extend(pulls);
    Ok(pushes)
}

fn measured(bench: &Bench, command: Command) -> anyhow::Result<Measured> {
    let before = bench.engine_seconds();
    let mut measured = measure::run(command)?;
    measured.engine_cpu = bench.engine_seconds().zip(before).map(|(after, before)| after - before);
    Ok(measured)
}

/// The order of a round: each round another tool is first.
fn turns(count: usize, round: u8) -> impl Iterator<Item = usize> {
    (0..count).map(move |i| (i + usize::from(round)) % count)
}

fn check(interrupts: &Interrupts) -> anyhow::Result<()> {
    if interrupts.arrived() {
        bail!("interrupted");
    }
    Ok(())
}

/// Tells of a round at once, so that a bench that is broken off has told something.
fn tell_sample(operation: &str, recipe: &Recipe, tool: Tool, measured: &Measured) {
    let (image, tool, Measured { wall, cpu, .. }) = (recipe.name, tool.name(), measured);
    tell(&format!("{operation} of {image} by {tool}: {wall:.2} s, {cpu:.2} s of CPU"));
}

#[expect(clippy::print_stderr, reason = "what the user waits for")]
fn tell(what: &str) {
    eprintln!("xtask: {what}");
}
