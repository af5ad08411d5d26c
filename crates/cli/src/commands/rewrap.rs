//! `rewrap`: changes the readers of an image where it lies.

mod index;

use anyhow::Result;
use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::format::{
    EncryptedImage, Encryption, Keys, NewReaders, OpenKeys, Opened, Rewrapped, Terms,
};
use sealcrate_crypt::formats::{OpenError, recognise};
use sealcrate_crypt::ocicrypt::Recipient;
use sealcrate_crypt::sealed::{Home, SealedRecord, Sealing, Table};
use sealcrate_crypt::select::Selection;
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Artifact, Config, Image, Location, Outgoing, Platform, Sink};

use super::opened_index::HasRecord;
use super::sealed_index::Unsealed;
use super::{print_index, print_written};
use crate::args::{ImageName, RewrapArgs};
use crate::encryption::{encryptor, tell_large_record};
use crate::failure::{MissingImageIdentity, Usage};
use crate::report::printable;
use crate::session::Session;
use crate::{keys, opening, pushed, talk};

pub(crate) fn run(args: &RewrapArgs, session: &Session) -> Result<()> {
    let from = match &args.image {
        ImageName::Location(location) => location.clone(),
        ImageName::Name(name) => Location::Registry(name.clone()),
    };
    let to = destination(&from, args.to.as_deref())?;
    let new_passphrase = keys::new_passphrase(&args.new_passphrase)?;
    let (add, remove) = (keys::recipients(&args.add)?, keys::former_recipients(&args.remove)?);
    let new = NewReaders::new(add, remove, new_passphrase, args.iterations);
    if new.adds_nobody() && (args.remove.is_empty() || args.reencrypt) {
        let text = "nothing says who is to open the image: --add RECIPIENT, --remove RECIPIENT, \
                    --new-pass-file FILE";
        return Err(Usage(text.to_owned()).into());
    }
    let keys = opening::keys(session.keys.given(&args.passphrase)?, &args.keys)?;
    let source = session.places.source(&from, ExportForm::AsTheyCome)?;
    let sink = session.places.sink(&to)?;
    let place = opening::home_of(&to);
    let mut rewrapping = Rewrapping { args, session, keys, new, place, replaces_passphrase: false };
    match Artifact::read(&source)? {
        Artifact::Image(image) => {
            let encrypted = recognise(&image)?.ok_or(OpenError::NotEncrypted)?;
            let opened = rewrapping.open(&image, &*encrypted)?;
            let image = rewrapping.finish(opened, None, &*sink)?;
            rewrapping.tell_what_stays();
            let written = session.commit(&image, &*sink)?;
            print_written(args.output, &to, &written, &image)
        }
        Artifact::Index { index, .. } => {
            let index = rewrapping.index(&source, &index, &*sink)?;
            rewrapping.tell_what_stays();
            let written = session.interrupt.hold(|| sink.commit_index(&index.to_raw()))?;
            print_index(args.output, &to, &written)
        }
    }
}

/// A change of the readers of images.
struct Rewrapping<'a> {
    args: &'a RewrapArgs,
    session: &'a Session,
    keys: Keys,
    new: NewReaders,
    /// The repository where the images lie, if it is one of a registry.
    place: Option<Home>,
    /// Whether an image has one passphrase alone, which the new one replaces.
    replaces_passphrase: bool,
}

/// An image that was opened to change its readers.
enum OpenImage {
    /// Its keys are open.
    Keys(Box<dyn OpenKeys>),
    /// The command encrypts its layers anew.
    Layers(Box<OpenLayers>),
}

/// An image whose layers the command encrypts anew.
struct OpenLayers {
    opened: Opened,
    encryption: Box<dyn Encryption>,
    /// Which layers.
    places: Selection,
}

impl HasRecord for OpenImage {
    fn record(&self) -> Option<&SealedRecord> {
        match self {
            Self::Keys(of) => of.record(),
            Self::Layers(of) => of.opened.record(),
        }
    }
}

impl OpenImage {
    /// Returns the platform of the image before encryption, where it names one.
    fn platform(&self) -> Option<Platform> {
        match self {
            Self::Keys(of) => of.platform(),
            Self::Layers(of) => Config::parse(&of.opened.image.config).ok()?.platform(),
        }
    }
}

