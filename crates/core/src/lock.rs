//! `lock` and `unlock`: from an image to one that opens itself when it starts, and back.

use std::collections::BTreeSet;

use sealcrate_crypt::formats::choose;
use sealcrate_crypt::select::Selection;
use sealcrate_image::{
    Artifact, Config, DiffId, EngineName, Image, Location, Outgoing, Platform, Prefetch,
};
use sealcrate_lock::{FoundBy, Locked, LockedImage, Locker, Opener, Reusable};
use sealcrate_pack::Key;

use crate::copy::{Publication, source_for};
use crate::error::{Error, ErrorSource, Refusal};
use crate::index::Attestations;
use crate::index::children::{put, whole};
use crate::listener::Notice;
use crate::private::{Exposure, Private};
use crate::session::Session;
use crate::{Result, Written};

/// The options of locking.
pub struct LockOptions<'a> {
    /// The place of the image.
    pub from: &'a Location,
    /// The place that it goes to.
    pub to: &'a Location,
    /// The platform to lock of an index; `None` for all of it, if `to` can hold an index.
    pub platform: Option<&'a Platform>,
    /// The layers to lock.
    pub selection: &'a Selection,
    /// How to lock an image.
    pub locker: Locker<'a>,
    /// Earlier locked images, whose private layers need not be encrypted again.
    pub earlier: &'a [Location],
    /// The identities that open earlier locked images to recipients.
    pub identities: Option<&'a Key>,
    /// The treatment of layers that were private before and would be in clear.
    pub exposure: Exposure,
}

/// Locks an image, or every image of an index. `each` takes every locked image before the image is written.
///
/// # Errors
/// The image cannot be read, locked or written; errors of `each`.
///
/// # Example
/// ```
/// use sealcrate_core::{Direct, Exposure, LockOptions, Session, lock};
/// use sealcrate_crypt::select::Selection;
/// use sealcrate_image::registry::Access;
/// use sealcrate_image::{Quiet, Spool};
/// use sealcrate_lock::{Locker, PathRules, Start, UnlockOn};
/// use sealcrate_pack::{DEFAULT_WORK_FACTOR, Openers};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let place = |name: &str| format!("oci:{}:{name}", folder.path().display()).parse();
/// let spool = Spool::in_folder(std::env::temp_dir());
/// let session = Session::new(Direct::new(spool.clone(), |_| Access::default()), spool);
/// let protection = Openers::passphrase(b"a long passphrase", DEFAULT_WORK_FACTOR)?;
/// lock(&session, &LockOptions {
///     from: &"oci:tests/data/plain:1".parse()?,
///     to: &place("locked")?,
///     platform: None,
///     selection: &Selection::Indices(vec![1]),
///     locker: Locker {
///         start: Start { variable: "KEY", key_file: b"/run/secrets/key", banner: b"" },
///         protection: &protection,
///         rules: PathRules::default(),
///         dropped_volumes: Vec::new(),
///         unlock_on: UnlockOn::Memory,
///         spool: session.spool(),
///         progress: &Quiet,
///     },
///     earlier: &[],
///     identities: None,
///     exposure: Exposure::Refuse,
/// }, &mut |_locked| Ok(()))?;
/// # Ok(())
/// # }
/// ```
pub fn lock(
    session: &Session,
    options: &LockOptions<'_>,
    each: &mut dyn FnMut(&Locked) -> Result<(), ErrorSource>,
) -> Result<Written> {
    let LockOptions { from, to, platform, .. } = *options;
    let source = source_for(session, from, to)?;
    let artifact = Artifact::read(&source)?;
    let Some(index) = whole(&artifact, platform, to) else {
        let image = artifact.into_image(&source, platform)?;
        let locked = options.lock(session, &image)?;
        each(&locked).map_err(Error::Caller)?;
        return write(session, &locked.image, to);
    };
    if matches!(options.selection, Selection::Above(_)) {
        return Err(Refusal::BaseOfIndex.into());
    }
    let sink = session.places.sink(to)?;
    let lock = |image: Image| {
        let platform = Config::parse(&image.config)?.platform();
        let of_platform = |error| match &platform {
            Some(platform) => Error::Child(platform.to_string(), Box::new(error)),
            None => error,
        };
        let locked = options.lock(session, &image).map_err(of_platform)?;
        each(&locked).map_err(Error::Caller)?;
        session.put_plain(&locked.image, Prefetch::default(), &*sink)
    };
    let index = put(session, &source, index, &*sink, Attestations::Drop, lock)?;
    Ok(Written::Index(session.commit_index(&index, &*sink)?))
}

