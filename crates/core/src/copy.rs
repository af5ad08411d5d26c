//! `copy`: an image or an index from anywhere to anywhere; as it is, decrypted, encrypted, or encrypted
//! anew.

mod encrypting;
mod options;
mod reading;

use std::sync::Arc;

use sealcrate_crypt::format::{Keys, Terms};
use sealcrate_crypt::formats::recognise;
use sealcrate_crypt::sealed::Sealing;
use sealcrate_image::engine::{ExportForm, Skipped};
use sealcrate_image::{Artifact, Index, Location, Packing, Source};

use crate::encrypting::export_form;
use crate::error::Refusal;
use crate::index::children::holds_indexes;
use crate::index::chosen::Chosen;
use crate::left_behind::LeftBehind;
use crate::listener::Notice;
use crate::opening::home_of;
use crate::session::Session;
use crate::{Result, Written};

use encrypting::Encrypting;
pub use options::{CopyEncryption, CopyOptions, Publication};
pub(crate) use reading::{Reading, copy_index, decrypt_index, read_into};

/// Copies an image or an index.
///
/// # Errors
/// The image cannot be read, opened, encrypted or written; the copy would publish or expose private parts.
///
/// # Example
/// ```
/// use sealcrate_core::{Attestations, CopyEncryption, CopyOptions, Direct, Exposure, Publication, Session, copy};
/// use sealcrate_crypt::Unencrypted;
/// use sealcrate_crypt::format::{Keys, Terms};
/// use sealcrate_crypt::ocicrypt::{History, Recipient, ToRecipients};
/// use sealcrate_crypt::sealed::Unbound;
/// use sealcrate_crypt::select::Selection;
/// use sealcrate_image::registry::Access;
/// use sealcrate_image::{Compression, Spool};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let place = |name: &str| format!("oci:{}:{name}", folder.path().display()).parse();
/// let spool = Spool::in_folder(std::env::temp_dir());
/// let session = Session::new(Direct::new(spool.clone(), |_| Access::default()), spool);
/// let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
/// let recipients = vec![Recipient::age(recipient)?];
/// let encryption = ToRecipients::new(recipients, None, Compression::Gzip, History::Scrub);
/// let written = copy(&session, &CopyOptions {
///     from: &"oci:tests/data/plain:1".parse()?,
///     to: &place("private")?,
///     keys: &Keys::default(),
///     terms: &Terms::anywhere(Unencrypted::Refuse, Unbound::Accept),
///     platform: None,
///     attestations: Attestations::Drop,
///     encrypting: Some(CopyEncryption {
///         encryption: &encryption,
///         selection: Some(&Selection::All),
///         exposure: Exposure::Refuse,
///     }),
///     publication: Publication::Refuse,
/// })?;
/// println!("{}", written.descriptor().digest);
/// # Ok(())
/// # }
/// ```
pub fn copy(session: &Session, options: &CopyOptions<'_>) -> Result<Written> {
    let CopyOptions { from, to, keys, terms, encrypting, .. } = *options;
    refuse_unmet(keys, terms)?;
    if encrypting.is_none() && keys.is_any() {
        options.publication.check(to)?;
    }
    let source = open_source(session, options)?;
    let artifact = Artifact::read(&source)?;
    if encrypting.is_none() && !keys.is_any() && is_encrypted(&source, &artifact)? {
        tell_another_home(session, from, to);
    }
    let stays_as_it_is = encrypting.is_none() && !keys.is_any();
    let written = match (&artifact, options.platform) {
        (Artifact::Index { index, .. }, None)
            if holds_indexes(to) && (index.images().nth(1).is_some() || stays_as_it_is) =>
        {
            copy_whole(session, options, &source, &artifact, index)?
        }
        _ => copy_one(session, options, &source, artifact)?,
    };
    if encrypting.is_some()
        && !keys.is_any()
        && let Some(left) = LeftBehind::of(from, to)
    {
        session.notice(Notice::LeftBehind(left));
    }
    Ok(written)
}

/// Opens the source, whose layers will be encrypted or go to the destination.
fn open_source(session: &Session, options: &CopyOptions<'_>) -> Result<Arc<dyn Source>> {
    match options.encrypting {
        Some(CopyEncryption { encryption, .. }) => {
            let skipped = Skipped::default();
            let form = export_form(encryption, &session.transfer, &skipped);
            session.places.source(options.from, form)
        }
        None => source_for(session, options.from, options.to),
    }
}

/// Opens `from`, whose layers will go to `to`. If `to` wants compressed layers, an engine's layers are
/// compressed on their way out of it.
pub(crate) fn source_for(
    session: &Session,
    from: &Location,
    to: &Location,
) -> Result<Arc<dyn Source>> {
    let skipped = &Skipped::default();
    let form = match to {
        Location::DockerArchive { .. } | Location::DockerDaemon(_) => ExportForm::AsTheyCome,
        Location::OciArchive { .. } | Location::OciLayout { .. } | Location::Registry(_) => {
            ExportForm::Packed { packing: Packing::gzip(&session.transfer.compressor), skipped }
        }
    };
    session.places.source(from, form)
}

/// Copies every image of an index.
fn copy_whole(
    session: &Session,
    options: &CopyOptions<'_>,
    source: &Arc<dyn Source>,
    artifact: &Artifact,
    index: &Index,
) -> Result<Written> {
    let CopyOptions { from, to, keys, terms, .. } = *options;
    let reading = Reading { from, to, terms };
    let written = match (options.encrypting, keys.absent(), artifact) {
        (Some(encryption), ..) => {
            Encrypting { session, options, encryption }.index(source, index)?
        }
        (None, Some(no_keys), Artifact::Index { raw, .. }) => {
            copy_index(session, source, raw, index, to, no_keys)?
        }
        (None, ..) => decrypt_index(session, source, index, &reading, keys, options.attestations)?,
    };
    Ok(Written::Index(written))
}

/// Copies one image.
fn copy_one(
    session: &Session,
    options: &CopyOptions<'_>,
    source: &Arc<dyn Source>,
    artifact: Artifact,
) -> Result<Written> {
    let CopyOptions { from, to, keys, terms, platform, .. } = *options;
    let chosen = Chosen::to_open(artifact, source, platform, keys, terms)?;
    let Some(encryption) = options.encrypting else {
        let reading = Reading { from, to, terms };
        return read_into(session, source, &reading, chosen, keys);
    };
    let sink = session.places.sink(to)?;
    let unsealed = Encrypting { session, options, encryption }.chosen(source, &chosen, &*sink)?;
    let image = unsealed.seal(session, &Sealing { table: None, home: home_of(to) })?;
    let written = session.commit(&image, &*sink)?;
    Ok(Written::Image(written, Box::new(image.into_image())))
}

/// Refuses a demand that nothing can meet: without a key, nobody sees the binding of an image.
pub(crate) fn refuse_unmet(keys: &Keys, terms: &Terms) -> Result<(), Refusal> {
    use sealcrate_crypt::sealed::Unbound;
    match terms.unbound {
        Unbound::Refuse | Unbound::RefuseVersion1 if !keys.is_any() => {
            Err(Refusal::BindingWithoutKey)
        }
        _ => Ok(()),
    }
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

/// Gives notice of an image that is copied as it is and keeps its home, if `pull` would refuse it for that.
fn tell_another_home(session: &Session, from: &Location, to: &Location) {
    if let (Some(home), Some(place)) = (home_of(from), home_of(to))
        && !home.is_reached_by(&place)
    {
        session.notice(Notice::KeepsHome { home: home.to_string(), place: place.to_string() });
    }
}
