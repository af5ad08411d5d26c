//! Words and figures about images, for people: bounded, and without characters that could steer a
//! terminal.

use sealcrate_image::Config;
use serde_json::Value;

/// Which part of a config is in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clear {
    /// The members that stay in clear beside the encrypted part.
    BesideEncryption,
    /// All of it.
    Everything,
}

/// Longer values are cut.
const MAX_TEXT: usize = 300;

/// Writes a number of bytes.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// Says which parts of a config a stranger can read.
pub(crate) fn visible(config: &Config, clear: Clear) -> String {
    let platform = config.platform().map_or_else(|| "unknown".to_owned(), |p| p.to_string());
    match clear {
        Clear::BesideEncryption => {
            format!(
                "platform {platform}, and, if set, creation time, author, size, and versions of Docker and the \
                 operating system"
            )
        }
        Clear::Everything => {
            format!("everything: platform {platform}, environment, command, history")
        }
    }
}

/// Describes how containers of an image run, and the steps of its history: one line each.
pub(crate) fn details(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let list = |value: &Value| -> Vec<String> {
        match value {
            Value::Array(items) => items.iter().map(text).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(key, value)| printable(&format!("{key}={}", text(value))))
                .collect(),
            Value::Null => Vec::new(),
            other => vec![text(other)],
        }
    };
    for name in ["User", "WorkingDir", "Entrypoint", "Cmd", "Env", "Labels"] {
        let Some(value) = config.runtime.get(name) else { continue };
        for item in list(value) {
            if !item.is_empty() {
                lines.push(format!("{name}: {item}"));
            }
        }
    }
    for entry in &config.history {
        lines.push(format!("history: {}", printable(&entry.created_by)));
    }
    lines
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    }
}

/// Makes a stranger's text fit for one line.
pub(crate) fn printable(text: &str) -> String {
    sealcrate_image::printable(text, MAX_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_printed() {
        assert_eq!(printable("a\x1b[31mb\r\nc\u{202e}d"), "a\u{fffd}[31mb  c\u{fffd}d");
        assert_eq!(printable(&"x".repeat(400)).chars().count(), MAX_TEXT + 1);
        let config = Config::parse(
            br#"{"config":{"Env":["A=\u001b]0;x"],"Labels":{"k\u0007":"v"}},"history":[{"created_by":"RUN\nx"}]}"#,
        )
        .unwrap();
        assert_eq!(
            details(&config),
            ["Env: A=\u{fffd}]0;x", "Labels: k\u{fffd}=v", "history: RUN x"]
        );
    }
}
