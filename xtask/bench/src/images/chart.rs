//! The chart of the README: times as bars, as SVG that can be read on light and on dark pages.

use std::fmt::Write as _;

use serde_json::Value;

use super::case::Case;
use super::row::Row;
use crate::machine;

/// All lengths are in pixels.
const WIDTH: usize = 860;
const COLUMNS: usize = 2;
const GAP: usize = 24;
const COLUMN: usize = (WIDTH - GAP) / COLUMNS;
/// Of the names of tools.
const NAMES: usize = 142;
/// The width of the longest bar. The number behind it has the rest.
const BARS: usize = COLUMN - NAMES - 56;
const LINE: usize = 18;
const TITLE: usize = 26;
const FOOT: usize = 36;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1f2328}\
.title{font-weight:600}.note{fill:#59636e;font-size:11px}.ours{fill:#0969da}.other{fill:#9198a1}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.note{fill:#9198a1}.ours{fill:#4493f8}\
.other{fill:#656c76}}";

/// Draws the cases of the first image that was measured, each to a scale of its own.
pub(super) fn of(machine: &Value, rows: &[Row]) -> String {
    let image = rows.first().map_or("", |row| row.image);
    let mut cases: Vec<(Case, Vec<&Row>)> = Vec::new();
    for row in rows.iter().filter(|row| row.image == image) {
        match cases.last_mut() {
            Some((case, rows)) if *case == row.case => rows.push(row),
            _ => cases.push((row.case, vec![row])),
        }
    }
    let (mut body, mut top) = (String::new(), 0);
    for pair in cases.chunks(COLUMNS) {
        for (column, (case, rows)) in pair.iter().enumerate() {
            panel(&mut body, column * (COLUMN + GAP), top, *case, rows);
        }
        let tallest = pair.iter().map(|(_, rows)| rows.len()).max().unwrap_or_default();
        top += TITLE + tallest * LINE + 10;
    }
    let height = top + FOOT;
    let notes = [format!("Image of {image}; seconds, less is better."), machine::line(machine)];
    for (line, note) in notes.iter().enumerate() {
        let y = top + 14 + line * 15;
        let _ = writeln!(body, r#"<text class="note" x="0" y="{y}">{}</text>"#, escaped(note));
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"seconds that tools take with images\">\n\
         <style>{STYLE}</style>\n{body}</svg>\n"
    )
}

fn panel(body: &mut String, left: usize, top: usize, case: Case, rows: &[&Row]) {
    let y = top + 18;
    let _ = writeln!(body, r#"<text class="title" x="{left}" y="{y}">{}</text>"#, case.name());
    let longest = rows.iter().map(|row| row.wall().median).fold(0.0, f64::max);
    for (line, row) in rows.iter().enumerate() {
        let seconds = row.wall().median;
        let length = if longest > 0.0 { seconds / longest * BARS as f64 } else { 0.0 };
        let class = if row.tool.peer().is_none() { "ours" } else { "other" };
        let (y, bar) = (top + TITLE + line * LINE, left + NAMES);
        let text = y + 13;
        let (behind, name) = (bar as f64 + length + 5.0, row.tool.name());
        let _ = writeln!(
            body,
            r#"<text x="{left}" y="{text}">{name}</text><rect class="{class}" x="{bar}" y="{}" width="{length:.1}" height="{}" rx="2"/><text x="{behind:.1}" y="{text}">{seconds:.2}</text>"#,
            y + 2,
            LINE - 4,
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::images::tool::Tool;
    use crate::measure::Measured;

    fn row(case: Case, image: &'static str, tool: Tool, wall: f64) -> Row {
        let mut row = Row::new(case, image, tool);
        let (cpu, peak) = (0.0, 0);
        row.samples = vec![Measured { wall, cpu, peak, engine_cpu: None, registry_cpu: None }];
        row
    }

    #[test]
    fn bars_are_as_long_as_times_of_their_case_and_others_images_are_left_out() {
        let rows = [
            row(Case::Push, "first", Tool::Sealcrate, 1.0),
            row(Case::Push, "first", Tool::Docker, 4.0),
            row(Case::Pull, "first", Tool::Sealcrate, 0.1),
            row(Case::Push, "second", Tool::Sealcrate, 77.0),
        ];
        let svg = of(&json!({ "cpu": "a <b> & c" }), &rows);
        let width = |seconds: usize| format!("width=\"{}.0\"", BARS * seconds / 4);
        assert_eq!(svg.matches(&width(4)).count(), 2);
        assert_eq!(svg.matches(&width(1)).count(), 1);
        assert!(!svg.contains("77"));
        assert!(svg.contains("a &lt;b&gt; &amp; c"));
        assert_eq!(svg.matches("class=\"title\"").count(), 2);
    }
}
