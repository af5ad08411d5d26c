//! The header in which a registry asks for authentication.

use sealcrate_image::registry::challenge::{Challenge, parse};

/// Parses bytes as a header's value. Writes the challenges, and parses them once more.
pub(crate) fn run(data: &[u8]) {
    let header = String::from_utf8_lossy(data);
    let challenges = parse(&header);
    assert!(challenges.len() <= 16);
    for challenge in &challenges {
        assert!(is_lower_case_token(&challenge.scheme), "{challenge:?}");
        assert!(challenge.parameters.len() <= 32);
        for (name, value) in &challenge.parameters {
            assert!(is_lower_case_token(name), "{challenge:?}");
            assert!(value.len() <= header.len());
            assert!(challenge.parameter(name).is_some());
        }
    }
    let written = written(&challenges);
    // Quotes make the header longer, and the parser reads only its first 16 KiB.
    if written.len() < 16 << 10 {
        assert_eq!(parse(&written), challenges, "{written}");
    }
}

fn is_lower_case_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase())
}

fn written(challenges: &[Challenge]) -> String {
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
    let one = |challenge: &Challenge| {
        let pairs: Vec<String> = challenge
            .parameters
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", quoted(value)))
            .collect();
        format!("{} {}", challenge.scheme, pairs.join(", "))
    };
    challenges.iter().map(one).collect::<Vec<_>>().join(", ")
}
