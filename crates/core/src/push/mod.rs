//! `push`: an image or an index, out of an engine or from elsewhere, encrypted into a registry.
//!
//! A push has four steps. It plans: it reads the source, unless an engine can tell the diff IDs before it
//! exports. It finds the layers of earlier pushes. It puts the layers, encrypted, and then the manifests.
//! It remembers the layers for the next push. Indexes share these steps.

mod index;
mod options;
mod preview;
mod pushable;

use std::cell::OnceCell;
use std::sync::Arc;

use sealcrate_crypt::format::ImageEncryptor;
use sealcrate_crypt::formats::choose;
use sealcrate_crypt::pushed::Pushed;
use sealcrate_crypt::sealed::Sealing;
use sealcrate_image::engine::{ExportForm, Skipped};
use sealcrate_image::{
    Artifact, Config, Descriptor, DiffId, Image, Index, Location, NoKeys, Outgoing, Packing,
    Platform, Prefetch, Remarks, Sink, Source,
};

use crate::earlier::{Earlier, Search, skipped};
use crate::encrypting::{encryptor, export_form};
use crate::index::Attestations;
use crate::index::children::whole;
use crate::index::sealed::{IndexSealing, Part, Unsealed};
use crate::left_behind::LeftBehind;
use crate::listener::Notice;
use crate::opening::home_of;
use crate::private::{Exposure, Private};
use crate::session::Session;
use crate::{Result, Written};

pub use options::{Encrypting, PushOptions, Reuse};
pub use preview::{Preview, preview};
use pushable::Pushable;

/// Pushes an image or an index.
///
/// # Errors
/// The image cannot be read, encrypted or written; the push would expose private layers.
///
/// # Example
/// [`Direct`](crate::Direct) reaches registries. So that this example needs no network, its places keep the
/// images of a registry in layouts.
/// ```
/// use sealcrate_core::{Attestations, Encrypting, Exposure, PushOptions, Reuse, Session, push};
/// use sealcrate_crypt::ocicrypt::{History, Recipient, ToRecipients};
/// use sealcrate_crypt::select::Selection;
/// use sealcrate_image::{Compression, Spool};
/// # use std::path::PathBuf;
/// # use std::sync::Arc;
/// # use sealcrate_core::{Error, Files, InspectOptions, Places, Refusal, Result, inspect};
/// # use sealcrate_crypt::format::Keys;
/// # use sealcrate_crypt::sealed::Unbound;
/// # use sealcrate_image::engine::ExportForm;
/// # use sealcrate_image::{DiffId, Digest, Leftovers, Location, Reference, Sink, Source};
/// # struct Layouts { files: Files, folder: PathBuf }
/// # impl Layouts {
/// #     fn place(&self, location: &Location) -> Location {
/// #         let Location::Registry(reference) = location else { return location.clone() };
/// #         Location::OciLayout {
/// #             folder: self.folder.join(reference.repository().path()),
/// #             name: reference.tag().map(ToOwned::to_owned),
/// #         }
/// #     }
/// # }
/// # impl Places for Layouts {
/// #     fn source(&self, location: &Location, _: ExportForm<'_>) -> Result<Arc<dyn Source>> {
/// #         self.files.source(&self.place(location)).map_err(Error::Caller)
/// #     }
/// #     fn sink(&self, location: &Location) -> Result<Arc<dyn Sink>> {
/// #         self.files.sink(&self.place(location)).map_err(Error::Caller)
/// #     }
/// #     fn registry_source(&self, reference: &Reference) -> Result<Arc<dyn Source>> {
/// #         self.source(&Location::Registry(reference.clone()), ExportForm::AsTheyCome)
/// #     }
/// #     fn tag(&self, reference: &Reference) -> Result<Option<Digest>> {
/// #         Ok(self.registry_source(reference)?.root().ok().map(|root| root.digest()))
/// #     }
/// #     fn diff_ids(&self, _: &Location) -> Result<Vec<DiffId>> { Err(Refusal::NoEngine.into()) }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let spool = Spool::in_folder(std::env::temp_dir());
/// # let files = Files::new(spool.clone(), Leftovers::default(), |_| ());
/// # let places = Layouts { files, folder: folder.path().to_owned() };
/// let session = Session::new(places, spool);
/// let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
/// let recipients = vec![Recipient::age(recipient)?];
/// let encryption = ToRecipients::new(recipients, None, Compression::Gzip, History::Scrub);
/// let to = "registry.example/app:1".parse()?;
/// let written = push(&session, &PushOptions {
///     from: &"oci:tests/data/plain:1".parse()?,
///     to: &to,
///     encrypting: Some(Encrypting { encryption: &encryption, selection: &Selection::All }),
///     platform: None,
///     reuse: Reuse::Nothing,
///     attestations: Attestations::Drop,
///     exposure: Exposure::Refuse,
/// })?;
/// println!("registry.example/app:1@{}", written.descriptor().digest);
/// # let location = &Location::Registry(to);
/// # let options = InspectOptions { location, platform: None, unbound: Unbound::Accept };
/// # assert!(inspect(&session, &options, &Keys::default())?.encrypted.is_some());
/// # Ok(())
/// # }
/// ```
pub fn push(session: &Session, options: &PushOptions<'_>) -> Result<Written> {
    let push = Push::new(session, options)?;
    match push.plan()? {
        Plan::Whole(source, index) => push.index(&source, &index),
        Plan::One(planned) => push.image(planned),
    }
}

