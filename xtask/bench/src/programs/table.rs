//! Sizes and starts, for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::starts::Form;
use crate::machine;

/// Returns a Markdown table of sizes, and one of medians.
pub(super) fn of(machine: &Value, stubs: &BTreeMap<String, u64>, forms: &[Form]) -> String {
    let mut text = format!("{}\n\n| stub for | bytes |\n|---|---|\n", machine::line(machine));
    for (target, size) in stubs {
        let _ = writeln!(text, "| {target} | {size} |");
    }
    text.push_str("\nstart to end: medians (least – most); packed to a recipient\n\n");
    text.push_str(
        "| program | form | MB | of the bare one | of its gzip | start to end ms | more than bare ms |\n|---|---|---|---|---|---|---|\n",
    );
    for form in forms {
        let bare = forms.iter().find(|bare| (bare.program, bare.form) == (form.program, "bare"));
        let (size, bare_size) = (form.size as f64, bare.map_or(f64::NAN, |bare| bare.size as f64));
        let took = form.milliseconds();
        let more = bare.map_or(f64::NAN, |bare| took.median - bare.milliseconds().median);
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} ({:.2} – {:.2}) | {more:.2} |",
            form.program,
            form.form,
            size / 1e6,
            size / bare_size,
            size / form.gzipped as f64,
            took.median,
            took.least,
            took.most,
        );
    }
    text
}
