//! The text of LABEL instructions in an image's history.
//!
//! The history has the values that a builder set, not the text that the user typed. BuildKit and
//! today's classic builder leave out the quotes, so `LABEL a="b c=d"` becomes `LABEL a=b c=d`. The
//! labels of the finished image tell where such a value ends. If the text is still unclear and
//! could hold the switch, that is an error.

use serde_json::{Map, Value};

use super::error::SelectError;
use super::label_name::LABEL;

/// Returns the state to which an instruction sets the label, or `None` if it does not set it.
///
/// `labels` are the finished image's labels.
pub(super) fn switch(
    created_by: &str,
    labels: &Map<String, Value>,
) -> Result<Option<bool>, SelectError> {
    let Some(arguments) = label_arguments(created_by) else { return Ok(None) };
    if !arguments.contains(LABEL) {
        return Ok(None);
    }
    let ambiguous = || SelectError::AmbiguousLabel(shortened(created_by));
    let pairs = pairs(arguments, labels).ok_or_else(ambiguous)?;
    // The last of several wins, as in the builders.
    match pairs.into_iter().rfind(|(key, _)| key == LABEL) {
        None => Ok(None),
        Some((_, value)) => match value.as_str() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(SelectError::LabelValue(shortened(&value))),
        },
    }
}

/// Returns the text behind `LABEL`, which may follow the classic builder's prefix.
fn label_arguments(created_by: &str) -> Option<&str> {
    let text = created_by.trim();
    let text = match text.split_once("#(nop)") {
        Some(("/bin/sh -c " | "cmd /S /C ", rest)) => rest.trim_start(),
        _ => text,
    };
    let (instruction, arguments) = without_ending(text).split_once([' ', '\t'])?;
    instruction.eq_ignore_ascii_case("LABEL").then(|| arguments.trim_start())
}

/// Removes text that may stand at the end of a line and is no part of the instruction.
fn without_ending(text: &str) -> &str {
    let text = text.trim_end();
    text.strip_suffix("# buildkit").unwrap_or(text).trim_end()
}

/// Splits arguments into keys and values. Returns `None` if there are several ways to split them.
fn pairs(arguments: &str, labels: &Map<String, Value>) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = arguments;
    while !rest.is_empty() {
        let (pair, after) = match known_label(rest, labels) {
            Some(found) => found,
            None => {
                let (word, after) = word(rest)?;
                // The old form `LABEL key value`, alone on its line.
                let Some((key, value)) = word.split_once('=') else {
                    let (value, end) = self::word(after.trim_start())?;
                    let alone = pairs.is_empty() && end.is_empty() && !value.contains('=');
                    return alone.then(|| vec![(word, value)]);
                };
                ((key.to_owned(), value.to_owned()), after)
            }
        };
        pairs.push(pair);
        rest = after.trim_start();
    }
    Some(pairs)
}

/// Recognizes a label of the finished image at the beginning of `text`. Its value may have any
/// spaces and quotes.
fn known_label<'t>(
    text: &'t str,
    labels: &Map<String, Value>,
) -> Option<((String, String), &'t str)> {
    labels.iter().find_map(|(key, value)| {
        let value = value.as_str()?;
        let written = text.strip_prefix(key.as_str())?.strip_prefix('=')?;
        let after = match written.strip_prefix(value) {
            Some(after) if after.is_empty() || after.starts_with([' ', '\t']) => after,
            // The value itself ends with text that `without_ending` removed from the line.
            _ if written == without_ending(value) => "",
            _ => return None,
        };
        Some(((key.clone(), value.to_owned()), after))
    })
}

/// Takes one word from the beginning of `text`. Quotes and backslashes protect its spaces.
fn word(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, ' ' | '\t') => return Some((out, &text[at..])),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => out.push(chars.next()?.1),
            (_, c) => out.push(c),
        }
    }
    (quote.is_none() && !out.is_empty()).then_some((out, ""))
}

/// Shortens a text, since errors show an instruction and not a novel.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(200) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switched(created_by: &str) -> Result<Option<bool>, SelectError> {
        let labels = serde_json::json!({
            "maintainer": "Jane Doe",
            "note": "set com.senetas.crypto.enabled=true here",
            "end": "or com.senetas.crypto.enabled=true # buildkit ",
            "feet": "6'",
            "inches": "'",
        });
        switch(created_by, labels.as_object().unwrap())
    }

    #[test]
    fn every_builders_spelling_is_understood() {
        for text in [
            "LABEL com.senetas.crypto.enabled=true",
            "/bin/sh -c #(nop)  LABEL com.senetas.crypto.enabled=true",
            "/bin/sh -c #(nop) LABEL com.senetas.crypto.enabled=\"true\"",
            "LABEL com.senetas.crypto.enabled='true' # buildkit",
            "LABEL \"com.senetas.crypto.enabled\"=\"true\"",
            "LABEL com.senetas.crypto.enabled true",
            "LABEL a=b com.senetas.crypto.enabled=true c=d",
            "LABEL a=\"b c\" com.senetas.crypto.enabled=true",
            "LABEL a=b\\ c com.senetas.crypto.enabled=true",
            "LABEL com.senetas.crypto.enabled=false com.senetas.crypto.enabled=true",
            "LABEL maintainer=Jane Doe com.senetas.crypto.enabled=true",
            "LABEL feet=6' com.senetas.crypto.enabled=true inches='",
        ] {
            assert_eq!(switched(text), Ok(Some(true)), "{text}");
        }
        assert_eq!(switched("LABEL com.senetas.crypto.enabled=false"), Ok(Some(false)));
    }

    #[test]
    fn other_instructions_and_other_labels_switch_nothing() {
        for text in [
            "",
            "LABEL",
            "LABEL a=b",
            "LABEL com.senetas.crypto.enabledx=true",
            "LABEL x=com.senetas.crypto.enabled",
            "LABEL note=set com.senetas.crypto.enabled=true here",
            "LABEL end=or com.senetas.crypto.enabled=true # buildkit ",
            "RUN echo LABEL com.senetas.crypto.enabled=true",
            "RUN /bin/sh -c echo #(nop) LABEL com.senetas.crypto.enabled=true",
            "ENV LABEL com.senetas.crypto.enabled=true",
        ] {
            assert_eq!(switched(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_parsed_is_an_error() {
        for text in [
            "LABEL a=b c com.senetas.crypto.enabled=true",
            "LABEL com.senetas.crypto.enabled=true and more",
            "LABEL com.senetas.crypto.enabled",
            "LABEL com.senetas.crypto.enabled=\"true",
        ] {
            assert!(matches!(switched(text), Err(SelectError::AmbiguousLabel(_))), "{text}");
        }
        for text in ["LABEL com.senetas.crypto.enabled=1", "LABEL com.senetas.crypto.enabled="] {
            assert!(matches!(switched(text), Err(SelectError::LabelValue(_))), "{text}");
        }
    }
}
