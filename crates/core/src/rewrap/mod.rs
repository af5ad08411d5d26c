//! `rewrap`: changes the readers of an image where it lies.

mod index;

use sealcrate_crypt::format::{
    EncryptedImage, Encryption, Keys, NewReaders, OpenKeys, Opened, Rewrapped, Terms,
};
use sealcrate_crypt::formats::{OpenError, recognise};
use sealcrate_crypt::ocicrypt::Recipient;
use sealcrate_crypt::sealed::{Home, SealedRecord, Sealing, Table, Unbound};
use sealcrate_crypt::select::Selection;
use sealcrate_crypt::{Passphrase, Unencrypted};
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Artifact, Config, Image, Location, Outgoing, Platform, Sink};

use crate::earlier::forget;
use crate::encrypting::{encryptor, tell_large_record};
use crate::error::{Error, ErrorSource, Refusal};
use crate::index::Attestations;
use crate::index::opened::HasRecord;
use crate::index::sealed::Unsealed;
use crate::listener::Notice;
use crate::opening::{home_of, open, tell_unbound, tell_wrong_digests};
use crate::session::Session;
use crate::{Result, Written};

/// The options of a rewrapping.
pub struct RewrapOptions<'a> {
    /// The place of the image.
    pub from: &'a Location,
    /// The place of the result, which is the same or beside it.
    pub to: &'a Location,
    /// Asks for the passphrase of an image that is encrypted under one, if there are no keys.
    pub ask: &'a dyn Fn() -> Result<Passphrase, ErrorSource>,
    /// The policy for images that nothing binds.
    pub unbound: Unbound,
    /// The home that the caller states.
    pub home: Option<&'a Home>,
    /// The readers that the image gets and loses.
    pub new: &'a NewReaders,
    /// The treatment of data keys, which former readers may have kept.
    pub data_keys: DataKeys,
    /// The treatment of attestations in an index.
    pub attestations: Attestations,
}

/// The treatment of data keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKeys {
    /// They stay, and no layer is read.
    Keep,
    /// Layers are encrypted anew under new ones.
    Renew,
}

/// Changes the readers of an image or an index. If the image takes a passphrase and there are no `keys`,
/// they get the passphrase that the caller is asked for.
///
/// # Errors
/// The image cannot be read, opened or written; it has another home; a reader to remove is not found.
///
/// # Example
/// ```
/// use sealcrate_core::{Attestations, DataKeys, Direct, RewrapOptions, Session, rewrap};
/// use sealcrate_crypt::Passphrase;
/// use sealcrate_crypt::format::{Keys, NewReaders};
/// use sealcrate_crypt::ocicrypt::Recipient;
/// use sealcrate_crypt::sealed::Unbound;
/// use sealcrate_image::Spool;
/// use sealcrate_image::registry::Access;
/// # use sealcrate_core::{CopyEncryption, CopyOptions, Exposure, Publication, copy};
/// # use sealcrate_crypt::Unencrypted;
/// # use sealcrate_crypt::format::Terms;
/// # use sealcrate_crypt::ocicrypt::{History, ToRecipients};
/// # use sealcrate_crypt::select::Selection;
/// # use sealcrate_image::Compression;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let place = |name: &str| format!("oci:{}:{name}", folder.path().display()).parse();
/// let spool = Spool::in_folder(std::env::temp_dir());
/// let session = Session::new(Direct::new(spool.clone(), |_| Access::default()), spool);
/// # let passphrase = Some(Passphrase::new(b"hush".to_vec().into())?);
/// # let encryption = ToRecipients::new(Vec::new(), passphrase, Compression::Gzip, History::Scrub);
/// # copy(&session, &CopyOptions {
/// #     from: &"oci:tests/data/plain:1".parse()?,
/// #     to: &place("private")?,
/// #     keys: &Keys::default(),
/// #     terms: &Terms::anywhere(Unencrypted::Refuse, Unbound::Accept),
/// #     platform: None,
/// #     attestations: Attestations::Drop,
/// #     encrypting: Some(CopyEncryption {
/// #         encryption: &encryption,
/// #         selection: Some(&Selection::All),
/// #         exposure: Exposure::Refuse,
/// #     }),
/// #     publication: Publication::Refuse,
/// # })?;
/// let team = Recipient::age("age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg")?;
/// let new = NewReaders::new(vec![team], Vec::new(), None, 0);
/// let mut keys = Keys::new(Vec::new(), Some(Passphrase::new(b"hush".to_vec().into())?));
/// rewrap(&session, &RewrapOptions {
///     from: &place("private")?,
///     to: &place("team")?,
///     ask: &|| Err("there is nobody to ask".into()),
///     unbound: Unbound::Accept,
///     home: None,
///     new: &new,
///     data_keys: DataKeys::Keep,
///     attestations: Attestations::Drop,
/// }, &mut keys)?;
/// # Ok(())
/// # }
/// ```
pub fn rewrap(session: &Session, options: &RewrapOptions<'_>, keys: &mut Keys) -> Result<Written> {
    let source = session.places.source(options.from, ExportForm::AsTheyCome)?;
    let sink = session.places.sink(options.to)?;
    let place = home_of(options.to);
    let mut rewrapping = Rewrapping { session, options, keys, place, replaces_passphrase: false };
    Ok(match Artifact::read(&source)? {
        Artifact::Image(image) => {
            let encrypted = recognise(&image)?.ok_or(OpenError::NotEncrypted)?;
            let opened = rewrapping.open(&image, &*encrypted)?;
            let image = rewrapping.finish(opened, None, &*sink)?;
            rewrapping.tell_what_stays();
            let written = session.commit(&image, &*sink)?;
            Written::Image(written, Box::new(image.into_image()))
        }
        Artifact::Index { index, .. } => {
            let index = rewrapping.index(&source, &index, &*sink)?;
            rewrapping.tell_what_stays();
            Written::Index(session.commit_index(&index, &*sink)?)
        }
    })
}

