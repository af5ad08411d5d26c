//! `rewrap`: changes the readers of an image where it lies.

mod index;

use anyhow::Result;
use sealcrate_crypt::crypto_cli::{self, FreshKey, KeyDataShape};
use sealcrate_crypt::ocicrypt::{self, Change, DecryptError, Recipient, Rewrapped};
use sealcrate_crypt::sealed::{Binding, Home, SealedRecord, Sealing, Table};
use sealcrate_crypt::select::Selection;
use sealcrate_crypt::{Passphrase, Unencrypted};
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Artifact, Config, Image, Location, Outgoing, Platform, Sink};

use super::opened_index::HasRecord;
use super::sealed_index::Unsealed;
use super::{print_index, print_written};
use crate::args::{ImageName, RewrapArgs};
use crate::encryption::{Encryption, tell_large_record};
use crate::failure::{MissingImageIdentity, Usage};
use crate::opening::{self, Keys, Opened, Protection, Terms};
use crate::report::printable;
use crate::session::Session;
use crate::{keys, pushed, talk};

pub(crate) fn run(args: &RewrapArgs, session: &Session) -> Result<()> {
    let from = match &args.image {
        ImageName::Location(location) => location.clone(),
        ImageName::Name(name) => Location::Registry(name.clone()),
    };
    let to = destination(&from, args.to.as_deref())?;
    let new_passphrase = keys::new_passphrase(&args.new_passphrase)?;
    let change = Change {
        add: keys::recipients(&args.add)?,
        remove: keys::former_recipients(&args.remove)?,
    };
    if change.add.is_empty()
        && new_passphrase.is_none()
        && (args.remove.is_empty() || args.reencrypt)
    {
        let text = "nothing says who is to open the image: --add RECIPIENT, --remove RECIPIENT, \
                    --new-pass-file FILE";
        return Err(Usage(text.to_owned()).into());
    }
    let keys = Keys::new(session.keys.given(&args.passphrase)?, &args.keys)?;
    let source = session.places.source(&from, ExportForm::AsTheyCome)?;
    let sink = session.places.sink(&to)?;
    let place = opening::home_of(&to);
    let mut rewrapping =
        Rewrapping { args, session, keys, change, new_passphrase, place, locked: None };
    match Artifact::read(&source)? {
        Artifact::Image(image) => {
            let protection = Protection::of(&image)?.ok_or(DecryptError::NotEncrypted)?;
            let opened = rewrapping.open(&image, protection)?;
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
    change: Change,
    new_passphrase: Option<Passphrase>,
    /// The repository where the images lie, if it is one of a registry.
    place: Option<Home>,
    /// The new passphrase as a recipient, once an image takes it in that form.
    locked: Option<Recipient>,
}

/// An image whose keys are open.
enum OpenKeys {
    /// In crypto-cli's format; the key is derived from the new passphrase.
    CryptoCli(Box<crypto_cli::Rewrapping>, FreshKey),
    /// In the format of OCI image encryption.
    Oci(Box<ocicrypt::Rewrapping>),
    /// The command encrypts its layers anew.
    Layers(Box<OpenLayers>),
}

/// An image whose layers the command encrypts anew.
struct OpenLayers {
    opened: Opened,
    encryption: Encryption,
    /// Which layers.
    places: Selection,
}

impl HasRecord for OpenKeys {
    fn record(&self) -> Option<&SealedRecord> {
        match self {
            Self::CryptoCli(of, _) => of.record(),
            Self::Oci(of) => of.record(),
            Self::Layers(of) => of.opened.record(),
        }
    }
}

impl OpenKeys {
    /// Returns the platform of the image before encryption, where it names one.
    fn platform(&self) -> Option<Platform> {
        match self {
            Self::Layers(of) => Config::parse(&of.opened.image.config).ok()?.platform(),
            Self::CryptoCli(of, _) => of.platform(),
            Self::Oci(of) => of.platform(),
        }
    }
}

impl Rewrapping<'_> {
    /// Opens the keys of `image`, and refuses if its home is another one.
    fn open(&mut self, image: &Image, protection: Protection) -> Result<OpenKeys> {
        if !self.keys.is_any() {
            if !protection.takes_passphrase() {
                return Err(MissingImageIdentity.into());
            }
            self.keys.take(self.session.keys.to_decrypt(&self.args.passphrase)?);
        }
        let terms = self.terms();
        let opened = match &protection {
            _ if self.args.reencrypt => {
                let encryption = self.new_encryption(&protection)?;
                let places = protection.selection(image)?;
                let spool = self.session.places.spool();
                let opened = opening::open(image, &self.keys, &terms, spool)?;
                if opened.binding == Binding::None && matches!(protection, Protection::CryptoCli(_))
                {
                    return Err(Usage(NOT_AUTHENTICATED.to_owned()).into());
                }
                OpenKeys::Layers(Box::new(OpenLayers { opened, encryption, places }))
            }
            Protection::CryptoCli(_) => {
                let fresh = FreshKey::derive(self.one_passphrase()?, self.args.iterations)?;
                let mut kdf = self.keys.derivation()?;
                let opened = crypto_cli::Rewrapping::open(image, &mut kdf, terms.unbound)?;
                opening::tell_what_is_not_bound(image, opened.binding(), true);
                OpenKeys::CryptoCli(Box::new(opened), fresh)
            }
            Protection::Oci(of) => {
                self.lock()?;
                let identities = self.keys.identities(of)?;
                let opened = ocicrypt::Rewrapping::open(image, &identities, terms.unbound)?;
                opening::tell_what_is_not_bound(image, opened.binding(), true);
                OpenKeys::Oci(Box::new(opened))
            }
        };
        self.check_home(opened.record().and_then(|record| record.home.as_ref()))?;
        if !self.args.reencrypt {
            pushed::forget(self.session, image);
        }
        Ok(opened)
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
            (None, None) if !self.change.add.is_empty() || self.new_passphrase.is_some() => {
                let text = format!(
                    "the image does not say where it was pushed to, so it may be another one than you \
                     mean: if it belongs here, say --home {place}"
                );
                Err(Usage(text).into())
            }
            _ => Ok(()),
        }
    }

    /// Returns the new passphrase of an image in crypto-cli's format, which has no recipients.
    fn one_passphrase(&self) -> Result<&Passphrase> {
        match &self.new_passphrase {
            Some(new) if self.change.add.is_empty() && self.change.remove.is_empty() => Ok(new),
            _ => Err(Usage(ONE_PASSPHRASE.to_owned()).into()),
        }
    }

    /// Makes the new passphrase a recipient, once for all images.
    fn lock(&mut self) -> Result<()> {
        if let (Some(passphrase), None) = (&self.new_passphrase, &self.locked) {
            let locked = Recipient::passphrase(passphrase)?;
            self.change.add.push(locked.clone());
            self.locked = Some(locked);
        }
        Ok(())
    }

    /// Returns the recipients or the passphrase to which layers are encrypted anew.
    fn new_encryption(&mut self, protection: &Protection) -> Result<Encryption> {
        Ok(match protection {
            Protection::CryptoCli(of) => {
                let shape = of.shape.unwrap_or(KeyDataShape::Member);
                Encryption::under(self.one_passphrase()?.clone(), self.args.iterations, shape)
            }
            Protection::Oci(_) => {
                self.lock()?;
                Encryption::again(self.change.add.clone())
            }
        })
    }

    /// Returns the image for its new readers, with its layers in `sink`. It is not committed yet.
    fn finish(&self, opened: OpenKeys, table: Option<&Table>, sink: &dyn Sink) -> Result<Outgoing> {
        let sealing = Sealing { table: table.cloned(), home: self.place.clone() };
        match opened {
            OpenKeys::CryptoCli(opened, key) => Ok(opened.finish(&key, &sealing)?),
            OpenKeys::Oci(opened) => {
                let rewrapped = opened.finish(&self.change, &sealing)?;
                tell_large_record(&rewrapped.image);
                tell_readers(&rewrapped);
                Ok(rewrapped.image)
            }
            OpenKeys::Layers(of) => {
                let image = self.put(*of, sink)?.seal(&sealing)?;
                self.tell_new_readers();
                Ok(image)
            }
        }
    }

    /// Encrypts the layers of an image anew into `sink`.
    fn put(&self, of: OpenLayers, sink: &dyn Sink) -> Result<Unsealed> {
        let OpenLayers { opened, encryption, places } = of;
        let encryptor = encryption.encryptor(&opened.image, &places)?;
        let layers = self.session.put_encrypted(&opened.image, &encryptor, sink)?;
        opened.tell_wrong_digests();
        Ok(Unsealed { encryptor, image: opened.image.into_image(), layers })
    }

    /// Says which readers can open layers that were encrypted anew; a passphrase alone has no name.
    fn tell_new_readers(&self) {
        let readers = self.change.add.iter().map(Recipient::name).collect::<Vec<_>>();
        if !readers.is_empty() {
            talk::note(format!("readers of the image: {}", readers.join(", ")));
        }
    }

    fn terms(&self) -> Terms {
        Terms::anywhere(Unencrypted::Refuse, &self.args.keys)
    }

    /// Says which keys former readers keep after a removal. A new passphrase removes readers only in
    /// crypto-cli's format.
    fn tell_what_stays(&self) {
        let replaced = self.new_passphrase.is_some() && self.locked.is_none();
        if !self.args.reencrypt && (replaced || !self.change.remove.is_empty()) {
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
    talk::note(format!("readers of the image: {}", readers.join(", ")));
}

const ONE_PASSPHRASE: &str = "the image is in the format of crypto-cli, which has one passphrase and no \
                              recipients: name the new one with --new-pass-file or --new-pass-fd";

const NOT_AUTHENTICATED: &str = "nothing authenticates the platform, author and creation time of this image, which \
                                 crypto-cli or sealcrate 0.1 wrote: --reencrypt would seal what a stranger may have \
                                 set; `copy` with --pass-file and --new-pass-file makes a new image of it, if you \
                                 trust these";

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
