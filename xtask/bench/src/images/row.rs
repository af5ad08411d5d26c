//! The measurements of one tool that does one thing with one image.

use sealcrate_test_kit::Traffic;
use serde_json::{Value, json};

use super::case::Case;
use super::tool::Tool;
use crate::measure::Measured;
use crate::spread::Spread;

/// All samples of a case.
pub(super) struct Row {
    pub(super) case: Case,
    pub(super) image: &'static str,
    pub(super) tool: Tool,
    pub(super) samples: Vec<Measured>,
    /// The traffic of the counted round.
    pub(super) traffic: Option<Traffic>,
}

impl Row {
    pub(super) fn new(case: Case, image: &'static str, tool: Tool) -> Self {
        Self { case, image, tool, samples: Vec::new(), traffic: None }
    }

    /// In seconds.
    pub(super) fn wall(&self) -> Spread {
        Spread::of(self.samples.iter().map(|sample| sample.wall))
    }

    /// Returns the median of a figure, over the samples that have it; nothing if none has.
    pub(super) fn median(&self, figure: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
        let median = Spread::of(self.samples.iter().filter_map(figure)).median;
        (!median.is_nan()).then_some(median)
    }

    /// Returns the most memory of all samples, in bytes.
    pub(super) fn peak(&self) -> u64 {
        self.samples.iter().map(|sample| sample.peak).max().unwrap_or_default()
    }

    /// Finds the row of `tool` in the same case of the same image.
    pub(super) fn beside<'r>(&self, tool: Tool, rows: &'r [Self]) -> Option<&'r Self> {
        let mut rows = rows.iter();
        rows.find(|row| (row.case, row.image, row.tool) == (self.case, self.image, tool))
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "case": self.case.name(),
            "image": self.image,
            "tool": self.tool.name(),
            "median_wall_s": self.wall().median,
            "requests": self.traffic.map(|traffic| traffic.requests),
            "sent_bytes": self.traffic.map(|traffic| traffic.sent),
            "received_bytes": self.traffic.map(|traffic| traffic.received),
            "samples": self.samples.iter().map(Measured::to_json).collect::<Vec<_>>(),
        })
    }
}
