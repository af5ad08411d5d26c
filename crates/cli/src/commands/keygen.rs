//! `keygen`: a new identity, or a passphrase that nobody guesses.

use std::io::Write;

use anyhow::{Context, Result};
use sealcrate_core::{Destination, Existing};
use sealcrate_pack::{NewIdentity, generate_passphrase};
use zeroize::Zeroizing;

use super::print_line;
use crate::args::KeygenArgs;
use crate::output::talk;
use crate::session::Local;

/// Everybody who can read the file has the key.
const MODE: u32 = 0o600;

pub(crate) fn run(args: &KeygenArgs, local: &Local) -> Result<()> {
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let destination = args.out.as_deref().map(|path| Destination::new(path, existing));
    let destination = destination.transpose()?;
    let mut recipient = None;
    let text = if args.passphrase {
        generate_passphrase()?
    } else {
        let made = NewIdentity::generate()?;
        let text = format!("# public key: {}\n{}", made.recipient, *made.secret);
        recipient = Some(made.recipient);
        Zeroizing::new(text)
    };
    match destination {
        Some(destination) => {
            let files = local.files();
            let file = destination.create(MODE, &files)?;
            let content = Zeroizing::new(format!("{}\n", *text));
            file.file().write_all(content.as_bytes()).context("cannot write the key")?;
            destination.name_with_mode(file, MODE, &files)?;
        }
        None => print_line(&text)?,
    }
    if let Some(recipient) = recipient {
        talk::line(&format!("Public key: {recipient}"));
    }
    Ok(())
}
