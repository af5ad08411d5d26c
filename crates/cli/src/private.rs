//! Layers that are known to be private: nobody pushes them in clear by accident.

use std::collections::BTreeSet;

use anyhow::Result;
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::formats::recognise;
use sealcrate_image::{Config, DiffId, Image, Platform, Reference};

use crate::cache::Cache;
use crate::failure::Usage;
use crate::places::variable;
use crate::pushed;
use crate::session::Session;

/// Diff IDs of layers that were encrypted before.
#[derive(Default)]
pub(crate) struct Private(BTreeSet<DiffId>);

impl Private {
    /// Collects private layers: those that this machine pushed encrypted, and the encrypted layers of the image
    /// at `target`. It knows these only if the image's config names them or `passphrase` opens it.
    ///
    /// # Errors
    /// The registry cannot be reached.
    pub(crate) fn known(
        session: &Session,
        target: Option<&Reference>,
        platform: Option<&Platform>,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self> {
        let mut known = Self::default();
        // If the record cannot be used, the search has warned of that already, or the push reuses nothing.
        if let Some(Ok(Some(record))) =
            Cache::of(&variable).map(|cache| cache.read(&session.interrupt))
        {
            known.0.extend(record.private());
        }
        let image = match target {
            Some(target) => pushed::read(session, target, platform)?,
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
    pub(crate) fn add(&mut self, diff_ids: impl IntoIterator<Item = DiffId>) {
        self.0.extend(diff_ids);
    }

    /// Refuses to leave a private layer of `image` in clear; `encrypts` tells which places are encrypted.
    ///
    /// # Errors
    /// The layers that would be exposed.
    pub(crate) fn refuse_to_expose(
        &self,
        image: &Image,
        encrypts: impl Fn(usize) -> bool,
    ) -> Result<()> {
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
        let text = format!(
            "this would push in clear what was pushed encrypted before: {}; --allow-exposing allows it",
            exposed.join(", ")
        );
        Err(Usage(text).into())
    }
}
