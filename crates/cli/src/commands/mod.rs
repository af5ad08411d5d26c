//! One module a command.

pub(crate) mod cache;
pub(crate) mod copy;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod lock;
pub(crate) mod node;
pub(crate) mod pack;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod respond;
pub(crate) mod rewrap;
pub(crate) mod unlock;
pub(crate) mod unpack;
pub(crate) mod version;

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};
use sealcrate_core::{Written, WrittenProgram};
use sealcrate_image::{Descriptor, EngineName, Image, Location, Reference, is_printable};
use serde_json::{Value, json};

use crate::args::{ImageName, Output};
use crate::output::report;

/// Prints the result of a command on standard output: for people a line, for programs an object.
pub(crate) fn print(output: Output, line: &str, object: &Value) -> Result<()> {
    match output {
        Output::Json => print_line(&harmless(&serde_json::to_string_pretty(object)?)),
        Output::Text => print_line(line),
    }
}

/// Prints text on standard output: lines, and columns with tabs between them, with every other character
/// made printable. The program that reads it may have read enough and be gone.
pub(crate) fn print_line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", legible(text)).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Replaces every character that is not printable. Ends of lines and columns stay.
fn legible(text: &str) -> String {
    let shows = |c: char| matches!(c, '\n' | '\t') || is_printable(c);
    text.chars().map(|c| if shows(c) { c } else { '\u{fffd}' }).collect()
}

/// Escapes the characters that JSON allows unescaped and that are not printable. The value stays the same.
/// Line ends are only between values.
fn harmless(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || is_printable(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// Prints which image or index was written, and where.
fn print_result(output: Output, location: &Location, written: &Written) -> Result<()> {
    match written {
        Written::Image(descriptor, image) => print_written(output, location, descriptor, image),
        Written::Index(descriptor) => print_index(output, location, descriptor),
    }
}

/// Prints which image was written, and where.
fn print_written(
    output: Output,
    location: &Location,
    written: &Descriptor,
    image: &Image,
) -> Result<()> {
    let name = match location {
        Location::Registry(reference) => digested(reference, written),
        other => other.to_string(),
    };
    let object = json!({
        "reference": name,
        "mediaType": written.media_type,
        "digest": written.digest,
        "size": written.size,
        "config": image.id(),
    });
    print(output, &name, &object)
}

/// Prints which index was written, and where.
fn print_index(output: Output, location: &Location, written: &Descriptor) -> Result<()> {
    let line = match location {
        Location::Registry(reference) => digested(reference, written),
        other => other.to_string(),
    };
    print(output, &line, &serde_json::to_value(written)?)
}

/// Prints which file was written, as sha256sum does.
fn print_program(output: Output, path: &Path, written: &WrittenProgram) -> Result<()> {
    let name = path.display().to_string();
    let object = json!({
        "file": name,
        "sha256": written.digest.hex(),
        "size": written.size,
        "target": written.target.name,
    });
    print(output, &format!("{}  {}", written.digest.hex(), report::printable(&name)), &object)
}

/// Opens a file to read it.
pub(crate) fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| cannot_read(path))
}

pub(crate) fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}

/// Adds the written digest to the name.
fn digested(reference: &Reference, written: &Descriptor) -> String {
    match reference.digest() {
        Some(_) => reference.familiar(),
        None => format!("{}@{}", reference.familiar(), written.digest),
    }
}

/// Takes a name without a transport for one in the same place as `beside`.
fn name_beside(name: &ImageName, beside: &Location) -> Location {
    match (name, beside) {
        (ImageName::Location(location), _) => location.clone(),
        (ImageName::Name(name), Location::DockerDaemon(_)) => {
            Location::DockerDaemon(EngineName::Named(name.clone()))
        }
        (ImageName::Name(name), _) => Location::Registry(name.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_all_that_text_can_make() {
        assert_eq!(
            legible("a\tb\nc\rd\u{1b}[2J\u{202e}\u{e4}"),
            "a\tb\nc\u{fffd}d\u{fffd}[2J\u{fffd}\u{e4}"
        );
    }

    #[test]
    fn json_for_programs_holds_nothing_that_steers_a_terminal() {
        let value = json!({ "a\u{7f}": "b\u{9b}31m\u{1b}c\u{e4}\u{202e}\u{2028}\u{e0041}\n" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let shown = harmless(&text);
        assert!(shown.chars().all(|c| c == '\n' || is_printable(c)), "{shown:?}");
        assert_eq!(shown.lines().count(), 3);
        assert!(shown.contains('\u{e4}'));
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }
}
