//! The image that the command chooses of an artifact, and the index that it chose the image from.

use std::sync::Arc;

use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::format::{Keys, Opened, Terms};
use sealcrate_crypt::formats::{OpenError, recognise};
use sealcrate_crypt::sealed::{RowKind, Unbound};
use sealcrate_image::{
    Artifact, Config, Descriptor, Image, Index, IndexError, Outgoing, Platform, ReadError, Source,
};

use crate::Result;
use crate::error::Error;
use crate::listener::Notice;
use crate::opening::open;
use crate::session::Session;

/// How many indexes may lie within each other.
const MAX_NESTING: usize = 5;

/// One image, and the index that it was chosen from, if it was.
pub(crate) struct Chosen {
    pub image: Image,
    pub listed: Option<Listed>,
}

/// The index that an image was chosen from, and its entry.
pub struct Listed {
    /// The index.
    pub index: Index,
    /// The entry.
    pub child: Descriptor,
    /// The entries of the indexes around that one, outermost first.
    outer: Vec<Descriptor>,
}

impl Listed {
    /// Takes a child of an index that lies within no other.
    pub fn new(index: Index, child: Descriptor) -> Self {
        Self { index, child, outer: Vec::new() }
    }
}

impl Chosen {
    /// Chooses the image for `platform` out of `artifact`, which `source` holds.
    ///
    /// # Errors
    /// No image for the platform; indexes that lie within each other, too deep; a medium that cannot be read.
    pub(crate) fn of(
        artifact: Artifact,
        source: &Arc<dyn Source>,
        platform: Option<&Platform>,
    ) -> Result<Self> {
        let Artifact::Index { mut index, .. } = artifact else {
            let image = artifact.into_image(source, platform)?;
            return Ok(Self { image, listed: None });
        };
        let mut outer = Vec::new();
        for _ in 0..MAX_NESTING {
            let child = index.child(platform)?.clone();
            match Artifact::child(source, &child)? {
                Artifact::Image(image) => {
                    return Ok(Self { image, listed: Some(Listed { index, child, outer }) });
                }
                Artifact::Index { index: inner, .. } => {
                    outer.push(child);
                    index = inner;
                }
            }
        }
        Err(ReadError::TooDeep.into())
    }

    /// Chooses as [`of`](Self::of) does, for `keys`.
    ///
    /// # Errors
    /// As [`of`](Self::of). If there is a key, an index without any image counts as not encrypted, unless
    /// `terms` accept plain images.
    pub(crate) fn to_open(
        artifact: Artifact,
        source: &Arc<dyn Source>,
        platform: Option<&Platform>,
        keys: &Keys,
        terms: &Terms,
    ) -> Result<Self> {
        let is_expected = keys.is_any() && terms.unencrypted == Unencrypted::Refuse;
        Self::of(artifact, source, platform).map_err(|error| match error {
            Error::Index(IndexError::Empty) if is_expected => OpenError::NotEncrypted.into(),
            error => error,
        })
    }

    /// Opens the image, and checks the index that it was chosen from against it.
    ///
    /// # Errors
    /// As [`open`]; an index that differs from the sealed one.
    pub(crate) fn open(
        &self,
        session: &Session,
        source: &Arc<dyn Source>,
        keys: &Keys,
        terms: &Terms,
    ) -> Result<Opened> {
        let encrypted = recognise(&self.image)?;
        let (Some(listed), Some(encrypted)) = (&self.listed, &encrypted) else {
            if let (None, Some(listed)) = (&encrypted, &self.listed)
                && listed.is_named_by_another(session, source, keys, terms)?
            {
                return Ok(Opened::unchanged(Outgoing::built(self.image.clone())));
            }
            return open(session, &self.image, keys, terms);
        };
        let opened = open(session, &self.image, keys, terms)?;
        for stated in listed.outer.iter().chain([&listed.child]) {
            check_platform(stated, &opened.image)?;
        }
        let table = opened.record.as_ref().and_then(|record| record.index.as_ref());
        match table {
            Some(table) => {
                let platform = listed.child.platform.as_ref();
                let identity = encrypted.identity(platform);
                table.check_child(&listed.index, &listed.child, RowKind::Image(identity))?;
            }
            None if listed.is_one_of_several() => tell_unbound_index(session, terms)?,
            None => {}
        }
        Ok(opened)
    }
}

impl Listed {
    /// Tells whether the index could have led to another image.
    fn is_one_of_several(&self) -> bool {
        !self.outer.is_empty() || self.index.images().nth(1).is_some()
    }

    /// Tells whether an encrypted image of the same index, which the keys open, seals that this child is in
    /// clear.
    fn is_named_by_another(
        &self,
        session: &Session,
        source: &Arc<dyn Source>,
        keys: &Keys,
        terms: &Terms,
    ) -> Result<bool> {
        for child in self.index.images().filter(|child| child.digest != self.child.digest) {
            let Artifact::Image(image) = Artifact::child(source, child)? else { continue };
            if recognise(&image)?.is_none() {
                continue;
            }
            // Other keys may be for that one.
            let Ok(opened) = open(session, &image, keys, terms) else {
                continue;
            };
            let Some(table) = opened.record.and_then(|record| record.index) else { continue };
            let kind = RowKind::Manifest(self.child.digest);
            return Ok(table.check_child(&self.index, &self.child, kind).is_ok());
        }
        Ok(false)
    }
}

/// Compares the platform that an index states with the image's config.
///
/// # Errors
/// The config names another platform.
pub(crate) fn check_platform(child: &Descriptor, image: &Image) -> Result<()> {
    check_agreement(child, Config::parse(&image.config)?.platform().as_ref())
}

/// Compares the platform that an index states with the image's `own`, if it names one.
///
/// # Errors
/// Another platform.
pub(crate) fn check_agreement(child: &Descriptor, own: Option<&Platform>) -> Result<()> {
    match (&child.platform, own) {
        (Some(stated), Some(own)) if !stated.agrees_with(own) => {
            Err(Error::OtherPlatform { stated: stated.to_string(), own: own.to_string() })
        }
        _ => Ok(()),
    }
}

/// Says that nothing binds the images of an index to each other, or refuses it.
pub(crate) fn tell_unbound_index(session: &Session, terms: &Terms) -> Result<()> {
    if terms.unbound == Unbound::RefuseVersion1 {
        return Err(Error::UnboundIndex);
    }
    session.notice(Notice::UnboundIndex);
    Ok(())
}

/// Refuses a child in clear among encrypted ones.
pub(crate) fn in_clear(child: &Descriptor) -> Error {
    let platform = child.platform.as_ref().map(Platform::to_string).unwrap_or_default();
    let child = format!("child {} {platform}", child.digest.short()).trim_end().to_owned();
    Error::Child(child, Box::new(OpenError::NotEncrypted.into()))
}