impl Rewrapping<'_> {
    /// Opens the keys of `image`, and refuses if its home is another one.
    fn open(&mut self, image: &Image, encrypted: &dyn EncryptedImage) -> Result<OpenImage> {
        if !self.keys.is_any() {
            if !encrypted.takes_passphrase() {
                return Err(MissingImageIdentity.into());
            }
            self.keys.take(self.session.keys.to_decrypt(&self.args.passphrase)?);
        }
        self.replaces_passphrase |= !encrypted.has_recipients();
        let opened = match self.args.reencrypt {
            true => OpenImage::Layers(Box::new(self.open_layers(image, encrypted)?)),
            false => {
                let terms = self.terms();
                let opened = encrypted.open_keys(&self.keys, &self.new, terms.unbound)?;
                opening::tell_what_is_not_bound(image, opened.binding(), true);
                OpenImage::Keys(opened)
            }
        };
        self.check_home(opened.record().and_then(|record| record.home.as_ref()))?;
        if !self.args.reencrypt {
            pushed::forget(self.session, image);
        }
        Ok(opened)
    }

    /// Opens an image whose layers will be encrypted anew.
    fn open_layers(&self, image: &Image, encrypted: &dyn EncryptedImage) -> Result<OpenLayers> {
        let encryption = encrypted.encryption(&self.new)?;
        let places = encrypted.selection(image.layers.len());
        let opened = opening::open(image, &self.keys, &self.terms(), self.session.places.spool())?;
        encrypted.refuse_to_seal(opened.binding)?;
        Ok(OpenLayers { opened, encryption, places })
    }

    /// Checks the image against its home. A stranger who may write here, but not read there, could have
    /// put another user's image here, for its owner to add a reader.
    fn check_home(&self, home: Option<&Home>) -> Result<()> {
        let Some(place) = &self.place else { return Ok(()) };
        match (home, &self.args.home) {
            (Some(home), expected) => {
                let expected = expected.as_ref().unwrap_or(place);
                Ok(Home::check(Some(home), None, Some(expected))?)
            }
            (None, Some(stated)) if stated != place => {
                let text = format!(
                    "the image does not say where it was pushed to, and lies at {place}, not at {stated}"
                );
                Err(Usage(text).into())
            }
            (None, None) if !self.new.adds_nobody() => {
                let text = format!(
                    "the image does not say where it was pushed to, so it may be another one than you \
                     mean: if it belongs here, say --home {place}"
                );
                Err(Usage(text).into())
            }
            _ => Ok(()),
        }
    }

    /// Returns the image for its new readers, with its layers in `sink`. It is not committed yet.
    fn finish(
        &self,
        opened: OpenImage,
        table: Option<&Table>,
        sink: &dyn Sink,
    ) -> Result<Outgoing> {
        let sealing = Sealing { table: table.cloned(), home: self.place.clone() };
        match opened {
            OpenImage::Keys(opened) => {
                let rewrapped = opened.finish(&self.new, &sealing)?;
                tell_large_record(&rewrapped.image);
                tell_readers(&rewrapped);
                Ok(rewrapped.image)
            }
            OpenImage::Layers(of) => {
                let image = self.put(*of, sink)?.seal(&sealing)?;
                self.tell_new_readers()?;
                Ok(image)
            }
        }
    }

    /// Encrypts the layers of an image anew into `sink`.
    fn put(&self, of: OpenLayers, sink: &dyn Sink) -> Result<Unsealed> {
        let OpenLayers { opened, encryption, places } = of;
        let encryptor = encryptor(&*encryption, &opened.image, &places)?;
        let layers = self.session.put_encrypted(&opened.image, &*encryptor, sink)?;
        opening::tell_wrong_digests(&opened);
        Ok(Unsealed { encryptor, image: opened.image.into_image(), layers })
    }

    /// Says which readers can open layers that were encrypted anew; a passphrase alone has no name.
    fn tell_new_readers(&self) -> Result<()> {
        if !self.replaces_passphrase {
            let readers = self.new.recipients()?;
            let readers: Vec<String> = readers.iter().map(Recipient::name).collect();
            talk::note(format!("readers of the image: {}", readers.join(", ")));
        }
        Ok(())
    }

    fn terms(&self) -> Terms {
        opening::terms_anywhere(Unencrypted::Refuse, &self.args.keys)
    }

    /// Says which keys former readers keep after a removal.
    fn tell_what_stays(&self) {
        if !self.args.reencrypt && (self.replaces_passphrase || !self.new.remove.is_empty()) {
            talk::note(DATA_KEYS_STAY);
        }
    }
}

/// Says which readers can open an image from now on.
fn tell_readers(rewrapped: &Rewrapped) {
    let mut readers: Vec<String> =
        rewrapped.readers.iter().map(|reader| printable(reader)).collect();
    if rewrapped.unnamed > 0 {
        readers.push(format!("{} whose names nobody sealed", rewrapped.unnamed));
    }
    // An image under one passphrase names nobody.
    if !readers.is_empty() {
        talk::note(format!("readers of the image: {}", readers.join(", ")));
    }
}

const DATA_KEYS_STAY: &str = "the data keys stay: whoever could open the image can still read its layers, \
                              here and in every copy (--reencrypt makes new keys for what is here)";

/// Returns where the result goes: the same place, or another tag beside it.
fn destination(from: &Location, tag: Option<&str>) -> Result<Location> {
    match (from, tag) {
        (Location::Registry(reference), Some(tag)) => {
            let name = format!("{}:{tag}", reference.repository().familiar());
            let reference = name.parse().map_err(|error| Usage(format!("--to: {error}")))?;
            Ok(Location::Registry(reference))
        }
        (Location::Registry(reference), None) if reference.digest().is_some() => {
            let text =
                "what is named by a digest cannot be changed: give the result a tag with --to";
            Err(Usage(text.to_owned()).into())
        }
        (Location::Registry(_), None) => Ok(from.clone()),
        (Location::OciLayout { folder, .. }, Some(tag)) => {
            Ok(Location::OciLayout { folder: folder.clone(), name: Some(tag.to_owned()) })
        }
        (Location::OciLayout { name: Some(_), .. }, None) => Ok(from.clone()),
        (Location::OciLayout { .. }, None) => {
            let text =
                "say which image of the layout is meant, oci:DIR:TAG, or name the result with --to";
            Err(Usage(text.to_owned()).into())
        }
        _ => {
            let text = "images can be rewrapped in a registry and in an OCI layout only";
            Err(Usage(text.to_owned()).into())
        }
    }
}