/// A push, with its knowledge of earlier ones.
struct Push<'a> {
    session: &'a Session,
    options: &'a PushOptions<'a>,
    to: Location,
    earlier: Option<Earlier<'a>>,
    /// The target, once the source has been read.
    sink: OnceCell<Arc<dyn Sink>>,
}

/// The plan of a push.
enum Plan {
    /// One image.
    One(Planned),
    /// Every image of the index in a source.
    Whole(Arc<dyn Source>, Box<Index>),
}

/// One image to push.
struct Planned {
    /// The source and the image, if they had to be read to know the diff IDs.
    read: Option<Box<(Arc<dyn Source>, Pushable)>>,
    diff_ids: Vec<DiffId>,
}

impl<'a> Push<'a> {
    fn new(session: &'a Session, options: &'a PushOptions<'a>) -> Result<Self> {
        let earlier = match (options.encrypting, options.reuse) {
            (Some(encrypting), Reuse::Of { doubts, .. }) => {
                Some(Earlier::read(session, encrypting.encryption, options.to, doubts)?)
            }
            _ => None,
        };
        let to = Location::Registry(options.to.clone());
        Ok(Self { session, options, to, earlier, sink: OnceCell::new() })
    }

    fn sink(&self) -> Result<&dyn Sink> {
        if let Some(sink) = self.sink.get() {
            return Ok(&**sink);
        }
        let sink = self.session.places.sink(&self.to)?;
        Ok(&**self.sink.get_or_init(|| sink))
    }

    /// Finds out what to push. An engine tells the diff IDs before it exports, so that it can leave out
    /// layers. Other sources are read now, so that mistakes in the options show first.
    fn plan(&self) -> Result<Plan> {
        let PushOptions { from, platform, .. } = *self.options;
        if self.earlier.is_some() && matches!(from, Location::DockerDaemon(_)) {
            let diff_ids = self.session.places.diff_ids(from)?;
            return Ok(Plan::One(Planned { read: None, diff_ids }));
        }
        let (source, artifact) = self.open(&Skipped::default())?;
        if let Some(index) = whole(&artifact, platform, &self.to) {
            return Ok(Plan::Whole(source, Box::new(index.clone())));
        }
        let pushable = Pushable::of(artifact, &source, platform)?;
        if let Some(Encrypting { selection, .. }) = self.options.encrypting {
            choose(&pushable.image, selection)?;
        }
        let diff_ids = Config::parse(&pushable.image.config)?.diff_ids().to_vec();
        Ok(Plan::One(Planned { read: Some(Box::new((source, pushable))), diff_ids }))
    }

    /// Opens the source, without the parts that are `skipped`.
    fn open(&self, skipped: &Skipped) -> Result<(Arc<dyn Source>, Artifact)> {
        let transfer = &self.session.transfer;
        let form = match self.options.encrypting {
            Some(encrypting) => export_form(encrypting.encryption, transfer, skipped),
            None => ExportForm::Packed { packing: Packing::gzip(&transfer.compressor), skipped },
        };
        let source = self.session.places.source(self.options.from, form)?;
        let artifact = Artifact::read(&source)?;
        Ok((source, artifact))
    }

    /// Reads the image to push, without the layers that were pushed before.
    fn read(&self, pushed: &Pushed) -> Result<(Arc<dyn Source>, Pushable)> {
        let (source, artifact) = self.open(&skipped(pushed))?;
        let pushable = Pushable::of(artifact, &source, self.options.platform)?;
        Ok((source, pushable))
    }

    /// Returns the layers of earlier pushes that need not be sent again.
    fn find(&self, platform: Option<&Platform>, diff_ids: &[DiffId]) -> Result<Pushed> {
        match (&self.earlier, self.options.reuse) {
            (Some(earlier), Reuse::Of { images, .. }) => {
                let images = [self.options.to].into_iter().chain(images).collect();
                earlier.find(&Search { images, platform, diff_ids }, self.sink()?)
            }
            _ => Ok(Pushed::default()),
        }
    }

