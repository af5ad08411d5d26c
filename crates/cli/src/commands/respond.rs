//! `respond`: the answer to a program that was started without its key.

use std::io::{self, Read};

use anyhow::{Context, Result};
use sealcrate_core::RespondOptions;

use super::print_line;
use crate::args::RespondArgs;
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
    let options = RespondOptions {
        challenge: &challenge,
        program: &args.program,
        platform: args.platform.as_ref(),
        key: &key,
    };
    let responded = sealcrate_core::respond(&session.core, &options)?;
    talk::line(&format!("Fingerprint: {}", responded.fingerprint));
    print_line(&responded.response)
}

fn read_challenge() -> Result<String> {
    let mut text = String::new();
    io::stdin()
        .take(MAX_INPUT)
        .read_to_string(&mut text)
        .context("cannot read the challenge from standard input")?;
    Ok(text)
}
