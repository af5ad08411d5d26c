//! `push`: an image out of the engine, or from elsewhere, encrypted into a registry.

mod dry_run;

use anyhow::Result;
use sealcrate_core::{Encrypting, PushOptions, Reuse};
use sealcrate_crypt::select::Selection;
use sealcrate_image::{EngineName, Location};

use super::{name_beside, print_result};
use crate::args::{CompressionKind, EncryptionType, PushArgs};
use crate::encryption::Wishes;
use crate::keys;
use crate::output::failure::Usage;
use crate::session::Session;

pub(crate) fn run(args: &PushArgs, session: &Session) -> Result<()> {
    refuse_contradictions(args)?;
    let from = args
        .from
        .clone()
        .unwrap_or_else(|| Location::DockerDaemon(EngineName::Named(args.name.clone())));
    let wishes = Wishes {
        recipients: &args.recipients,
        encryption: &args.encryption,
        compression: &args.compression,
        runtime: &session.runtime,
    };
    let encryption = match args.encryption_type {
        EncryptionType::Passphrase if args.dry_run => {
            wishes.format()?;
            keys::recipients(&args.recipients.recipient, &session.runtime)?;
            None
        }
        EncryptionType::Passphrase => {
            let ask = || session.keys.to_encrypt(&args.passphrase);
            Some(wishes.encryption(keys::named(&args.passphrase)?, ask)?)
        }
        EncryptionType::None => None,
    };
    let selection = match args.encryption_type {
        EncryptionType::Passphrase => {
            let chosen = session.selection(&args.selection, |base| name_beside(base, &from))?;
            Some(chosen.unwrap_or(Selection::Label))
        }
        EncryptionType::None => None,
    };
    if args.dry_run {
        return dry_run::run(args, session, wishes, &from, selection.as_ref());
    }
    let encrypting = encryption.as_deref().zip(selection.as_ref());
    let options = PushOptions {
        from: &from,
        to: &args.name,
        encrypting: encrypting.map(|(encryption, selection)| Encrypting { encryption, selection }),
        platform: args.platform.as_ref(),
        reuse: match args.no_cache {
            true => Reuse::Nothing,
            false => Reuse::Of { images: &args.cache_from, doubts: args.doubts() },
        },
        attestations: args.attestations(),
        exposure: args.encryption.exposure(),
    };
    let written = sealcrate_core::push(&session.core, &options)?;
    print_result(args.output, &Location::Registry(args.name.clone()), &written)
}

/// Refuses options that contradict each other, and names that nobody can push to.
fn refuse_contradictions(args: &PushArgs) -> Result<()> {
    if args.name.digest().is_some() {
        let text = "a digest cannot be pushed to: give a name and a tag";
        return Err(Usage(text.to_owned()).into());
    }
    if args.encryption_type == EncryptionType::None && !args.selection.is_none() {
        let text = "layers are chosen for encryption, but --type NONE encrypts none";
        return Err(Usage(text.to_owned()).into());
    }
    let is_zstd = args.compression.compression == CompressionKind::Zstd;
    if args.encryption_type == EncryptionType::None && (!args.recipients.is_none() || is_zstd) {
        let text = "--type NONE encrypts nothing: --recipient, --format, --keep-history and \
                    --compression zstd are for encrypted images";
        return Err(Usage(text.to_owned()).into());
    }
    Ok(())
}
