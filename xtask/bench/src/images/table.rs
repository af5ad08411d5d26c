//! The measurements, for people: a Markdown table for each image.

use std::fmt::Write as _;

use serde_json::Value;

use super::row::Row;
use crate::machine;

const COLUMNS: [&str; 11] = [
    "case",
    "tool",
    "wall s (least – most)",
    "× sealcrate",
    "CPU s",
    "engine CPU s",
    "registry CPU s",
    "peak MiB",
    "sent MB",
    "received MB",
    "requests",
];

/// Returns the measurements, and the tools and the machine of them.
pub(super) fn of(machine: &Value, missing: &[String], rows: &[Row], rounds: u8) -> String {
    let mut text = format!("{}\n\n", machine::line(machine));
    for (tool, version) in machine["versions"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "* {tool}: {}", version.as_str().unwrap_or("unknown"));
    }
    for missing in missing {
        let _ = writeln!(text, "* not measured: {missing}");
    }
    let _ = write!(
        text,
        "\nEngine {}, Debian's registry, both on loopback. Medians of {rounds} rounds, in which the tools \
         took turns; × is the time as a multiple of sealcrate's, to a public key if the tool encrypts to \
         one, else under a passphrase. CPU is the tool's, \
         beside that of engine and registry. Peak memory is the most of all rounds, of the tool alone. \
         Bytes and requests are those between tool (or engine) and registry, counted in a round of \
         their own.\n",
        machine["engine"].as_str().unwrap_or("of unknown version"),
    );
    let mut image = "";
    for row in rows {
        if row.image != image {
            image = row.image;
            let rule = "|---".repeat(COLUMNS.len());
            let _ = write!(text, "\n## {image}\n\n| {} |\n{rule}|\n", COLUMNS.join(" | "));
        }
        let _ = writeln!(text, "{}", line(row, rows));
    }
    text
}

fn line(row: &Row, rows: &[Row]) -> String {
    let wall = row.wall();
    let figure = |figure: Option<f64>, digits: usize| match figure {
        Some(figure) => format!("{figure:.digits$}"),
        None => "–".to_owned(),
    };
    let ratio = row.beside(row.tool.ours(), rows).map(|ours| wall.median / ours.wall().median);
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let cells = [
        row.case.name().to_owned(),
        row.tool.name().to_owned(),
        format!("{:.2} ({:.2} – {:.2})", wall.median, wall.least, wall.most),
        figure(ratio, 2),
        figure(row.median(|sample| Some(sample.cpu)), 2),
        figure(row.median(|sample| sample.engine_cpu), 2),
        figure(row.median(|sample| sample.registry_cpu), 2),
        (row.peak() >> 20).to_string(),
        figure(row.traffic.map(|traffic| megabytes(traffic.sent)), 2),
        figure(row.traffic.map(|traffic| megabytes(traffic.received)), 2),
        figure(row.traffic.map(|traffic| traffic.requests as f64), 0),
    ];
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use sealcrate_test_kit::Traffic;
    use serde_json::json;

    use super::*;
    use crate::images::case::Case;
    use crate::images::tool::Tool;
    use crate::measure::Measured;

    fn row(tool: Tool, wall: f64) -> Row {
        let mut row = Row::new(Case::Push, "an image", tool);
        let (cpu, peak) = (0.5, 80 << 20);
        row.samples =
            vec![Measured { wall, cpu, peak, engine_cpu: None, registry_cpu: Some(0.25) }];
        row.traffic = Some(Traffic { requests: 12, sent: 2_500_000, received: 0 });
        row
    }

    #[test]
    fn times_are_shown_beside_ours_and_gaps_are_named() {
        let rows = [
            row(Tool::Sealcrate, 2.0),
            row(Tool::SealcrateRecipient, 1.0),
            row(Tool::SkopeoEncrypted, 3.0),
            row(Tool::Docker, 5.0),
        ];
        let machine = json!({ "cores": 2, "versions": { "docker, in clear": "Docker 1" } });
        let text = of(&machine, &["skopeo: missing".to_owned()], &rows, 1);
        let expected = "| push from the engine | docker, in clear | 5.00 (5.00 – 5.00) | 2.50 | 0.50 | – \
            | 0.25 | 80 | 2.50 | 0.00 | 12 |";
        assert_eq!(text.lines().last(), Some(expected));
        assert!(text.contains("| skopeo, public key | 3.00 (3.00 – 3.00) | 3.00 |"));
        assert!(text.contains("* not measured: skopeo: missing\n"));
        assert!(text.contains("* docker, in clear: Docker 1\n"));
        assert_eq!(text.matches("## an image\n").count(), 1);
    }
}
