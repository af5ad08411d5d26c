//! `unlock`: from a locked image back to the original.

use anyhow::{Context, Result};
use sealcrate_image::{Artifact, Image, Location, Outgoing, Prefetch};
use sealcrate_lock::LockedImage;
use sealcrate_pack::Key;
use serde_json::json;

use super::children;
use super::lock::{place, write};
use super::{print, print_index};
use crate::args::{Attestations, UnlockArgs};
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
    let artifact = Artifact::read(&source)?;
    let mut unlocking = Unlocking { args, session, from: &from, key: None };
    if let Some(index) = children::whole(&artifact, args.platform.as_ref(), &to) {
        let sink = session.places.sink(&to)?;
        let unlock =
            |image| session.put_plain(&unlocking.unlock(image)?, Prefetch::default(), &*sink);
        let index = children::put(session, &source, index, &*sink, Attestations::Keep, unlock)?;
        let written = session.interrupt.hold(|| sink.commit_index(&index.to_raw()))?;
        return print_index(args.output, &to, &written);
    }
    let image = artifact.into_image(&source, args.platform.as_ref())?;
    let image = unlocking.unlock(image)?;
    let written = write(session, &image, &to)?;
    let object = json!({ "reference": to.to_string(), "config": written.image.id() });
    print(args.output, &to.to_string(), &object)
}

/// Unlocks images, as the command line says.
struct Unlocking<'a> {
    args: &'a UnlockArgs,
    session: &'a Session,
    from: &'a Location,
    /// The key that the user gave at the first image.
    key: Option<Key>,
}

impl Unlocking<'_> {
    fn unlock(&mut self, image: Image) -> Result<Outgoing> {
        let cannot_unlock = || format!("cannot unlock {}", self.from);
        let locked = LockedImage::read(self.session.bounded(image)).with_context(cannot_unlock)?;
        let key = match &self.key {
            Some(key) => key,
            None => self.key.insert(key(self.args, &locked, self.session)?),
        };
        locked.unlock(key, self.session.places.spool()).with_context(cannot_unlock)
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
