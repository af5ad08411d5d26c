//! The ways of wrapping keys. Each is one file or folder here, which implements `Scheme`, and each
//! stands once in `ALL`.
//!
//! A new scheme needs three things: a file here, with a constructor of [`Recipient`] and perhaps one
//! of [`Identity`]; a line in `ALL`; a section in `docs/formats/ocicrypt.md`. No other file knows the
//! schemes one by one. A scheme whose secret keys come in files of their own kind is recognized in
//! `keys/key_file.rs`, too.

pub(super) mod age;
mod former_recipient;
pub(super) mod hint;
mod jwe;
mod openpgp;
mod pkcs7;
pub mod provider;
mod recipient;
pub(super) mod scheme;

use self::provider::Provider;
use crate::ocicrypt::keys::Identity;

pub use age::{AgeItem, AgeItemError, AgeRecipientError};
pub use former_recipient::FormerRecipient;
pub use jwe::{Jwe, JweError};
pub use pkcs7::{Pkcs7, Pkcs7Error};
pub use recipient::Recipient;
pub use scheme::WrappedKeyError;
pub(super) use scheme::{Scheme, Unwrapped};
pub use sealcrate_openpgp::{
    CertificateError as OpenPgpKeyError, Message as OpenPgp, MessageError as OpenPgpError,
};

/// All schemes, in the order in which they are tried.
pub(super) static ALL: [&dyn Scheme; 4] =
    [&jwe::JweScheme, &openpgp::OpenPgpScheme, &pkcs7::Pkcs7Scheme, &age::AgeScheme];

/// Finds the scheme with the name `name`. Returns `None` if there is none, although a key provider
/// may have it.
pub(super) fn named(name: &str) -> Option<&'static dyn Scheme> {
    ALL.into_iter().find(|scheme| scheme.name() == name)
}

/// Returns all schemes, and then the key providers among `identities`. Each provider is a scheme of
/// its own, and comes last, since it takes longest.
pub(super) fn with_providers(identities: &[Identity]) -> Vec<&dyn Scheme> {
    let providers = identities.iter().filter_map(Identity::secret::<Provider>);
    ALL.into_iter().chain(providers.map(|provider| provider as &dyn Scheme)).collect()
}
