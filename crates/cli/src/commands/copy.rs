//! `copy`: an image from anywhere to anywhere; as it is, decrypted, encrypted, or encrypted anew.

use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::format::{EncryptedImage, Encryption, ImageEncryptor, Keys, Opened, Terms};
use sealcrate_crypt::formats::recognise;
use sealcrate_crypt::sealed::{SealedRecord, Sealing};
use sealcrate_crypt::select::Selection;
use sealcrate_image::engine::Spared;
use sealcrate_image::{
    Artifact, Config, Descriptor, Image, Index, LayerForm, Location, NoKeys, Outgoing, Prefetch,
    RawManifest, Sink, Source,
};

use super::chosen::{Chosen, check_platform};
use super::opened_index::{Child, HasRecord, OpenedIndex};
use super::sealed_index::{self, IndexSealing, Part, Unsealed};
use super::{children, name_beside, print_index, print_written};
use crate::args::{Attestations, CompressionKind, CopyArgs, ReadingArgs};
use crate::encryption::{self, Wishes};
use crate::failure::{MissingImageIdentity, MissingKey, Usage};
use crate::private::Private;
use crate::session::Session;
use crate::{keys, left_behind, opening, talk};

pub(crate) fn run(args: &CopyArgs, session: &Session) -> Result<()> {
    let new_passphrase = keys::new_passphrase(&args.new_passphrase)?;
    let passphrase = match keys::named(&args.passphrase)? {
        None if args.decrypt => Some(session.keys.to_decrypt(&args.passphrase)?),
        named => named,
    };
    let keys = opening::keys(passphrase, &args.keys)?;
    opening::refuse_unmet(&keys, &args.keys)?;
    let (from, to) = (&args.source, &args.destination);
    let encryption = wanted_encryption(args, new_passphrase)?;
    if keys.is_any() && encryption.is_none() {
        refuse_to_publish(to, &args.reading)?;
    }
    let leaves_clear = encryption.is_some() && !keys.is_any();
    let source = match &encryption {
        Some(encryption) => {
            let spared = Spared::default();
            let form = encryption::export_form(&**encryption, &session.transfer, &spared);
            session.places.source(from, form)?
        }
        None => session.source(from, to)?,
    };
    let terms = Terms {
        expected: args.reading.home.clone(),
        ..opening::terms(args.reading.unencrypted(), &args.keys, from)
    };
    let artifact = Artifact::read(&source)?;
    if encryption.is_none() && !keys.is_any() && is_encrypted(&source, &artifact)? {
        tell_another_home(from, to);
    }
    if let (Artifact::Index { raw, index }, None) = (&artifact, &args.reading.platform)
        && children::holds_indexes(to)
        && (index.images().nth(1).is_some() || (encryption.is_none() && !keys.is_any()))
    {
        let reading = Reading { from, to, terms: &terms };
        let written = match (encryption, keys.absent()) {
            (None, Some(no_keys)) => copy_index(session, &source, raw, index, to, no_keys)?,
            (None, None) => decrypt_index(
                session,
                &source,
                index,
                &reading,
                &keys,
                args.reading.attestations(),
            )?,
            (Some(encryption), _) => {
                let encrypting = Encrypting { args, keys: &keys, terms, encryption: &*encryption };
                encrypting.index(session, &source, index)?
            }
        };
        if leaves_clear {
            left_behind::tell(from, to);
        }
        return print_index(args.output, to, &written);
    }
    let platform = args.reading.platform.as_ref();
    let chosen = Chosen::to_open(artifact, &source, platform, &keys, &terms)?;
    let (written, image) = match encryption {
        Some(encryption) => {
            let encrypting = Encrypting { args, keys: &keys, terms, encryption: &*encryption };
            let sink = session.places.sink(to)?;
            let unsealed = encrypting.chosen(session, &source, &chosen, &*sink)?;
            let sealing = Sealing { table: None, home: opening::home_of(to) };
            let image = unsealed.seal(&sealing)?;
            (session.commit(&image, &*sink)?, image)
        }
        None => {
            let reading = Reading { from, to, terms: &terms };
            read_into(session, &source, &reading, chosen, &keys)?
        }
    };
    if leaves_clear {
        left_behind::tell(from, to);
    }
    print_written(args.output, to, &written, &image)
}

/// Tells whether an image, or the first image of an index, is encrypted.
fn is_encrypted(source: &Arc<dyn Source>, artifact: &Artifact) -> Result<bool> {
    let first = match artifact {
        Artifact::Image(image) => return Ok(recognise(image)?.is_some()),
        Artifact::Index { index, .. } => index.images().next(),
    };
    match first.map(|child| Artifact::child(source, child)).transpose()? {
        Some(Artifact::Image(image)) => Ok(recognise(&image)?.is_some()),
        _ => Ok(false),
    }
}

/// Notes that an image which is copied as it is keeps its home, if `pull` would refuse it for that.
fn tell_another_home(from: &Location, to: &Location) {
    if let (Some(home), Some(place)) = (opening::home_of(from), opening::home_of(to))
        && !home.is_reached_by(&place)
    {
        talk::note(format!(
            "an encrypted image keeps its home: to pull it from {place}, say where it was pushed to, as \
             --home {home}"
        ));
    }
}