    /// Pushes one image.
    fn image(&self, planned: Planned) -> Result<Written> {
        let Some(encrypting) = self.options.encrypting else {
            let (source, pushable) = match planned.read {
                Some(read) => *read,
                None => self.read(&Pushed::default())?,
            };
            return self.in_clear(&source, &pushable);
        };
        let mut pushed = self.find(self.options.platform, &planned.diff_ids)?;
        let (mut source, mut pushable) = match planned.read {
            Some(read) => *read,
            None => self.read(&pushed)?,
        };
        let Encrypting { encryption, selection } = encrypting;
        let encryptor = encryptor(self.session, encryption, &pushable.image, selection)?;
        let changed = encryptor.changed(&pushed, &pushable.image);
        if !changed.is_empty() {
            pushed.forget(&changed);
            (source, pushable) = self.read(&pushed)?;
        }
        pushable.tell_dropped(self.session, self.options);
        let platform = self.options.platform;
        let unsealed = self.put(encryptor, pushed, pushable.image.clone(), platform)?;
        let (descriptor, unsealed, image) = self.seal(&source, &pushable, unsealed)?;
        self.tell_left_behind();
        self.remember(&unsealed, &image, &descriptor);
        Ok(Written::Image(descriptor, Box::new(image)))
    }

    /// Puts the encrypted layers of an image. Layers of earlier pushes stay as they are.
    fn put(
        &self,
        mut encryptor: Box<dyn ImageEncryptor>,
        pushed: Pushed,
        image: Image,
        platform: Option<&Platform>,
    ) -> Result<Unsealed> {
        encryptor.reuse(pushed);
        self.refuse_to_expose(&image, platform, Some(&*encryptor))?;
        let layers = self.session.put_encrypted(&image, &*encryptor, self.sink()?)?;
        Ok(Unsealed { encryptor, image, layers })
    }

    /// Seals an image whose layers are put, and gives it its name; with its attestations, if they are kept.
    fn seal(
        &self,
        source: &Arc<dyn Source>,
        pushable: &Pushable,
        unsealed: Unsealed,
    ) -> Result<(Descriptor, Unsealed, Image)> {
        let (session, sink, home) = (self.session, self.sink()?, home_of(&self.to));
        if self.options.attestations == Attestations::Drop || pushable.attestations.is_empty() {
            let image = unsealed.seal(session, &Sealing { table: None, home })?;
            return Ok((session.commit(&image, sink)?, unsealed, image.into_image()));
        }
        let sealing = IndexSealing { session, source, sink, home };
        let (index, mut unsealed) = (pushable.with_attestations()?, Some(unsealed));
        let sealed = sealing.put(&index, index.media_type(), Remarks::default(), |_, _| {
            Ok(match unsealed.take() {
                Some(unsealed) => Part::Unsealed(Box::new(unsealed)),
                None => Part::Attestation,
            })
        })?;
        let written = session.commit_index(&sealed.index, sink)?;
        let (unsealed, image) = sealed.images.into_iter().next().expect("one was put");
        Ok((written, unsealed, image))
    }

    /// Pushes one image as it is.
    fn in_clear(&self, source: &Arc<dyn Source>, pushable: &Pushable) -> Result<Written> {
        let (session, sink) = (self.session, self.sink()?);
        pushable.tell_dropped(session, self.options);
        self.refuse_to_expose(&pushable.image, self.options.platform, None)?;
        let image = Outgoing::as_read(pushable.image.clone(), NoKeys::given());
        let image = session.put_plain(&image, Prefetch::default(), sink)?;
        let keeps = self.options.attestations == Attestations::Keep;
        let written = if keeps && !pushable.attestations.is_empty() {
            let index = pushable.put_beside_attestations(session, source, image.clone(), sink)?;
            session.commit_index(&index, sink)?
        } else {
            session.commit(&image, sink)?
        };
        Ok(Written::Image(written, Box::new(image.into_image())))
    }

    /// Refuses to push a layer in clear that is known to be private.
    fn refuse_to_expose(
        &self,
        image: &Image,
        platform: Option<&Platform>,
        encryptor: Option<&dyn ImageEncryptor>,
    ) -> Result<()> {
        let encrypts = |place| encryptor.is_some_and(|encryptor| encryptor.encrypts(place));
        if self.options.exposure == Exposure::Allow || (0..image.layers.len()).all(encrypts) {
            return Ok(());
        }
        let private = match encryptor {
            // Only the passphrase shows which layers of such an image are private: the search has opened it.
            Some(encryptor) if encryptor.encrypts_config() && self.earlier.is_some() => {
                let mut private = Private::known(self.session, None, platform, None)?;
                private.add(encryptor.reusable().private());
                private
            }
            _ => {
                let encrypting = self.options.encrypting;
                let passphrase = encrypting.and_then(|it| it.encryption.passphrase());
                Private::known(self.session, Some(self.options.to), platform, passphrase)?
            }
        };
        private.refuse_to_expose(image, encrypts)
    }

    fn tell_left_behind(&self) {
        if let Some(left) = LeftBehind::of(self.options.from, &self.to) {
            self.session.notice(Notice::LeftBehind(left));
        }
    }

    /// Remembers an image that was pushed.
    fn remember(&self, unsealed: &Unsealed, stored: &Image, written: &Descriptor) {
        if let Some(earlier) = &self.earlier {
            let layers = unsealed.encryptor.pushed(stored);
            earlier.remember(&layers, &unsealed.image.config, written.digest);
        }
    }
}
