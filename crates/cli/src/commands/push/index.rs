//! A push of a whole index: it encrypts every platform's image, and uses layers of earlier pushes again
//! for each.

use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::format::Encryption;
use sealcrate_crypt::pushed::Pushed;
use sealcrate_crypt::select::Selection;
use sealcrate_image::{
    Artifact, Config, Descriptor, Image, Index, Location, NoKeys, Outgoing, Prefetch, Sink, Source,
};

use super::refuse_to_expose;
use crate::args::{Attestations, PushArgs};
use crate::commands::children;
use crate::commands::sealed_index::{self, IndexSealing, Part, Unsealed};
use crate::encryption;
use crate::output::failure::Usage;
use crate::opening;
use crate::pushed::{Earlier, Search};
use crate::session::Session;

/// The task for every image of an index.
pub(super) struct Indexed<'a> {
    pub(super) args: &'a PushArgs,
    pub(super) session: &'a Session,
    /// None for images that stay in clear.
    pub(super) encryption: Option<&'a dyn Encryption>,
    pub(super) selection: Option<&'a Selection>,
    pub(super) earlier: Option<Earlier<'a>>,
}

impl Indexed<'_> {
    /// Puts every image of `index`, and the manifests that name them. Returns the descriptor of the
    /// written index.
    pub(super) fn run(
        &self,
        source: &Arc<dyn Source>,
        index: &Index,
        to: &Location,
    ) -> Result<Descriptor> {
        if self.args.selection.base.is_some() {
            let text = "--base names the image of one platform: choose it with --platform";
            return Err(Usage(text.to_owned()).into());
        }
        let sink = self.session.places.sink(to)?;
        let attestations = match self.encryption {
            Some(_) if !self.args.keep_attestations => Attestations::Drop,
            _ => Attestations::Keep,
        };
        let (Some(encryption), Some(selection)) = (self.encryption, self.selection) else {
            let put = |image: Image| {
                let platform = Config::parse(&image.config)?.platform();
                refuse_to_expose(self.args, self.session, &image, platform.as_ref(), None, None)?;
                let image = Outgoing::as_read(image, NoKeys::given());
                self.session.put_plain(&image, Prefetch::default(), &*sink)
            };
            let index = children::put(self.session, source, index, &*sink, attestations, put)?;
            return Ok(self.session.interrupt.hold(|| sink.commit_index(&index.to_raw()))?);
        };
        let index = sealed_index::flattened(source, index)?;
        let (session, home) = (self.session, opening::home_of(to));
        let sealing = IndexSealing { session, source, sink: &*sink, home };
        let sealed =
            sealing.put(&index, index.media_type(), index.remarks.clone(), |_, child| {
                if Index::is_attestation(child) {
                    return Ok(sealed_index::attestation(attestations));
                }
                let image = Artifact::child(source, child)?.into_image(source, None)?;
                let unsealed = self.put(image, encryption, selection, &*sink)?;
                Ok(Part::Unsealed(Box::new(unsealed)))
            })?;
        let written = session.interrupt.hold(|| sink.commit_index(&sealed.index.to_raw()))?;
        if let Some(earlier) = &self.earlier {
            for (Unsealed { encryptor, image, .. }, stored) in &sealed.images {
                let layers = encryptor.pushed(stored);
                earlier.remember(&layers, &image.config, written.digest);
            }
        }
        Ok(written)
    }

    /// Puts the encrypted layers of one image.
    fn put(
        &self,
        image: Image,
        encryption: &dyn Encryption,
        selection: &Selection,
        sink: &dyn Sink,
    ) -> Result<Unsealed> {
        let mut encryptor = encryption::encryptor(encryption, &image, selection)?;
        let mut pushed = Pushed::default();
        if let Some(earlier) = &self.earlier {
            let config = Config::parse(&image.config)?;
            let platform = config.platform();
            let images = [&self.args.name].into_iter().chain(&self.args.cache_from).collect();
            let (platform, diff_ids) = (platform.as_ref(), config.diff_ids());
            pushed = earlier.find(&Search { images, platform, diff_ids }, sink)?;
        }
        pushed.forget(&encryptor.changed(&pushed, &image));
        encryptor.reuse(pushed);
        let platform = Config::parse(&image.config)?.platform();
        let platform = platform.as_ref();
        let passphrase = encryption.passphrase();
        let (args, session) = (self.args, self.session);
        refuse_to_expose(args, session, &image, platform, Some(&*encryptor), passphrase)?;
        let layers = self.session.put_encrypted(&image, &*encryptor, sink)?;
        Ok(Unsealed { encryptor, image, layers })
    }
}
