//! The options of the command line about keys and terms.

use anyhow::Result;
use sealcrate_core::{ErrorSource, home_of};
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::format::{Keys, Terms};
use sealcrate_crypt::sealed::Unbound;
use sealcrate_image::{Location, Runtime};

use crate::args::{IdentityArgs, PassphraseArgs, ReadingArgs};
use crate::keys;
use crate::output::failure::boxed;
use crate::session::Session;

/// Takes a passphrase, and reads the identities that the command line names. Key providers among them are called
/// on the threads of `runtime`.
pub(crate) fn keys(
    passphrase: Option<Passphrase>,
    args: &IdentityArgs,
    runtime: &Runtime,
) -> Result<Keys> {
    Ok(Keys::new(keys::identities(&args.identity, runtime)?, passphrase))
}

/// Returns the question for the passphrase of an encrypted image.
pub(crate) fn ask<'a>(
    session: &'a Session,
    args: &'a PassphraseArgs,
) -> impl Fn() -> Result<Passphrase, ErrorSource> + 'a {
    || session.keys.to_decrypt(args).map_err(boxed)
}

/// Returns the terms for an image at `from`.
pub(crate) fn terms(reading: &ReadingArgs, args: &IdentityArgs, from: &Location) -> Terms {
    Terms {
        place: home_of(from),
        expected: reading.home.clone(),
        ..Terms::anywhere(reading.unencrypted(), unbound(args))
    }
}

/// Returns the policy for images that nothing binds.
pub(crate) fn unbound(args: &IdentityArgs) -> Unbound {
    match args.require_binding {
        None => Unbound::Accept,
        Some(1) => Unbound::Refuse,
        Some(_) => Unbound::RefuseVersion1,
    }
}
