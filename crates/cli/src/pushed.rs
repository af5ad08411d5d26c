//! What was pushed before: the layers that another push, under the same passphrase, need not send.

use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::senetas::{DecryptError, KeyDerivation, Pushed};
use sealcrate_image::engine::Spared;
use sealcrate_image::registry::RegistryError;
use sealcrate_image::{Artifact, Image, Platform, ReadError, Reference, Sink, Source};
use tracing::debug;

use crate::session::Session;
use crate::talk;

/// Returns the layers of those of `images` that open with `passphrase` and are in `sink`.
///
/// What cannot be used is passed over: it is sent anew then. What was tampered with is told.
pub(crate) fn find(
    session: &Session,
    images: &[&Reference],
    platform: Option<&Platform>,
    passphrase: &Passphrase,
    sink: &dyn Sink,
) -> Result<Pushed> {
    let mut pushed = Pushed::default();
    let mut kdf = KeyDerivation::new(passphrase.clone());
    for reference in images {
        let Some(image) = read(session, reference, platform)? else { continue };
        let there = sink.present(&image)?;
        match pushed.add(&image, &there, &mut kdf) {
            Ok(()) => {}
            Err(error) if is_of_others(&error) => debug!("{reference} is not used again: {error}"),
            Err(error) => {
                talk::warn(format!("{} is not used again: {error}", reference.familiar()));
            }
        }
    }
    Ok(pushed)
}

/// Reads an image, if there is one.
fn read(
    session: &Session,
    reference: &Reference,
    platform: Option<&Platform>,
) -> Result<Option<Image>> {
    let source = session.places.registry_source(reference)?;
    let read = |source: &Arc<dyn Source>| Artifact::read(source)?.into_image(source, platform);
    match read(&source) {
        Ok(image) => Ok(Some(image)),
        // Many registries do not tell what is not there from what may not be seen.
        Err(ReadError::Registry(
            error @ (RegistryError::Transport { .. } | RegistryError::Setup { .. }),
        )) => Err(error.into()),
        Err(error) => {
            debug!("{reference} is not used again: {error}");
            Ok(None)
        }
    }
}

/// Tells whether an image is just somebody else's, or another's passphrase's.
fn is_of_others(error: &DecryptError) -> bool {
    matches!(
        error,
        DecryptError::WrongPassphrase
            | DecryptError::NotEncrypted
            | DecryptError::ConfigNotEncrypted
            | DecryptError::Kdf(_)
    )
}

/// Returns what an engine need not export.
pub(crate) fn spared(pushed: &Pushed) -> Spared {
    Spared { configs: pushed.configs().clone(), layers: pushed.diff_ids().collect() }
}
