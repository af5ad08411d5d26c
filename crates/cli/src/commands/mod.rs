//! One module a command.

pub(crate) mod copy;
pub(crate) mod inspect;
pub(crate) mod pull;
pub(crate) mod push;

use anyhow::{Context, Result};
use sealcrate_image::{Descriptor, EngineName, Image, Location, Reference};
use serde_json::{Value, json};
use std::io::Write;

use crate::args::{ImageName, Output};

/// Prints the result of a command on standard output: for people a line, for programs an object.
pub(crate) fn print(output: Output, line: &str, object: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => {
            serde_json::to_writer_pretty(&mut out, object)?;
            writeln!(out)
        }
        Output::Text => writeln!(out, "{line}"),
    }
    .context("cannot write to standard output")
}

/// Prints what was written where.
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

/// Adds the digest that was written to the name under which it was.
fn digested(reference: &Reference, written: &Descriptor) -> String {
    match reference.digest() {
        Some(_) => reference.familiar(),
        None => format!("{}@{}", reference.familiar(), written.digest),
    }
}

/// Takes a name without a transport for one in the place where `beside` is.
fn name_beside(name: &ImageName, beside: &Location) -> Location {
    match (name, beside) {
        (ImageName::Location(location), _) => location.clone(),
        (ImageName::Name(name), Location::DockerDaemon(_)) => {
            Location::DockerDaemon(EngineName::Named(name.clone()))
        }
        (ImageName::Name(name), _) => Location::Registry(name.clone()),
    }
}
