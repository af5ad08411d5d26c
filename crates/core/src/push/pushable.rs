//! An image that is pushed out of a source, which may hold several.

use std::sync::Arc;

use sealcrate_image::{
    ATTESTED, Artifact, Config, Descriptor, Image, Index, Location, MediaType, Outgoing, Platform,
    Sink, Source,
};

use super::options::PushOptions;
use crate::Result;
use crate::index::children::{put_attestation, put_image, whole};
use crate::index::chosen::{Chosen, Listed};
use crate::index::{Attestations, WhyDropped};
use crate::listener::Notice;
use crate::session::Session;

/// An image to push, and its attestations.
pub(super) struct Pushable {
    pub(super) image: Image,
    /// The index of the source, and its entry for the image.
    pub(super) listed: Option<Listed>,
    pub(super) attestations: Vec<Descriptor>,
}

impl Pushable {
    /// Reads every image that would be pushed to `to`.
    pub(super) fn all(
        source: &Arc<dyn Source>,
        platform: Option<&Platform>,
        to: &Location,
    ) -> Result<Vec<Self>> {
        let artifact = Artifact::read(source)?;
        let Some(index) = whole(&artifact, platform, to) else {
            return Ok(vec![Self::of(artifact, source, platform)?]);
        };
        let read = |child: &Descriptor| {
            let image = Artifact::child(source, child)?.into_image(source, None)?;
            let attestations = index.attestations_of(child.digest).cloned().collect();
            let listed = Some(Listed::new(index.clone(), child.clone()));
            Ok(Self { image, listed, attestations })
        };
        index.images().map(read).collect()
    }

    /// Chooses the image for `platform`.
    pub(super) fn of(
        artifact: Artifact,
        source: &Arc<dyn Source>,
        platform: Option<&Platform>,
    ) -> Result<Self> {
        let Chosen { image, listed } = Chosen::of(artifact, source, platform)?;
        let attestations = listed.as_ref().map(|Listed { index, child, .. }| {
            index.attestations_of(child.digest).cloned().collect()
        });
        Ok(Self { image, listed, attestations: attestations.unwrap_or_default() })
    }

    /// Returns an index of the image and its attestations, as they are in the source.
    pub(super) fn with_attestations(&self) -> Result<Index> {
        let mut first = match &self.listed {
            Some(listed) => listed.child.clone(),
            None => Descriptor::of(MediaType::OCI_MANIFEST, &self.image.config),
        };
        first.platform = match first.platform {
            Some(platform) => Some(platform),
            None => Config::parse(&self.image.config)?.platform(),
        };
        Ok(Index::new(std::iter::once(first).chain(self.attestations.iter().cloned()).collect()))
    }

    /// Puts `image` and the attestations of the original, and returns an index of both.
    pub(super) fn put_beside_attestations(
        &self,
        session: &Session,
        source: &Arc<dyn Source>,
        image: Outgoing,
        sink: &dyn Sink,
    ) -> Result<Index> {
        let raw = put_image(image, sink)?;
        let mut first = raw.descriptor();
        first.platform = match &self.listed {
            Some(listed) => listed.child.platform.clone(),
            None => Config::parse(&self.image.config)?.platform(),
        };
        let mut manifests = vec![first];
        for attestation in &self.attestations {
            let mut attestation = put_attestation(session, source, attestation, sink)?;
            attestation.annotations.insert(ATTESTED.to_owned(), raw.digest().to_string());
            manifests.push(attestation);
        }
        Ok(Index::new(manifests))
    }

    /// Gives notice of attestations that are left out.
    pub(super) fn tell_dropped(&self, session: &Session, options: &PushOptions<'_>) {
        if self.attestations.is_empty() || options.attestations == Attestations::Keep {
            return;
        }
        let why = match options.encrypting {
            Some(_) => WhyDropped::TellOfBuild,
            None => WhyDropped::NotAsked,
        };
        let digests = self.attestations.iter().map(|child| child.digest.short()).collect();
        session.notice(Notice::AttestationsDropped { digests, why });
    }
}
