//! The copy that is encrypted, after decrypting it if there are keys for it.

use std::sync::Arc;

use sealcrate_crypt::format::{EncryptedImage, ImageEncryptor, Opened};
use sealcrate_crypt::formats::recognise;
use sealcrate_crypt::sealed::SealedRecord;
use sealcrate_crypt::select::Selection;
use sealcrate_image::{
    Artifact, Config, Descriptor, Image, Index, Location, Outgoing, Sink, Source,
};

use super::options::{CopyEncryption, CopyOptions};
use crate::Result;
use crate::encrypting::encryptor;
use crate::error::Refusal;
use crate::index::chosen::{Chosen, check_platform};
use crate::index::opened::{Child, HasRecord, OpenedIndex};
use crate::index::sealed::{self, IndexSealing, Part, Unsealed};
use crate::opening::{home_of, open, tell_wrong_digests};
use crate::private::{Exposure, Private};
use crate::session::Session;

/// Encrypts images, after decrypting them if there are keys for them.
pub(super) struct Encrypting<'a> {
    pub(super) session: &'a Session,
    pub(super) options: &'a CopyOptions<'a>,
    pub(super) encryption: CopyEncryption<'a>,
}

impl Encrypting<'_> {
    /// Puts the layers of the chosen image into `sink`.
    pub(super) fn chosen(
        &self,
        source: &Arc<dyn Source>,
        chosen: &Chosen,
        sink: &dyn Sink,
    ) -> Result<Unsealed> {
        let CopyOptions { keys, terms, .. } = *self.options;
        if let Some(no_keys) = keys.absent() {
            let read = Outgoing::as_read(chosen.image.clone(), no_keys);
            return self.put(Opened::unchanged(read), None, sink);
        }
        let earlier = Was::of(&chosen.image)?;
        let opened = chosen.open(self.session, source, keys, terms)?;
        self.put(opened, earlier, sink)
    }

    /// Puts the encrypted layers of an image into `sink`. The image was encrypted as `earlier` says.
    fn put(&self, opened: Opened, earlier: Option<Was>, sink: &dyn Sink) -> Result<Unsealed> {
        let (session, CopyEncryption { encryption, selection, exposure }) =
            (self.session, self.encryption);
        // Private layers stay private, unless the caller chooses others.
        let selection = match (selection, &earlier) {
            (Some(selection), _) => selection.clone(),
            (None, Some(earlier)) => earlier.selection.clone(),
            (None, None) => Selection::Label,
        };
        let encryptor = encryptor(session, encryption, &opened.image, &selection)?;
        if let (Some(earlier), Exposure::Refuse) = (&earlier, exposure) {
            earlier.refuse_to_expose(&*encryptor)?;
        }
        if let (Location::Registry(target), Exposure::Refuse) = (self.options.to, exposure) {
            let platform = Config::parse(&opened.image.config)?.platform();
            let passphrase = encryption.passphrase();
            let known = Private::known(session, Some(target), platform.as_ref(), passphrase)?;
            known.refuse_to_expose(&opened.image, |place| encryptor.encrypts(place))?;
        }
        let layers = session.put_encrypted(&opened.image, &*encryptor, sink)?;
        tell_wrong_digests(session, &opened);
        Ok(Unsealed { encryptor, image: opened.image.into_image(), layers })
    }

    /// Encrypts every image of an index into the destination.
    pub(super) fn index(&self, source: &Arc<dyn Source>, index: &Index) -> Result<Descriptor> {
        if matches!(self.encryption.selection, Some(Selection::Above(_))) {
            return Err(Refusal::BaseOfIndex.into());
        }
        let (session, to) = (self.session, self.options.to);
        let sink = session.places.sink(to)?;
        let sealing = IndexSealing { session, source, sink: &*sink, home: home_of(to) };
        let sealed = match self.options.keys.absent() {
            Some(no_keys) => {
                let index = sealed::flattened(session, source, index)?;
                sealing.put(&index, index.media_type(), index.remarks.clone(), |_, child| {
                    if Index::is_attestation(child) {
                        return Ok(sealed::attestation(self.options.attestations));
                    }
                    let image = Artifact::child(source, child)?.into_image(source, None)?;
                    let read = Opened::unchanged(Outgoing::as_read(image, no_keys));
                    Ok(Part::Unsealed(Box::new(self.put(read, None, &*sink)?)))
                })?
            }
            None => {
                let opened = self.open_index(source, index)?;
                let (media_type, remarks, index) = opened.described();
                let mut children = opened.children.into_iter();
                sealing.put(&index, media_type, remarks, |_, _| {
                    self.part(children.next().expect("there are as many as before"), &*sink)
                })?
            }
        };
        session.commit_index(&sealed.index, &*sink)
    }

    fn open_index(
        &self,
        source: &Arc<dyn Source>,
        index: &Index,
    ) -> Result<OpenedIndex<WasOpened>> {
        let CopyOptions { keys, terms, attestations, .. } = *self.options;
        let open = |image: &Image, _: &dyn EncryptedImage, child: &Descriptor| {
            let opened = open(self.session, image, keys, terms)?;
            check_platform(child, &opened.image)?;
            Ok(WasOpened { earlier: Was::of(image)?, opened })
        };
        OpenedIndex::open(self.session, source, index, terms, attestations, open)
    }

    /// Puts the layers of one child of an opened index.
    fn part(&self, child: Child<WasOpened>, sink: &dyn Sink) -> Result<Part> {
        let unsealed = match child {
            Child::Attestation => return Ok(sealed::attestation(self.options.attestations)),
            Child::Clear(image) if self.encryption.selection.is_none() => {
                return Ok(Part::Clear(image));
            }
            Child::Clear(image) => {
                self.put(Opened::unchanged(Outgoing::built(*image)), None, sink)?
            }
            Child::Opened(WasOpened { earlier, opened }) => self.put(opened, earlier, sink)?,
        };
        Ok(Part::Unsealed(Box::new(unsealed)))
    }
}

/// An image that was opened, and how it was encrypted.
struct WasOpened {
    earlier: Option<Was>,
    opened: Opened,
}

impl HasRecord for WasOpened {
    fn record(&self) -> Option<&SealedRecord> {
        self.opened.record()
    }
}

/// The private parts of an image before it was opened.
struct Was {
    selection: Selection,
    layers: Vec<usize>,
    config: bool,
}

impl Was {
    /// Reads them off the encrypted image; `None` if it is not encrypted.
    fn of(image: &Image) -> Result<Option<Self>> {
        let Some(encrypted) = recognise(image)? else { return Ok(None) };
        let layers = (0..image.layers.len()).filter(|&place| encrypted.has_layer(place));
        Ok(Some(Self {
            selection: encrypted.selection(image.layers.len()),
            layers: layers.collect(),
            config: encrypted.has_config(),
        }))
    }

    /// Refuses to leave a private part in clear.
    fn refuse_to_expose(&self, encryptor: &dyn ImageEncryptor) -> Result<(), Refusal> {
        let mut exposed: Vec<String> = Vec::new();
        if self.config && !encryptor.encrypts_config() {
            exposed.push("the config".to_owned());
        }
        let layers = self.layers.iter().filter(|&&place| !encryptor.encrypts(place));
        exposed.extend(layers.map(|place| format!("layer {place}")));
        match exposed.is_empty() {
            true => Ok(()),
            false => Err(Refusal::Exposes(exposed)),
        }
    }
}