impl LockOptions<'_> {
    /// Locks one image.
    fn lock(&self, session: &Session, image: &Image) -> Result<Locked> {
        let image = &session.bounded(image.clone());
        let chosen = choose(image, self.selection)?;
        let private = chosen.places();
        self.refuse_to_expose(session, image, private)?;
        let reusable = self.reusable(session, image, private)?;
        self.locker
            .lock(image, private, &reusable)
            .map_err(|error| cannot("lock", self.from, error))
    }

    /// Refuses to push a layer in clear that is known to be private; `private` are the places of the layers
    /// that are encrypted.
    fn refuse_to_expose(
        &self,
        session: &Session,
        image: &Image,
        private: &BTreeSet<usize>,
    ) -> Result<()> {
        let encrypts = |place| private.contains(&place);
        let Location::Registry(target) = self.to else { return Ok(()) };
        if self.exposure == Exposure::Allow || (0..image.layers.len()).all(encrypts) {
            return Ok(());
        }
        let platform = Config::parse(&image.config)?.platform();
        let known = Private::known(session, Some(target), platform.as_ref(), None)?;
        known.refuse_to_expose(image, encrypts)
    }

    /// Returns those layers of `image`, among the ones at the places `private`, that an earlier locked image
    /// has. An earlier image that cannot be used is told and passed over.
    fn reusable(
        &self,
        session: &Session,
        image: &Image,
        private: &BTreeSet<usize>,
    ) -> Result<Reusable> {
        let mut reusable = Reusable::default();
        if self.earlier.is_empty() {
            return Ok(reusable);
        }
        let config = Config::parse(&image.config)?;
        let diff_ids = config.diff_ids().iter().copied().enumerate();
        let wanted = diff_ids.filter(|(place, _)| private.contains(place));
        let wanted: BTreeSet<DiffId> = wanted.map(|(_, diff_id)| diff_id).collect();
        for location in self.earlier {
            if let Err(error) = self.add(session, &mut reusable, location, &config, &wanted) {
                let location = location.to_string();
                session.notice(Notice::EarlierUnusable { location, error: Box::new(error) });
            }
        }
        Ok(reusable)
    }

    fn add(
        &self,
        session: &Session,
        reusable: &mut Reusable,
        location: &Location,
        config: &Config,
        wanted: &BTreeSet<DiffId>,
    ) -> Result<()> {
        // As it comes: a layer that is used again has the bytes that it had.
        let source = source_for(session, location, location)?;
        let earlier = Artifact::read(&source)?.into_image(&source, config.platform().as_ref())?;
        let no_source = |error| Error::Place {
            action: "use layers of",
            location: location.to_string(),
            source: ErrorSource::from(error),
        };
        let earlier = LockedImage::read(session.bounded(earlier)).map_err(no_source)?;
        let opener = Opener { protection: self.locker.protection, identities: self.identities };
        reusable
            .add(&earlier, found_by(location), opener, wanted, session.spool())
            .map_err(|error| Error::Caller(error.into()))
    }
}

/// The options of unlocking.
pub struct UnlockOptions<'a> {
    /// The place of the locked image.
    pub from: &'a Location,
    /// The place that the original goes to.
    pub to: &'a Location,
    /// The platform to unlock of an index; `None` for all of it, if `to` can hold an index.
    pub platform: Option<&'a Platform>,
    /// The treatment of originals that would be published.
    pub publication: Publication,
}

