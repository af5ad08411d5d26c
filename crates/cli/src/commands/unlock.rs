//! `unlock`: from a locked image back to the original.

use anyhow::Result;
use sealcrate_core::{Publication, UnlockOptions, Written};
use sealcrate_lock::LockedImage;
use sealcrate_pack::Key;
use serde_json::json;

use super::lock::place;
use super::{print, print_index};
use crate::args::UnlockArgs;
use crate::keys;
use crate::output::failure::{MissingIdentity, Usage, boxed};
use crate::session::Session;

pub(crate) fn run(args: &UnlockArgs, session: &Session) -> Result<()> {
    let from = place(args.image.as_ref(), args.from.as_ref());
    let to = match (&args.tag, &args.to, &args.image) {
        (None, None, None) => {
            let text = "the original image needs a place: give --tag or --to";
            return Err(Usage(text.to_owned()).into());
        }
        (tag, to, image) => place(tag.as_ref().or(image.as_ref()), to.as_ref()),
    };
    let options = UnlockOptions {
        from: &from,
        to: &to,
        platform: args.platform.as_ref(),
        publication: match args.publish_decrypted {
            true => Publication::Allow,
            false => Publication::Refuse,
        },
    };
    let key = |locked: &LockedImage| key(args, locked, session).map_err(boxed);
    match sealcrate_core::unlock(&session.core, &options, &key)? {
        Written::Index(written) => print_index(args.output, &to, &written),
        Written::Image(_, image) => {
            let object = json!({ "reference": to.to_string(), "config": image.id() });
            print(args.output, &to.to_string(), &object)
        }
    }
}

/// Returns the key that the user has for a locked image.
fn key(args: &UnlockArgs, locked: &LockedImage, session: &Session) -> Result<Key> {
    if let Some(path) = &args.identity {
        return keys::key_in(path);
    }
    match session.keys.given(&args.passphrase)? {
        Some(given) => keys::key_of(&given),
        None if !locked.is_for_passphrase() => Err(MissingIdentity.into()),
        None => keys::key_of(&session.keys.to_decrypt(&args.passphrase)?),
    }
}
