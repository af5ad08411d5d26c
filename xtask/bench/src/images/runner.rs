//! The order of events for one image.
//!
//! The tools take turns, round by round, so that the machine's other work meets all of them. The first
//! round goes through a proxy that counts, and is not timed; the others have nothing between tool and
//! registry. Every full push goes to a registry of its own, which holds nothing yet. Pulls take the images
//! of the last round.

use std::fs;

use anyhow::{Context, ensure};
use sealcrate_test_kit::Counter;

use super::case::Case;
use super::commands::public_name;
use super::made::{Image, Variant};
use super::peers::Peers;
use super::row::Row;
use super::tool::Tool;
use crate::measure;
use crate::registry::Registry;
use crate::steps::{check, tell, turns};
use xtask::child::Interrupts;

/// Measures one image.
pub(super) struct Runner<'a> {
    peers: &'a Peers,
    image: &'a Image,
    /// How many rounds are timed.
    rounds: u8,
    interrupts: &'a Interrupts,
    rows: Vec<Row>,
}

/// The purpose of a round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    Counted,
    Timed,
}

/// A tool's way to a registry.
struct Way<'r> {
    registry: &'r Registry,
    counter: Option<Counter>,
}

impl<'r> Way<'r> {
    fn to(registry: &'r Registry, round: Round) -> Self {
        let counter = match round {
            Round::Counted => Some(Counter::start(registry.host())),
            Round::Timed => None,
        };
        Self { registry, counter }
    }

    fn host(&self) -> String {
        match &self.counter {
            Some(counter) => counter.host(),
            None => self.registry.host().to_owned(),
        }
    }
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        peers: &'a Peers,
        image: &'a Image,
        rounds: u8,
        interrupts: &'a Interrupts,
    ) -> Self {
        let mut rows = Vec::new();
        for &case in image.recipe().cases {
            for &tool in peers.tools() {
                if tool.has_layouts() || !case.needs_layouts() {
                    rows.push(Row::new(case, image.recipe().name, tool));
                }
            }
        }
        Self { peers, image, rounds, interrupts, rows }
    }

    /// Goes through all cases of the image, which is in the engine only meanwhile.
    pub(super) fn run(mut self) -> anyhow::Result<Vec<Row>> {
        let tools = self.peers.tools();
        self.peers.load(&self.image.archive(Variant::Original))?;
        if self.image.recipe().changes() {
            self.peers.load(&self.image.archive(Variant::Changed))?;
        }
        let last = if self.image.recipe().changes() { Variant::Changed } else { Variant::Original };
        let layers = self.peers.layers(last.tag())?;
        let mut registries: Vec<Option<Registry>> = tools.iter().map(|_| None).collect();
        self.in_turns(|runner, i, round| {
            // The one of the round before goes first: its space is needed.
            registries[i] = None;
            registries[i] = Some(runner.pushes(tools[i], round)?);
            Ok(())
        })?;
        // A pulled image must be new to the engine.
        self.peers.remove_images()?;
        self.in_turns(|runner, i, round| runner.layout_pushes(tools[i], round))?;
        self.in_turns(|runner, i, round| {
            let registry = registries[i].as_ref().context("nothing was pushed")?;
            runner.pulls(tools[i], round, registry, &layers)
        })?;
        Ok(self.rows)
    }

    /// Lets the tools take turns in every round; each round another one is first.
    fn in_turns(
        &mut self,
        mut turn: impl FnMut(&mut Self, usize, Round) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for round in 0..=usize::from(self.rounds) {
            for i in turns(self.peers.tools().len(), round) {
                let kind = if round == 0 { Round::Counted } else { Round::Timed };
                turn(self, i, kind)?;
            }
        }
        Ok(())
    }

    /// Pushes out of the engine, and returns the registry that holds the image.
    fn pushes(&mut self, tool: Tool, round: Round) -> anyhow::Result<Registry> {
        let registry = Registry::start()?;
        let way = Way::to(&registry, round);
        for (case, variant) in [
            (Case::Push, Variant::Original),
            (Case::PushChanged, Variant::Changed),
            (Case::PushUnchanged, Variant::Changed),
        ] {
            if self.has(case, tool) {
                if tool.pushes_by_name() {
                    self.peers.tag(variant.tag(), &public_name(&way.host()))?;
                }
                self.step(case, tool, &way)?;
            }
        }
        drop(way);
        Ok(registry)
    }

    fn layout_pushes(&mut self, tool: Tool, round: Round) -> anyhow::Result<()> {
        for case in [Case::PushGzipped, Case::PushUncompressed] {
            if self.has(case, tool) {
                let registry = Registry::start()?;
                self.step(case, tool, &Way::to(&registry, round))?;
            }
        }
        Ok(())
    }

    /// Pulls what the same tool has pushed, and makes sure that it is what the engine had before.
    fn pulls(
        &mut self,
        tool: Tool,
        round: Round,
        registry: &Registry,
        layers: &str,
    ) -> anyhow::Result<()> {
        let way = Way::to(registry, round);
        if self.has(Case::Pull, tool) {
            self.step(Case::Pull, tool, &way)?;
            let pulled = self.peers.layers(&public_name(&way.host()))?;
            ensure!(pulled == layers, "{} has pulled another image", tool.name());
            self.peers.remove_images()?;
        }
        if self.has(Case::PullToLayout, tool) {
            self.step(Case::PullToLayout, tool, &way)?;
            let layout = self.peers.pulled_layout();
            for blob in fs::read_dir(layout.join("blobs/sha256"))? {
                let blob = blob?;
                // Configs and manifests: where a key is still wrapped, a layer is still encrypted.
                if blob.metadata()?.len() < 64 << 10 {
                    let text = fs::read(blob.path())?;
                    let text = String::from_utf8_lossy(&text);
                    ensure!(!text.contains("+encrypted"), "{} does not decrypt", tool.name());
                }
            }
            fs::remove_dir_all(layout)?;
        }
        Ok(())
    }

    fn has(&self, case: Case, tool: Tool) -> bool {
        self.rows.iter().any(|row| (row.case, row.tool) == (case, tool))
    }

    /// Runs one command, and keeps the traffic or the measurements.
    fn step(&mut self, case: Case, tool: Tool, way: &Way<'_>) -> anyhow::Result<()> {
        check(self.interrupts)?;
        let command = self.peers.command(case, tool, &way.host(), self.image);
        let (engine, registry) = (self.peers.engine_cpu(), way.registry.cpu());
        let mut measured = measure::run(command)?;
        let since = |before: Option<f64>, now: Option<f64>| now.zip(before).map(|(a, b)| a - b);
        measured.engine_cpu = since(engine, self.peers.engine_cpu());
        measured.registry_cpu = since(registry, way.registry.cpu());
        let row = self.rows.iter_mut().find(|row| (row.case, row.tool) == (case, tool));
        let row = row.context("the case is not one of this image")?;
        let (image, what, who) = (row.image, case.name(), tool.name());
        match &way.counter {
            Some(counter) => {
                let traffic = counter.take();
                row.traffic = Some(traffic);
                tell(&format!("{image}, {what}, {who}: {} requests", traffic.requests));
            }
            None => {
                let (wall, cpu) = (measured.wall, measured.cpu);
                row.samples.push(measured);
                tell(&format!("{image}, {what}, {who}: {wall:.2} s, {cpu:.2} s of CPU"));
            }
        }
        Ok(())
    }
}