/// A change of the readers of images.
struct Rewrapping<'a> {
    session: &'a Session,
    options: &'a RewrapOptions<'a>,
    keys: &'a mut Keys,
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
                return Err(Error::MissingIdentity);
            }
            self.keys.take((self.options.ask)().map_err(Error::Caller)?);
        }
        self.replaces_passphrase |= !encrypted.has_recipients();
        let opened = match self.options.data_keys {
            DataKeys::Renew => OpenImage::Layers(Box::new(self.open_layers(image, encrypted)?)),
            DataKeys::Keep => {
                let RewrapOptions { new, unbound, .. } = self.options;
                let opened = encrypted.open_keys(self.keys, new, *unbound)?;
                tell_unbound(self.session, image, opened.binding(), true);
                OpenImage::Keys(opened)
            }
        };
        self.check_home(opened.record().and_then(|record| record.home.as_ref()))?;
        if self.options.data_keys == DataKeys::Keep {
            forget(self.session, image);
        }
        Ok(opened)
    }

    /// Opens an image whose layers will be encrypted anew.
    fn open_layers(&self, image: &Image, encrypted: &dyn EncryptedImage) -> Result<OpenLayers> {
        let encryption = encrypted.encryption(self.options.new)?;
        let places = encrypted.selection(image.layers.len());
        let opened = open(self.session, image, self.keys, &self.terms())?;
        encrypted.refuse_to_seal(opened.binding)?;
        Ok(OpenLayers { opened, encryption, places })
    }

    /// Checks the image against its home. A stranger who may write here, but not read there, could have
    /// put another user's image here, for its owner to add a reader.
    fn check_home(&self, home: Option<&Home>) -> Result<()> {
        let Some(place) = &self.place else { return Ok(()) };
        match (home, self.options.home) {
            (Some(home), expected) => {
                let expected = expected.unwrap_or(place);
                Ok(Home::check(Some(home), None, Some(expected))?)
            }
            (None, Some(stated)) if stated != place => {
                let (place, stated) = (place.to_string(), stated.to_string());
                Err(Refusal::OtherPlace { place, stated }.into())
            }
            (None, None) if !self.options.new.adds_nobody() => {
                Err(Refusal::Homeless(place.to_string()).into())
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
                let rewrapped = opened.finish(self.options.new, &sealing)?;
                tell_large_record(self.session, &rewrapped.image);
                self.tell_readers(&rewrapped);
                Ok(rewrapped.image)
            }
            OpenImage::Layers(of) => {
                let image = self.put(*of, sink)?.seal(self.session, &sealing)?;
                self.tell_new_readers()?;
                Ok(image)
            }
        }
    }

    /// Encrypts the layers of an image anew into `sink`.
    fn put(&self, of: OpenLayers, sink: &dyn Sink) -> Result<Unsealed> {
        let OpenLayers { opened, encryption, places } = of;
        let encryptor = encryptor(self.session, &*encryption, &opened.image, &places)?;
        let layers = self.session.put_encrypted(&opened.image, &*encryptor, sink)?;
        tell_wrong_digests(self.session, &opened);
        Ok(Unsealed { encryptor, image: opened.image.into_image(), layers })
    }

    /// Tells which readers can open layers that were encrypted anew; a passphrase alone has no name.
    fn tell_new_readers(&self) -> Result<()> {
        if !self.replaces_passphrase {
            let named = self.options.new.recipients()?.iter().map(Recipient::name).collect();
            self.session.notice(Notice::Readers { named, unnamed: 0 });
        }
        Ok(())
    }

    fn terms(&self) -> Terms {
        Terms::anywhere(Unencrypted::Refuse, self.options.unbound)
    }

    /// Tells which keys former readers keep after a removal.
    fn tell_what_stays(&self) {
        let is_changed = self.replaces_passphrase || !self.options.new.remove.is_empty();
        if self.options.data_keys == DataKeys::Keep && is_changed {
            self.session.notice(Notice::DataKeysStay);
        }
    }

    /// Tells which readers can open an image from now on; an image under one passphrase names nobody.
    fn tell_readers(&self, rewrapped: &Rewrapped) {
        let Rewrapped { readers, unnamed, .. } = rewrapped;
        if !readers.is_empty() || *unnamed > 0 {
            self.session.notice(Notice::Readers { named: readers.clone(), unnamed: *unnamed });
        }
    }
}
