//! `respond`: the answer to a program that was started without its key.

use std::io::{self, Read};

use anyhow::{Context, Result};
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Artifact, Location, Platform};
use sealcrate_pack::{AnswerError, Packed, Question, holds_program};

use super::{open, print_line};
use crate::args::{RespondArgs, Subject};
use crate::keys;
use crate::opening::Protection;
use crate::session::Session;
use crate::talk;

/// A longer input is no challenge.
const MAX_INPUT: u64 = 128 << 10;

pub(crate) fn run(args: &RespondArgs, session: &Session) -> Result<()> {
    let key = keys::key_in(&args.identity)?;
    let challenge = match &args.challenge {
        Some(challenge) => challenge.clone(),
        None => read_challenge()?,
    };
    let question = Question::parse(&challenge).context("the challenge cannot be read")?;
    let header = match &args.subject {
        Subject::File(path) => {
            let packed = Packed::read(&open(path)?).with_context(|| path.display().to_string())?;
            packed.header().to_vec()
        }
        Subject::Image(location) => {
            search(&question, location, args.platform.as_ref(), session)?;
            question.header()
        }
    };
    let response = question
        .answer(&header, &key)
        .with_context(|| format!("no answer for {}", args.subject))?;
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

/// Looks through the layers of an image for the program that asks.
fn search(
    question: &Question,
    location: &Location,
    platform: Option<&Platform>,
    session: &Session,
) -> Result<()> {
    let source = session.places.source(location, ExportForm::AsTheyCome)?;
    let image = session.bounded(Artifact::read(&source)?.into_image(&source, platform)?);
    let protection = Protection::of(&image)?;
    let header = question.header();
    // What is put into an image last is what is private most often.
    for (place, layer) in image.layers.iter().enumerate().rev() {
        if protection.as_ref().is_some_and(|protection| protection.has_layer(place)) {
            talk::note(format!("layer {} is encrypted, and not searched", layer.name()));
            continue;
        }
        let reader = layer.unpack(layer.open_stored()?)?;
        if holds_program(reader, &header)
            .with_context(|| format!("cannot search layer {}", layer.name()))?
        {
            return Ok(());
        }
    }
    Err(anyhow::Error::new(AnswerError::OtherProgram)
        .context(format!("no program in {location} asks for this")))
}
