//! `unlock`: from a locked image back to the original.

use anyhow::{Context, Result};
use sealcrate_image::{Artifact, Location};
use sealcrate_lock::LockedImage;
use sealcrate_pack::Key;
use serde_json::json;

use super::lock::{place, write};
use super::print;
use crate::args::UnlockArgs;
use crate::failure::{MissingIdentity, Usage};
use crate::keys;
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
    if matches!(to, Location::Registry(_)) && !args.publish_decrypted {
        let text = "an unlocked image is not written to a registry unless --publish-decrypted \
                    says so";
        return Err(Usage(text.to_owned()).into());
    }
    let source = session.source(&from, &to)?;
    let image = Artifact::read(&source)?.into_image(&source, args.platform.as_ref())?;
    let cannot_unlock = || format!("cannot unlock {from}");
    let locked = LockedImage::read(image).with_context(cannot_unlock)?;
    let key = key(args, &locked, session)?;
    let image = locked.unlock(&key, session.places.spool()).with_context(cannot_unlock)?;
    let written = write(session, &image, &to)?;
    let object = json!({ "reference": to.to_string(), "config": written.image.id() });
    print(args.output, &to.to_string(), &object)
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
