//! Encrypting one image: the choice of layers, and the sealed result.

use sealcrate_crypt::format::{Encryption, ImageEncryptor};
use sealcrate_crypt::formats::choose;
use sealcrate_crypt::ocicrypt::RECORD_ANNOTATION;
use sealcrate_crypt::sealed::{LARGE_ANNOTATION_BYTES, Sealing};
use sealcrate_crypt::select::Selection;
use sealcrate_image::engine::{ExportForm, Skipped};
use sealcrate_image::{Config, Image, Layer, Manifest, Outgoing, Packing, Transfer};

use crate::Result;
use crate::exposure::exposed;
use crate::listener::Notice;
use crate::session::Session;

/// Returns the form in which an engine exports layers for `encryption`, without those that are `skipped`.
pub(crate) fn export_form<'t>(
    encryption: &dyn Encryption,
    transfer: &'t Transfer,
    skipped: &'t Skipped,
) -> ExportForm<'t> {
    let compression = encryption.compression();
    let packing = Packing { compressor: &transfer.compressor, compression };
    ExportForm::Packed { packing, skipped }
}

/// Prepares to encrypt the layers of `image` that `selection` chooses.
///
/// # Errors
/// The selection does not fit the image; the keys cannot be derived.
pub(crate) fn encryptor(
    session: &Session,
    encryption: &dyn Encryption,
    image: &Image,
    selection: &Selection,
) -> Result<Box<dyn ImageEncryptor>> {
    if let Selection::Above(base) = selection {
        session.notice(Notice::BaseStaysClear { clear: base.len(), all: image.layers.len() });
    }
    // A wrong selection fails before the wait for the key.
    Ok(encryption.encryptor(image, choose(image, selection)?)?)
}

/// Returns the encrypted image of `layers`, sealed with `sealing`. Gives notice of secrets that its config
/// still shows.
///
/// # Errors
/// Errors of the encryptor.
pub(crate) fn finish(
    session: &Session,
    encryptor: &dyn ImageEncryptor,
    layers: Vec<Layer>,
    sealing: &Sealing,
) -> Result<Outgoing> {
    let encrypted = encryptor.finish(layers, sealing)?;
    if !encryptor.encrypts_config() {
        tell_large_record(session, &encrypted);
        for exposed in exposed(&Config::parse(&encrypted.config)?) {
            session.notice(Notice::Exposed(exposed));
        }
    }
    Ok(encrypted)
}

/// Gives notice of a record that some engines would copy into every container.
pub(crate) fn tell_large_record(session: &Session, image: &Image) {
    let Some(raw) = &image.manifest else { return };
    if raw.bytes().len() > LARGE_ANNOTATION_BYTES
        && let Ok(manifest) = Manifest::parse(raw)
        && let Some(record) = manifest.remarks.annotations.get(RECORD_ANNOTATION)
        && record.len() > LARGE_ANNOTATION_BYTES
    {
        session.notice(Notice::LargeRecord { bytes: record.len() as u64 });
    }
}
