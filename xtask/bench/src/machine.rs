//! The machine, on which figures depend as on the tools. Its name lets readers compare results.

use std::fs;
use std::thread;

use serde_json::{Value, json};

/// Describes the machine.
pub(super) fn describe() -> Value {
    json!({
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": thread::available_parallelism().map_or(0, usize::from),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()).ok(),
        "load_before": fs::read_to_string("/proc/loadavg").map(|text| text.trim().to_owned()).ok(),
    })
}

/// Names the machine in one line.
pub(super) fn line(machine: &Value) -> String {
    let text = |key: &str| machine[key].as_str().unwrap_or("unknown").to_owned();
    format!(
        "{} core(s) of {}, {}, Linux {}; load before: {}",
        machine["cores"],
        text("cpu"),
        text("memory"),
        text("kernel"),
        text("load_before"),
    )
}

/// Finds the value of the first line `NAME: VALUE`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value);
    values.next().map(|value| value.trim().to_owned())
}
