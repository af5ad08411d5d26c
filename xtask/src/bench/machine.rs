//! What figures depend on besides the tools: the machine, named so that results can be compared.

use std::fs;
use std::thread;

use serde_json::{Value, json};

use super::tools::{Bench, Tool};

/// Describes the machine.
pub(super) fn describe() -> Value {
    json!({
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": thread::available_parallelism().map_or(0, usize::from),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()).ok(),
    })
}

/// Describes the machine and the versions of everything that images are measured with.
pub(super) fn describe_with_tools(bench: &Bench) -> Value {
    let mut description = describe();
    description["engine"] = json!(bench.engine_version());
    description["sealcrate"] = json!(bench.version(Tool::Sealcrate));
    description["skopeo"] = json!(bench.version(Tool::SkopeoEncrypted));
    description["docker"] = json!(bench.version(Tool::Docker));
    description
}

/// Finds the value of the first line `NAME: VALUE`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value);
    values.next().map(|value| value.trim().to_owned())
}
