//! A push of a whole index: it encrypts every platform's image, and uses layers of earlier pushes again for
//! each.

use std::sync::Arc;

use sealcrate_crypt::select::Selection;
use sealcrate_image::{Artifact, Config, Image, Index, NoKeys, Outgoing, Prefetch, Source};

use super::Push;
use super::options::Encrypting;
use crate::encrypting::encryptor;
use crate::error::Refusal;
use crate::index::Attestations;
use crate::index::children;
use crate::index::sealed::{IndexSealing, Part, Unsealed, attestation, flattened};
use crate::opening::home_of;
use crate::{Result, Written};

impl Push<'_> {
    /// Puts every image of `index`, and the manifests that name them.
    pub(super) fn index(&self, source: &Arc<dyn Source>, index: &Index) -> Result<Written> {
        let Some(encrypting) = self.options.encrypting else {
            return self.index_in_clear(source, index);
        };
        if matches!(encrypting.selection, Selection::Above(_)) {
            return Err(Refusal::BaseOfIndex.into());
        }
        let index = flattened(self.session, source, index)?;
        let (session, home) = (self.session, home_of(&self.to));
        let sealing = IndexSealing { session, source, sink: self.sink()?, home };
        let remarks = index.remarks.clone();
        let sealed = sealing.put(&index, index.media_type(), remarks, |_, child| {
            if Index::is_attestation(child) {
                return Ok(attestation(self.options.attestations));
            }
            let image = Artifact::child(source, child)?.into_image(source, None)?;
            Ok(Part::Unsealed(Box::new(self.child(encrypting, image)?)))
        })?;
        let written = session.commit_index(&sealed.index, self.sink()?)?;
        for (unsealed, stored) in &sealed.images {
            self.remember(unsealed, stored, &written);
        }
        self.tell_left_behind();
        Ok(Written::Index(written))
    }

    /// Puts the encrypted layers of one image of the index.
    fn child(&self, encrypting: Encrypting<'_>, image: Image) -> Result<Unsealed> {
        let Encrypting { encryption, selection } = encrypting;
        let encryptor = encryptor(self.session, encryption, &image, selection)?;
        let config = Config::parse(&image.config)?;
        let platform = config.platform();
        let mut pushed = self.find(platform.as_ref(), config.diff_ids())?;
        pushed.forget(&encryptor.changed(&pushed, &image));
        self.put(encryptor, pushed, image, platform.as_ref())
    }

    fn index_in_clear(&self, source: &Arc<dyn Source>, index: &Index) -> Result<Written> {
        let put = |image: Image| {
            let platform = Config::parse(&image.config)?.platform();
            self.refuse_to_expose(&image, platform.as_ref(), None)?;
            let image = Outgoing::as_read(image, NoKeys::given());
            self.session.put_plain(&image, Prefetch::default(), self.sink()?)
        };
        // Nothing is encrypted that an attestation could tell of.
        let attestations = Attestations::Keep;
        let index = children::put(self.session, source, index, self.sink()?, attestations, put)?;
        Ok(Written::Index(self.session.commit_index(&index, self.sink()?)?))
    }
}