/// Unlocks an image, or every image of an index. `key` returns the key for the first image.
///
/// # Errors
/// The image cannot be read, unlocked or written; errors of `key`.
///
/// # Example
/// ```
/// use sealcrate_core::{Direct, Publication, Session, UnlockOptions, unlock};
/// use sealcrate_image::Spool;
/// use sealcrate_image::registry::Access;
/// use sealcrate_pack::Key;
/// # use sealcrate_core::{Exposure, LockOptions, lock};
/// # use sealcrate_crypt::select::Selection;
/// # use sealcrate_image::Quiet;
/// # use sealcrate_lock::{Locker, PathRules, Start, UnlockOn};
/// # use sealcrate_pack::{DEFAULT_WORK_FACTOR, Openers};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let place = |name: &str| format!("oci:{}:{name}", folder.path().display()).parse();
/// let spool = Spool::in_folder(std::env::temp_dir());
/// let session = Session::new(Direct::new(spool.clone(), |_| Access::default()), spool);
/// # let protection = Openers::passphrase(b"a long passphrase", DEFAULT_WORK_FACTOR)?;
/// # lock(&session, &LockOptions {
/// #     from: &"oci:tests/data/plain:1".parse()?,
/// #     to: &place("locked")?,
/// #     platform: None,
/// #     selection: &Selection::Indices(vec![1]),
/// #     locker: Locker {
/// #         start: Start { variable: "KEY", key_file: b"/run/secrets/key", banner: b"" },
/// #         protection: &protection,
/// #         rules: PathRules::default(),
/// #         dropped_volumes: Vec::new(),
/// #         unlock_on: UnlockOn::Memory,
/// #         spool: session.spool(),
/// #         progress: &Quiet,
/// #     },
/// #     earlier: &[],
/// #     identities: None,
/// #     exposure: Exposure::Refuse,
/// # }, &mut |_locked| Ok(()))?;
/// unlock(&session, &UnlockOptions {
///     from: &place("locked")?,
///     to: &place("original")?,
///     platform: None,
///     publication: Publication::Refuse,
/// }, &|_locked| Ok(Key::parse(b"a long passphrase".to_vec().into())?))?;
/// # Ok(())
/// # }
/// ```
pub fn unlock(
    session: &Session,
    options: &UnlockOptions<'_>,
    key: &dyn Fn(&LockedImage) -> Result<Key, ErrorSource>,
) -> Result<Written> {
    let UnlockOptions { from, to, platform, publication } = *options;
    if publication == Publication::Refuse && matches!(to, Location::Registry(_)) {
        return Err(Refusal::PublishesUnlocked.into());
    }
    let source = source_for(session, from, to)?;
    let artifact = Artifact::read(&source)?;
    let mut found: Option<Key> = None;
    let mut unlock = |image: Image| {
        let read = LockedImage::read(session.bounded(image));
        let locked = read.map_err(|error| cannot("unlock", from, error))?;
        let key = match &found {
            Some(key) => key,
            None => found.insert(key(&locked).map_err(Error::Caller)?),
        };
        locked.unlock(key, session.spool()).map_err(|error| cannot("unlock", from, error))
    };
    let Some(index) = whole(&artifact, platform, to) else {
        let image = unlock(artifact.into_image(&source, platform)?)?;
        return write(session, &image, to);
    };
    let sink = session.places.sink(to)?;
    let unlock = |image| session.put_plain(&unlock(image)?, Prefetch::default(), &*sink);
    let index = put(session, &source, index, &*sink, Attestations::Keep, unlock)?;
    Ok(Written::Index(session.commit_index(&index, &*sink)?))
}

/// Writes an image.
fn write(session: &Session, image: &Outgoing, to: &Location) -> Result<Written> {
    let sink = session.places.sink(to)?;
    let image = session.put_plain(image, Prefetch::default(), &*sink)?;
    let descriptor = session.commit(&image, &*sink)?;
    Ok(Written::Image(descriptor, Box::new(image.into_image())))
}

fn cannot(action: &'static str, location: &Location, source: impl Into<ErrorSource>) -> Error {
    Error::Place { action, location: location.to_string(), source: source.into() }
}

/// Tells whether a location names an image by its digest.
fn found_by(location: &Location) -> FoundBy {
    /// The length of a whole SHA-256 in hexadecimal.
    const DIGITS: usize = 64;
    let is_digest = match location {
        Location::Registry(reference) => reference.digest().is_some(),
        Location::DockerDaemon(EngineName::Id(id)) => {
            id.strip_prefix("sha256:").unwrap_or(id).len() == DIGITS
        }
        _ => false,
    };
    if is_digest { FoundBy::Digest } else { FoundBy::Name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_digests_alone_say_what_an_image_is() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let found = |text: String| found_by(&text.parse().unwrap());
        for text in [
            format!("docker://app@{digest}"),
            format!("docker://app:1@{digest}"),
            format!("docker-daemon:{digest}"),
        ] {
            assert_eq!(found(text.clone()), FoundBy::Digest, "{text}");
        }
        for text in [
            "docker://app:1".to_owned(),
            "docker-daemon:app:1".to_owned(),
            "docker-daemon:sha256:e3b0c44298fc".to_owned(),
            "oci:folder:1".to_owned(),
        ] {
            assert_eq!(found(text.clone()), FoundBy::Name, "{text}");
        }
    }
}
