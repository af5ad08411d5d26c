//! What figures depend on besides the tools: the machine, named so that results can be compared.

use std::fs;
use std::thread;

use serde_json::{Value, json};

use super::tools::{Bench, Tool};

/// Describes the machine and the versions of everything that is measured.
pub(super) fn describe(bench: &Bench) -> Value {
    json!({
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": thread::available_parallelism().map_or(0, usize::from),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()).ok(),
        "engine": bench.engine_version(),
        "sealcrate": bench.version(Tool::Sealcrate),
        "skopeo": bench.version(Tool::SkopeoEncrypted),
        "docker": bench.version(Tool::Docker),
    })
}

/// Finds the value of the first line `NAME: VALUE`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value);
    values.next().map(|value| value.trim().to_owned())
}