/// Returns how to encrypt the destination, if the user wants that.
fn wanted_encryption(
    args: &CopyArgs,
    passphrase: Option<Passphrase>,
) -> Result<Option<Box<dyn Encryption>>> {
    let wishes = Wishes {
        recipients: &args.recipients,
        encryption: &args.encryption,
        compression: &args.compression,
    };
    if passphrase.is_some() || !args.recipients.recipient.is_empty() {
        return wishes.encryption(passphrase, || Err(MissingKey.into())).map(Some);
    }
    let text = if !args.selection.is_none() {
        "layers are chosen for encryption, but no --recipient says to whom, and no --new-pass-file or \
         --new-pass-fd under which passphrase"
    } else if !args.recipients.is_none() {
        "--format and --keep-history are for images that are encrypted, with --recipient, \
         --new-pass-file or --new-pass-fd"
    } else if args.compression.compression == CompressionKind::Zstd {
        "--compression zstd is for images that are encrypted to recipients"
    } else {
        return Ok(None);
    };
    Err(Usage(text.to_owned()).into())
}

/// Refuses to write a decrypted image to a registry, unless the user allows it.
pub(super) fn refuse_to_publish(to: &Location, args: &ReadingArgs) -> Result<()> {
    if matches!(to, Location::Registry(_)) && !args.publish_decrypted {
        let text = "a decrypted image is not written to a registry unless --publish-decrypted \
                    says so";
        return Err(Usage(text.to_owned()).into());
    }
    Ok(())
}

/// The source and the destination of an image that is read, and the terms for it.
pub(super) struct Reading<'a> {
    pub(super) from: &'a Location,
    pub(super) to: &'a Location,
    pub(super) terms: &'a Terms,
}

/// Writes the image that was `chosen`, decrypted if there are keys, to its destination. Returns the
/// written image and its descriptor.
pub(super) fn read_into(
    session: &Session,
    source: &Arc<dyn Source>,
    reading: &Reading<'_>,
    chosen: Chosen,
    keys: &Keys,
) -> Result<(Descriptor, Outgoing)> {
    let (downloads, image) = session.ahead(reading.from, chosen.image);
    let chosen = Chosen { image, ..chosen };
    let opened = match keys.absent() {
        Some(no_keys) => Opened::unchanged(Outgoing::as_read(chosen.image, no_keys)),
        None => chosen.open(session, source, keys, reading.terms)?,
    };
    let sink = session.places.sink(reading.to)?;
    if !keys.is_any() && sink.layer_form() == LayerForm::AsItComes {
        // An engine or its archive would take ciphertext for a broken layer.
        match recognise(&opened.image)? {
            Some(encrypted) if encrypted.takes_passphrase() => {
                return Err(anyhow::Error::new(MissingKey).context("the image is encrypted"));
            }
            Some(_) => return Err(MissingImageIdentity.into()),
            None => {}
        }
    }
    let image = session.put_plain(&opened.image, downloads, &*sink)?;
    opening::tell_wrong_digests(&opened);
    let written = session.commit(&image, &*sink)?;
    Ok((written, image))
}

/// Encrypts images, after decrypting them if there are keys for them.
struct Encrypting<'a> {
    args: &'a CopyArgs,
    keys: &'a Keys,
    terms: Terms,
    encryption: &'a dyn Encryption,
}

