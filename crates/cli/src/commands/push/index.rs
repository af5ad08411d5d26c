//! A push of a whole index: every platform's image is encrypted, and what was pushed before is used again
//! for each.

use std::cell::RefCell;
use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::pushed::{Pushed, PushedLayer};
use sealcrate_crypt::select::Selection;
use sealcrate_image::{Config, Descriptor, Image, Index, Location, Prefetch, Sink, Source};

use crate::args::PushArgs;
use crate::commands::children::{self, Attestations};
use crate::encryption::Encryption;
use crate::failure::Usage;
use crate::pushed::{Earlier, Search};
use crate::session::Session;

/// What is to be done with every image of an index.
pub(super) struct Indexed<'a> {
    pub(super) args: &'a PushArgs,
    pub(super) session: &'a Session,
    /// None for images that stay in clear.
    pub(super) encryption: Option<&'a Encryption>,
    pub(super) selection: Option<&'a Selection>,
    pub(super) earlier: Option<Earlier<'a>>,
}

impl Indexed<'_> {
    /// Puts every image of `index` and what names them, and returns what was written.
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
        let done: RefCell<Vec<(Vec<PushedLayer>, Vec<u8>)>> = RefCell::default();
        let put = |image: Image| match (self.encryption, self.selection) {
            (Some(encryption), Some(selection)) => {
                let (stored, layers) = self.put(&image, encryption, selection, &*sink)?;
                done.borrow_mut().push((layers, image.config));
                Ok(stored)
            }
            _ => self.session.put_plain(&image, Prefetch::default(), &*sink),
        };
        let index = children::put(self.session, source, index, &*sink, attestations, put)?;
        let written = self.session.interrupt.hold(|| sink.commit_index(&index.to_raw()))?;
        if let Some(earlier) = &self.earlier {
            for (layers, config) in done.take() {
                earlier.remember(&layers, &config, written.digest);
            }
        }
        Ok(written)
    }

    /// Puts the layers of one image, and returns it encrypted, and what can be remembered of it.
    fn put(
        &self,
        image: &Image,
        encryption: &Encryption,
        selection: &Selection,
        sink: &dyn Sink,
    ) -> Result<(Image, Vec<PushedLayer>)> {
        let encryptor = encryption.encryptor(image, selection)?;
        let mut pushed = Pushed::default();
        if let Some(earlier) = &self.earlier {
            let config = Config::parse(&image.config)?;
            let platform = config.platform();
            let images = [&self.args.name].into_iter().chain(&self.args.cache_from).collect();
            let (platform, diff_ids) = (platform.as_ref(), config.diff_ids());
            pushed = earlier.find(&Search { images, platform, diff_ids }, sink)?;
        }
        pushed.forget(&encryptor.changed(&pushed, image));
        let encryptor = encryptor.reuse(pushed);
        let stored = self.session.put_encrypted(image, &encryptor, sink)?;
        let layers = encryptor.pushed(image, &stored);
        Ok((stored, layers))
    }
}
