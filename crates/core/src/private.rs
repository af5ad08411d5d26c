//! Layers that are known to be private: nobody pushes them in clear by accident.

use std::collections::BTreeSet;

use sealcrate_crypt::Passphrase;
use sealcrate_crypt::formats::recognise;
use sealcrate_image::{Config, DiffId, Image, Platform, Reference};

use crate::Result;
use crate::earlier;
use crate::error::Refusal;
use crate::session::Session;

/// The treatment of parts that were private before and would be in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// They may be in clear.
    Allow,
    /// The operation refuses.
    Refuse,
}

/// Diff IDs of layers that were encrypted before.
#[derive(Default)]
pub struct Private(BTreeSet<DiffId>);

impl Private {
    /// Collects private layers: those that this machine pushed encrypted, and the encrypted layers of the image
    /// at `target`. It knows these only if the image's config names them or `passphrase` opens it.
    ///
    /// # Errors
    /// The registry cannot be reached.
    pub fn known(
        session: &Session,
        target: Option<&Reference>,
        platform: Option<&Platform>,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self> {
        let mut known = Self::default();
        // If the record cannot be used, the search has told of that already, or the push reuses nothing.
        if let Some(Ok(Some(record))) = session.memory.as_ref().map(|memory| memory.read()) {
            known.0.extend(record.private());
        }
        let image = match target {
            Some(target) => earlier::read(session, target, platform)?,
            None => None,
        };
        if let Some(image) = image
            && let Some(encrypted) = recognise(&image)?
        {
            known.add(encrypted.private_layers(passphrase)?);
        }
        Ok(known)
    }

    /// Adds layers that are private in another image.
    pub fn add(&mut self, diff_ids: impl IntoIterator<Item = DiffId>) {
        self.0.extend(diff_ids);
    }

    /// Refuses to leave a private layer of `image` in clear; `encrypts` tells which places are encrypted.
    ///
    /// # Errors
    /// The layers that would be exposed.
    pub fn refuse_to_expose(&self, image: &Image, encrypts: impl Fn(usize) -> bool) -> Result<()> {
        let config = Config::parse(&image.config)?;
        let exposed: Vec<String> = config
            .diff_ids()
            .iter()
            .enumerate()
            .filter(|(place, diff_id)| !encrypts(*place) && self.0.contains(diff_id))
            .map(|(place, _)| format!("layer {place}"))
            .collect();
        if exposed.is_empty() {
            return Ok(());
        }
        Err(Refusal::ExposesLayers(exposed).into())
    }
}
