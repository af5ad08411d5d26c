//! `pull`: an image or an index out of a registry, decrypted into an engine or elsewhere.

use std::sync::Arc;

use sealcrate_crypt::format::{Keys, Terms};
use sealcrate_crypt::formats::recognise;
use sealcrate_crypt::{Passphrase, Unencrypted};
use sealcrate_image::{Artifact, Config, Image, Index, Location, Platform, Source};

use crate::copy::{
    Publication, Reading, copy_index, decrypt_index, read_into, refuse_unmet, source_for,
};
use crate::error::{Error, ErrorSource};
use crate::index::Attestations;
use crate::index::children::whole;
use crate::index::chosen::Chosen;
use crate::session::Session;
use crate::{Result, Written};

/// The options of a pull.
pub struct PullOptions<'a> {
    /// The place of the image: a registry, or another place that stores manifests.
    pub from: &'a Location,
    /// The place that it goes to.
    pub to: &'a Location,
    /// Asks for the passphrase of an image that is encrypted under one, if there are no keys.
    pub ask: &'a dyn Fn() -> Result<Passphrase, ErrorSource>,
    /// The images to accept.
    pub terms: &'a Terms,
    /// The platform to pull of an index; `None` for all of it, if `to` can hold an index.
    pub platform: Option<&'a Platform>,
    /// The treatment of attestations.
    pub attestations: Attestations,
    /// The treatment of decrypted images that would be published.
    pub publication: Publication,
}

/// Pulls an image or an index. If the image takes a passphrase and there are no `keys`, they get the
/// passphrase that the caller is asked for.
///
/// # Errors
/// The image cannot be read, opened or written; it is not encrypted, and the terms refuse that; the pull
/// would publish it.
///
/// # Example
/// A layout takes the place of the registry, so that this example needs no network.
/// ```
/// use sealcrate_core::{Attestations, Direct, Publication, PullOptions, Session, pull};
/// use sealcrate_crypt::format::{Keys, Terms};
/// use sealcrate_crypt::sealed::Unbound;
/// use sealcrate_crypt::{Passphrase, Unencrypted};
/// use sealcrate_image::Spool;
/// use sealcrate_image::registry::Access;
/// # use sealcrate_core::{CopyEncryption, CopyOptions, Exposure, copy};
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
/// let written = pull(&session, &PullOptions {
///     from: &place("private")?,
///     to: &place("readable")?,
///     ask: &|| Ok(Passphrase::new(b"hush".to_vec().into())?),
///     terms: &Terms::anywhere(Unencrypted::Refuse, Unbound::Accept),
///     platform: None,
///     attestations: Attestations::Drop,
///     publication: Publication::Refuse,
/// }, &mut Keys::default())?;
/// println!("{}", written.descriptor().digest);
/// # Ok(())
/// # }
/// ```
pub fn pull(session: &Session, options: &PullOptions<'_>, keys: &mut Keys) -> Result<Written> {
    let PullOptions { from, to, terms, platform, .. } = *options;
    if keys.is_any() {
        options.publication.check(to)?;
    }
    let source = source_for(session, from, to)?;
    let artifact = Artifact::read(&source)?;
    let reading = Reading { from, to, terms };
    if let (Some(index), Artifact::Index { raw, .. }) = (whole(&artifact, platform, to), &artifact)
    {
        options.find_keys_of_index(&source, index, keys)?;
        let written = match keys.absent() {
            None => decrypt_index(session, &source, index, &reading, keys, options.attestations)?,
            Some(no_keys) => {
                let first = index.images().next().map(|child| Artifact::child(&source, child));
                if let Some(Artifact::Image(image)) = first.transpose()? {
                    options.refuse_plain(&image)?;
                }
                copy_index(session, &source, raw, index, to, no_keys)?
            }
        };
        return Ok(Written::Index(written));
    }
    let chosen = Chosen::to_open(artifact, &source, platform, keys, terms)?;
    options.find_keys(&chosen.image, keys)?;
    if !keys.is_any() {
        options.refuse_plain(&chosen.image)?;
        refuse_unmet(keys, terms)?;
    }
    read_into(session, &source, &reading, chosen, keys)
}

impl PullOptions<'_> {
    /// Finds the keys of the first encrypted image of an index.
    fn find_keys_of_index(
        &self,
        source: &Arc<dyn Source>,
        index: &Index,
        keys: &mut Keys,
    ) -> Result<()> {
        for child in index.images() {
            if keys.is_any() {
                break;
            }
            let image = Artifact::child(source, child)?.into_image(source, None)?;
            self.find_keys(&image, keys)?;
        }
        Ok(refuse_unmet(keys, self.terms)?)
    }

    /// Finds the keys of an image that is encrypted, if there are none.
    fn find_keys(&self, image: &Image, keys: &mut Keys) -> Result<()> {
        if keys.is_any() {
            return Ok(());
        }
        match recognise(image)? {
            Some(encrypted) if encrypted.takes_passphrase() => {
                self.publication.check(self.to)?;
                keys.take((self.ask)().map_err(Error::Caller)?);
                Ok(())
            }
            Some(_) => Err(Error::MissingIdentity),
            None => Ok(()),
        }
    }

    /// Refuses an image that is not encrypted, before any layer of it is fetched. A stranger may have put it
    /// in the place of an encrypted one, for which the user would have been asked for a key.
    fn refuse_plain(&self, image: &Image) -> Result<()> {
        match self.terms.unencrypted {
            Unencrypted::Accept => Ok(()),
            Unencrypted::Refuse if sealcrate_lock::is_locked(&Config::parse(&image.config)?) => {
                Err(Error::LockedImage)
            }
            Unencrypted::Refuse => Err(Error::PlainImage),
        }
    }
}
