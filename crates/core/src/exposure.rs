//! Exposure: parts of a config in clear that look like secrets.

use sealcrate_image::{Config, printable};
use serde_json::Value;

/// Longer names are cut.
const MAX_NAME: usize = 300;

/// Words in the names of secrets, between underscores or dashes.
const SECRET_WORDS: [&str; 14] = [
    "APIKEY",
    "AUTH",
    "CREDENTIAL",
    "CREDENTIALS",
    "KEY",
    "PASS",
    "PASSPHRASE",
    "PASSWD",
    "PASSWORD",
    "PAT",
    "PRIVATE",
    "PWD",
    "SECRET",
    "TOKEN",
];

/// Returns the exposed names, in words and without the values: variables of the environment that are
/// named like secrets, and the build arguments that a step of the history names.
pub fn exposed(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let variables = match config.runtime.get("Env") {
        Some(Value::Array(variables)) => variables.as_slice(),
        _ => &[],
    };
    for variable in variables.iter().filter_map(Value::as_str) {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        if looks_secret(name) && !value.is_empty() {
            found.push(format!("the environment variable {}", printable(name, MAX_NAME)));
        }
    }
    for step in &config.history {
        for name in build_arguments(&step.created_by) {
            found.push(format!("the build argument {}", printable(name, MAX_NAME)));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Tells whether a value of this name may be a secret.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name != "PWD" && name.split(['_', '-']).any(|word| SECRET_WORDS.contains(&word))
}

/// Returns the names of the arguments that a step got: builders write `|2 A=x B=y /bin/sh -c …`, with
/// RUN before it or not.
fn build_arguments(created_by: &str) -> Vec<&str> {
    let text = created_by.trim_start();
    let text = text.strip_prefix("RUN ").unwrap_or(text);
    let Some((count, rest)) = text.strip_prefix('|').and_then(|text| text.split_once(' ')) else {
        return Vec::new();
    };
    let count = count.parse::<usize>().unwrap_or(0);
    let words = rest.split(' ').filter_map(|word| word.split_once('=')).map(|(name, _)| name);
    words.take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names_and_never_shown() {
        let json = r#"{
            "config": { "Env": ["PATH=/bin", "API_KEY=hush", "PWD=/", "KEYBOARD=us", "token=hush",
                "DB_PASSWORD=", "MONKEY=1"] },
            "history": [
                { "created_by": "|2 A=hush B=hush hush /bin/sh -c make C=hush" },
                { "created_by": "RUN |1 D=hush /bin/sh -c make # buildkit" },
                { "created_by": "RUN /bin/sh -c E=hush make" },
                { "created_by": "|x" }
            ]
        }"#;
        let found = exposed(&Config::parse(json.as_bytes()).unwrap());
        let expected = [
            "the build argument A",
            "the build argument B",
            "the build argument D",
            "the environment variable API_KEY",
            "the environment variable token",
        ];
        assert_eq!(found, expected);
    }
}
