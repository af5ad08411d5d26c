//! How fast images are pushed and pulled, beside other tools that do the same.
//!
//! [`recipe`] names the content of each image, and `made` makes the images. A `case` is one task. `tool` and
//! `peers` are the programs that do it, with their `commands`. `runner` lets the tools take turns, behind the
//! test kit's proxy that counts. A `row` holds the measurements, and `table` and `chart` show them.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use self::made::Image;
use self::peers::Peers;
use self::row::Row;
use self::runner::Runner;
use super::results;
use crate::steps::Extent;
use xtask::child::Interrupts;
use xtask::private_engine;

mod case;
mod chart;
mod commands;
mod made;
mod peers;
mod recipe;
mod row;
mod runner;
mod table;
mod tool;

pub(crate) use tool::Peer;

/// Measures every image in every case, sealcrate beside the peers that are there.
pub(super) fn measure(
    binary: &Path,
    kept: &Path,
    extent: Extent,
    wanted: &[Peer],
    rounds: u8,
    interrupts: &Interrupts,
) -> anyhow::Result<ExitCode> {
    let images = recipe::all(extent).iter().map(|recipe| Image::kept_in(kept, recipe));
    let images = images.collect::<anyhow::Result<Vec<_>>>()?;
    private_engine::with(interrupts, |address| {
        let peers = Peers::find(binary, address, wanted)?;
        let machine = peers.describe_machine();
        let mut rows = Vec::new();
        for image in &images {
            rows.extend(Runner::new(&peers, image, rounds, interrupts).run()?);
        }
        let table = table::of(&machine, peers.missing(), &rows, rounds);
        let figures = json!({
            "machine": machine,
            "missing": peers.missing(),
            "rounds": rounds,
            "rows": rows.iter().map(Row::to_json).collect::<Vec<_>>(),
        });
        results::publish(&format!("-images{}", extent.suffix()), figures, &table)?;
        if extent == Extent::Full {
            results::publish_chart(&chart::of(&machine, &rows))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}
