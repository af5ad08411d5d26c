//! `copy`: an image from anywhere to anywhere; as it is, decrypted, encrypted, or encrypted anew.

use anyhow::Result;
use sealcrate_core::{CopyEncryption, CopyOptions};
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::format::Encryption;

use super::{name_beside, print_result};
use crate::args::{CompressionKind, CopyArgs};
use crate::encryption::Wishes;
use crate::keys;
use crate::opening;
use crate::output::failure::{MissingKey, Usage};
use crate::session::Session;

pub(crate) fn run(args: &CopyArgs, session: &Session) -> Result<()> {
    let new_passphrase = keys::new_passphrase(&args.new_passphrase)?;
    let passphrase = match keys::named(&args.passphrase)? {
        None if args.decrypt => Some(session.keys.to_decrypt(&args.passphrase)?),
        named => named,
    };
    let keys = opening::keys(passphrase, &args.keys, &session.runtime)?;
    let (from, to) = (&args.source, &args.destination);
    let encryption = wanted_encryption(args, session, new_passphrase)?;
    let selection = match &encryption {
        Some(_) => session.selection(&args.selection, |base| name_beside(base, from))?,
        None => None,
    };
    let terms = opening::terms(&args.reading, &args.keys, from);
    let options = CopyOptions {
        from,
        to,
        keys: &keys,
        terms: &terms,
        platform: args.reading.platform.as_ref(),
        attestations: args.reading.attestations(),
        encrypting: encryption.as_deref().map(|encryption| CopyEncryption {
            encryption,
            selection: selection.as_ref(),
            exposure: args.encryption.exposure(),
        }),
        publication: args.reading.publication(),
    };
    print_result(args.output, to, &sealcrate_core::copy(&session.core, &options)?)
}

/// Returns how to encrypt the destination, if the user wants that.
fn wanted_encryption(
    args: &CopyArgs,
    session: &Session,
    passphrase: Option<Passphrase>,
) -> Result<Option<Box<dyn Encryption>>> {
    let wishes = Wishes {
        recipients: &args.recipients,
        encryption: &args.encryption,
        compression: &args.compression,
        runtime: &session.runtime,
    };
    if passphrase.is_some() || !args.recipients.recipient.is_empty() {
        return wishes.encryption(passphrase, || Err(MissingKey.into())).map(Some);
    }
    let text = if !args.selection.is_none() {
        "layers are chosen for encryption, but no --recipient says to whom, and no --new-pass-file or \
         --new-pass-fd under which passphrase"
    } else if !args.recipients.is_none() {
        "--format and --keep-history are for images that are encrypted, with --recipient, \
         --new-pass-file or --new-pass-fd"
    } else if args.compression.compression == CompressionKind::Zstd {
        "--compression zstd is for images that are encrypted to recipients"
    } else {
        return Ok(None);
    };
    Err(Usage(text.to_owned()).into())
}
