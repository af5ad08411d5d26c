//! `respond`: the answer to a program that was started without its key.

use std::io::{self, Read};

use anyhow::{Context, Result};
use sealcrate_crypt::formats::recognise;
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Artifact, Config, Location, Platform};
use sealcrate_lock::is_locked;
use sealcrate_pack::{AnswerError, Finding, Origin, Packed, Question, find_program};

use super::{open, print_line};
use crate::args::{RespondArgs, Subject};
use crate::keys;
use crate::output::talk;
use crate::session::Session;

/// A longer input is no challenge.
const MAX_INPUT: u64 = 128 << 10;

pub(crate) fn run(args: &RespondArgs, session: &Session) -> Result<()> {
    let key = keys::key_in(&args.identity)?;
    let challenge = match &args.challenge {
        Some(challenge) => challenge.clone(),
        None => read_challenge()?,
    };
    let question = Question::parse(&challenge).context("the challenge cannot be read")?;
    let (header, starter) = match &args.subject {
        Subject::File(path) => {
            let packed = Packed::read(&open(path)?).with_context(|| path.display().to_string())?;
            let starter = match packed.stub() {
                Origin::ThisBuild => Starter::Known,
                Origin::Unknown => Starter::Unknown("stub"),
            };
            (packed.header().to_vec(), starter)
        }
        Subject::Image(location) => {
            let starter = search(&question, location, args.platform.as_ref(), session)?;
            (question.header(), starter)
        }
    };
    let response = question
        .answer(&header, &key)
        .with_context(|| format!("no answer for {}", args.subject))?;
    if let Starter::Unknown(name) = starter {
        talk::warn(format!(
            "the {name} in {} is not one of this sealcrate: another version has put it there, or somebody has \
             exchanged it to get the key",
            args.subject
        ));
    }
    talk::line(&format!("Fingerprint: {}", question.fingerprint()));
    print_line(&response)
}

fn read_challenge() -> Result<String> {
    let mut text = String::new();
    io::stdin()
        .take(MAX_INPUT)
        .read_to_string(&mut text)
        .context("cannot read the challenge from standard input")?;
    Ok(text)
}

/// The stub or init of the program that asks, in the named file or image.
enum Starter {
    /// It is what this build puts there.
    Known,
    /// It is something else. The name tells which of them should be there.
    Unknown(&'static str),
}

impl Starter {
    fn of(finding: Finding, is_started_by_it: bool) -> Self {
        match finding {
            Finding::Program { stub: Origin::ThisBuild } => Self::Known,
            Finding::Program { stub: Origin::Unknown } => Self::Unknown("stub"),
            Finding::Index { init: Origin::ThisBuild } if is_started_by_it => Self::Known,
            Finding::Index { .. } => Self::Unknown("init"),
        }
    }
}

/// Looks through the layers of an image for the program that asks, and tells what runs first in it.
fn search(
    question: &Question,
    location: &Location,
    platform: Option<&Platform>,
    session: &Session,
) -> Result<Starter> {
    let source = session.core.places.source(location, ExportForm::AsTheyCome)?;
    let image = session.core.bounded(Artifact::read(&source)?.into_image(&source, platform)?);
    let encrypted = recognise(&image)?;
    let header = question.header();
    // The uppermost layers are private most often.
    for (place, layer) in image.layers.iter().enumerate().rev() {
        if encrypted.as_ref().is_some_and(|encrypted| encrypted.has_layer(place)) {
            talk::note(format!("layer {} is encrypted, and not searched", layer.name()));
            continue;
        }
        let reader = layer.unpack(layer.open_stored()?)?;
        let found = find_program(reader, &header)
            .with_context(|| format!("cannot search layer {}", layer.name()))?;
        if let Some(finding) = found {
            // The layer that `lock` writes is the last one. Another one above it can put anything in its place.
            let is_last = place + 1 == image.layers.len();
            let config = Config::parse(&image.config).ok();
            return Ok(Starter::of(finding, is_last && config.is_some_and(|it| is_locked(&it))));
        }
    }
    Err(anyhow::Error::new(AnswerError::OtherProgram)
        .context(format!("no program in {location} asks for this")))
}
