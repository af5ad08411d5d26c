//! The label in the history: the selection understands each builder's spelling rightly or not at
//! all.

use sealcrate_crypt::select::{LABEL, SelectError, Selection};
use sealcrate_image::{Config, Digest};
use serde_json::{Map, Value, json};

/// The texts that builders put before and after an instruction's arguments.
const SPELLINGS: [(&str, &str); 4] = [
    ("LABEL ", ""),
    ("LABEL ", " # buildkit"),
    ("/bin/sh -c #(nop)  LABEL ", ""),
    ("/bin/sh -c #(nop) LABEL ", ""),
];

/// Reads lines `KEY=VALUE` as the labels that one instruction sets; `@` stands for the label's
/// name. Checks that the selection understands the builder's text of that instruction. The first
/// byte chooses the spelling.
pub(crate) fn run(data: &[u8]) {
    let Some((&spelling, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest).replace('@', LABEL);
    let pairs: Vec<(&str, &str)> = text
        .split('\n')
        .filter_map(|line| line.split_once('='))
        .filter(|(key, _)| is_plain(key))
        .take(8)
        .collect();
    // The finished image has only the last of several equal keys, and the selection looks for its
    // own label alone.
    let is_last = |(i, (key, _)): (usize, &(&str, &str))| {
        *key == LABEL || pairs[i + 1..].iter().all(|(other, _)| other != key)
    };
    if pairs.is_empty() || !pairs.iter().enumerate().all(is_last) {
        return;
    }
    let (before, after) = SPELLINGS[usize::from(spelling) % SPELLINGS.len()];
    let arguments: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let created_by = format!("{before}{}{after}", arguments.join(" "));
    let labels: Map<String, Value> =
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.into())).collect();
    let truth = labels.get(LABEL).and_then(Value::as_str);
    match (chosen(&created_by, &labels), truth) {
        (Ok(found), Some("true")) => assert!(found, "private layers in clear: {created_by:?}"),
        (Ok(found), Some("false")) => assert!(!found, "{created_by:?}"),
        (Ok(_), other) => panic!("{created_by:?} sets the label to {other:?}"),
        (Err(SelectError::NoLabel), Some(_)) => panic!("overlooked in {created_by:?}"),
        (Err(_), _) => {}
    }
}

/// Keys that nobody has to quote.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}

/// Tells whether the layers after the instruction are chosen.
fn chosen(created_by: &str, labels: &Map<String, Value>) -> Result<bool, SelectError> {
    let config = json!({
        "rootfs": { "diff_ids": [Digest::of(b"low"), Digest::of(b"top")] },
        "history": [
            { "created_by": created_by, "empty_layer": true },
            { "created_by": "COPY low" },
            { "created_by": "COPY top" },
        ],
        "config": { "Labels": labels },
    });
    let config = Config::parse(config.to_string().as_bytes()).expect("a config");
    match Selection::Label.of(&config) {
        Ok(places) => {
            assert_eq!(Vec::from_iter(places), [0, 1], "one state for both");
            Ok(true)
        }
        Err(SelectError::Nothing) => Ok(false),
        Err(error) => Err(error),
    }
}
