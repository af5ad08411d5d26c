//! The ways of wrapping keys, and the recipients to whom keys are wrapped.

pub(super) mod age;
pub(super) mod former_recipient;
pub(super) mod hint;
pub(super) mod jwe;
pub(super) mod pkcs7;
pub mod provider;
pub(super) mod recipient;
pub(super) mod wrapped;

pub use age::{AgeItem, AgeItemError};
pub use former_recipient::FormerRecipient;
pub use jwe::{Jwe, JweError};
pub use pkcs7::{Pkcs7, Pkcs7Error};
pub use recipient::{AgeRecipientError, Recipient};
pub use sealcrate_openpgp::{
    CertificateError as OpenPgpKeyError, Message as OpenPgp, MessageError as OpenPgpError,
};
pub use wrapped::WrappedKeyError;
