//! The cache: earlier locked images, whose private layers need not be encrypted again.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use sealcrate_image::{Artifact, Config, DiffId, EngineName, Image, Location};
use sealcrate_lock::{FoundBy, LockedImage, Opener, Reusable};
use sealcrate_pack::{Key, Protection};

use crate::args::LockArgs;
use crate::commands::name_beside;
use crate::session::Session;
use crate::{keys, report, talk};

/// Where earlier images are, and what opens them.
pub(super) struct Cache<'a> {
    session: &'a Session,
    locations: Vec<Location>,
    protection: &'a Protection,
    identities: Option<Key>,
}

impl<'a> Cache<'a> {
    /// Takes what the command line says. Names without a transport are those of images in the place
    /// where `to` is.
    pub(super) fn new(
        args: &LockArgs,
        to: &Location,
        protection: &'a Protection,
        session: &'a Session,
    ) -> Result<Self> {
        let locations = args.cache_from.iter().map(|name| name_beside(name, to)).collect();
        let identities = args.identity.as_deref().map(keys::key_in).transpose()?;
        Ok(Self { session, locations, protection, identities })
    }

    /// Returns those layers of `image`, among those at the places `private`, that an earlier image has.
    ///
    /// What cannot be used is told and passed over: it is encrypted anew then.
    pub(super) fn reusable(&self, image: &Image, private: &BTreeSet<usize>) -> Result<Reusable> {
        let mut reusable = Reusable::default();
        if self.locations.is_empty() {
            return Ok(reusable);
        }
        let config = Config::parse(&image.config)?;
        let diff_ids = config.diff_ids().iter().copied().enumerate();
        let wanted = diff_ids.filter(|(place, _)| private.contains(place));
        let wanted: BTreeSet<DiffId> = wanted.map(|(_, diff_id)| diff_id).collect();
        for location in &self.locations {
            if let Err(error) = self.add(&mut reusable, location, &config, &wanted) {
                let told = report::printable(&format!("{error:#}"));
                talk::warn(format!("nothing of {location} is used again: {told}"));
            }
        }
        Ok(reusable)
    }

    fn add(
        &self,
        reusable: &mut Reusable,
        location: &Location,
        config: &Config,
        wanted: &BTreeSet<DiffId>,
    ) -> Result<()> {
        // As it comes: what is used again has the bytes that it had.
        let source = self.session.source(location, location)?;
        let earlier = Artifact::read(&source)?.into_image(&source, config.platform().as_ref())?;
        let earlier =
            LockedImage::read(self.session.bounded(earlier)).context("it is no source")?;
        let opener = Opener { protection: self.protection, identities: self.identities.as_ref() };
        let spool = self.session.places.spool();
        Ok(reusable.add(&earlier, found_by(location), opener, wanted, spool)?)
    }
}

/// Tells whether a location names an image by what it is.
fn found_by(location: &Location) -> FoundBy {
    /// The length of a whole SHA-256 in hexadecimal.
    const DIGITS: usize = 64;
    let is_digest = match location {
        Location::Registry(reference) => reference.digest().is_some(),
        Location::DockerDaemon(EngineName::Id(id)) => {
            id.strip_prefix("sha256:").unwrap_or(id).len() == DIGITS
        }
        _ => false,
    };
    if is_digest { FoundBy::Digest } else { FoundBy::Name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_digests_alone_say_what_an_image_is() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let found = |text: String| found_by(&text.parse().unwrap());
        for text in [
            format!("docker://app@{digest}"),
            format!("docker://app:1@{digest}"),
            format!("docker-daemon:{digest}"),
        ] {
            assert_eq!(found(text.clone()), FoundBy::Digest, "{text}");
        }
        for text in [
            "docker://app:1".to_owned(),
            "docker-daemon:app:1".to_owned(),
            "docker-daemon:sha256:e3b0c44298fc".to_owned(),
            "oci:folder:1".to_owned(),
        ] {
            assert_eq!(found(text.clone()), FoundBy::Name, "{text}");
        }
    }
}