impl Encrypting<'_> {
    /// Puts the layers of the chosen image into `sink`.
    fn chosen(
        &self,
        session: &Session,
        source: &Arc<dyn Source>,
        chosen: &Chosen,
        sink: &dyn Sink,
    ) -> Result<Unsealed> {
        if let Some(no_keys) = self.keys.absent() {
            let read = Outgoing::as_read(chosen.image.clone(), no_keys);
            return self.put(session, Opened::unchanged(read), None, sink);
        }
        let earlier = Was::of(&chosen.image)?;
        let opened = chosen.open(session, source, self.keys, &self.terms)?;
        self.put(session, opened, earlier, sink)
    }

    /// Puts the encrypted layers of an image into `sink`. The image was encrypted as `earlier` says.
    fn put(
        &self,
        session: &Session,
        opened: Opened,
        earlier: Option<Was>,
        sink: &dyn Sink,
    ) -> Result<Unsealed> {
        let args = self.args;
        let beside = |base: &_| name_beside(base, &args.source);
        let mut selection = session.selection(&args.selection, beside)?;
        // Private layers stay private, unless the user asks for another selection.
        if let (true, Some(earlier)) = (args.selection.is_none(), &earlier) {
            selection = earlier.selection.clone();
        }
        let encryptor = encryption::encryptor(self.encryption, &opened.image, &selection)?;
        if let (Some(earlier), false) = (&earlier, args.encryption.allow_exposing) {
            earlier.refuse_to_expose(&*encryptor)?;
        }
        if let (Location::Registry(target), false) =
            (&args.destination, args.encryption.allow_exposing)
        {
            let platform = Config::parse(&opened.image.config)?.platform();
            let passphrase = self.encryption.passphrase();
            let known = Private::known(session, Some(target), platform.as_ref(), passphrase)?;
            known.refuse_to_expose(&opened.image, |place| encryptor.encrypts(place))?;
        }
        let layers = session.put_encrypted(&opened.image, &*encryptor, sink)?;
        opening::tell_wrong_digests(&opened);
        Ok(Unsealed { encryptor, image: opened.image.into_image(), layers })
    }

    /// Encrypts every image of an index into the destination.
    fn index(
        &self,
        session: &Session,
        source: &Arc<dyn Source>,
        index: &Index,
    ) -> Result<Descriptor> {
        if self.args.selection.base.is_some() {
            let text = "--base names the image of one platform: choose it with --platform";
            return Err(Usage(text.to_owned()).into());
        }
        let (to, attestations) = (&self.args.destination, self.args.reading.attestations());
        let sink = session.places.sink(to)?;
        let sealing = IndexSealing { session, source, sink: &*sink, home: opening::home_of(to) };
        let sealed = if let Some(no_keys) = self.keys.absent() {
            let index = sealed_index::flattened(source, index)?;
            sealing.put(&index, index.media_type(), index.remarks.clone(), |_, child| {
                if Index::is_attestation(child) {
                    return Ok(sealed_index::attestation(attestations));
                }
                let image = Artifact::child(source, child)?.into_image(source, None)?;
                let read = Opened::unchanged(Outgoing::as_read(image, no_keys));
                let unsealed = self.put(session, read, None, &*sink)?;
                Ok(Part::Unsealed(Box::new(unsealed)))
            })?
        } else {
            let open = |image: &Image, _: &dyn EncryptedImage, child: &Descriptor| {
                let spool = session.places.spool();
                let opened = opening::open(image, self.keys, &self.terms, spool)?;
                check_platform(child, &opened.image)?;
                Ok(WasOpened { earlier: Was::of(image)?, opened })
            };
            let opened = OpenedIndex::open(source, index, &self.terms, attestations, open)?;
            let (media_type, remarks, index) = opened.described();
            let mut children = opened.children.into_iter();
            sealing.put(&index, media_type, remarks, |_, _| {
                match children.next().expect("there are as many as before") {
                    Child::Attestation => Ok(sealed_index::attestation(attestations)),
                    Child::Clear(image) if self.args.selection.is_none() => Ok(Part::Clear(image)),
                    Child::Clear(image) => {
                        let opened = Opened::unchanged(Outgoing::built(*image));
                        let unsealed = self.put(session, opened, None, &*sink)?;
                        Ok(Part::Unsealed(Box::new(unsealed)))
                    }
                    Child::Opened(WasOpened { earlier, opened }) => {
                        let unsealed = self.put(session, opened, earlier, &*sink)?;
                        Ok(Part::Unsealed(Box::new(unsealed)))
                    }
                }
            })?
        };
        Ok(session.interrupt.hold(|| sink.commit_index(&sealed.index.to_raw()))?)
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
    fn refuse_to_expose(&self, encryptor: &dyn ImageEncryptor) -> Result<()> {
        let mut exposed: Vec<String> = Vec::new();
        if self.config && !encryptor.encrypts_config() {
            exposed.push("the config".to_owned());
        }
        let layers = self.layers.iter().filter(|&&place| !encryptor.encrypts(place));
        exposed.extend(layers.map(|place| format!("layer {place}")));
        if exposed.is_empty() {
            return Ok(());
        }
        let text = format!(
            "this would leave in clear what was private: {}; --allow-exposing allows it",
            exposed.join(", ")
        );
        Err(Usage(text).into())
    }
}

/// Decrypts every image of an index into its destination.
pub(super) fn decrypt_index(
    session: &Session,
    source: &Arc<dyn Source>,
    index: &Index,
    reading: &Reading<'_>,
    keys: &Keys,
    attestations: Attestations,
) -> Result<Descriptor> {
    let sink = session.places.sink(reading.to)?;
    let open = |image: &Image| opening::open(image, keys, reading.terms, session.places.spool());
    let opened = OpenedIndex::read(source, index, reading.terms, attestations, open)?;
    let index = opened.put_decrypted(session, source, &*sink, attestations)?;
    Ok(session.interrupt.hold(|| sink.commit_index(&index.to_raw()))?)
}

/// Copies an index, and all manifests and blobs that it names, byte for byte.
pub(super) fn copy_index(
    session: &Session,
    source: &Arc<dyn Source>,
    raw: &RawManifest,
    index: &Index,
    to: &Location,
    no_keys: NoKeys,
) -> Result<Descriptor> {
    let sink: Arc<dyn Sink> = session.places.sink(to)?;
    for child in &index.manifests {
        let image = Artifact::child(source, child)?.into_image(source, None)?;
        let image = Outgoing::as_read(image, no_keys);
        sink.put_child(&session.put_plain(&image, Prefetch::default(), &*sink)?)?;
    }
    Ok(session.interrupt.hold(|| sink.commit_index(raw))?)
}
