//! OCI image encryption: layers whose descriptors carry, in annotations, their keys wrapped to public
//! keys.
//!
//! `annotations` is what a descriptor carries, `options` what is wrapped and what stands beside it,
//! `wrapped` the ways of wrapping, `jwe`, `pkcs7`, `openpgp` and `age_item`, `passphrase` what opens the latter, `identity`
//! the key files, `keyring` and `unlock` what tries these on those, `rewrap` what puts others in their
//! place, `recipient`, `former_recipient`, `public_key` and `certificate` those to whom keys are wrapped, `cipher` the way of a layer's
//! bytes, `history` what the config in clear may tell. [`Encryptor`] puts them together, and
//! [`decrypt`], which holds the image to what is sealed in it; `stated` tells what others' images only
//! say of themselves. [`provider`] is how other tools ask for keys. [`LayerKey`] is for readers that see one layer alone, as those do that containerd
//! starts with a [`Payload`]. `docs/formats/ocicrypt.md` specifies the bytes.

mod age_item;
mod annotations;
mod certificate;
mod cipher;
mod decrypt;
mod der;
mod encrypt;
mod former_recipient;
mod hint;
mod history;
mod identity;
mod jwe;
mod keyring;
mod layer_key;
mod old_pem;
mod openpgp;
mod options;
mod passphrase;
mod payload;
mod pkcs7;
mod protobuf;
pub mod provider;
mod public_key;
mod readers;
mod recipient;
mod record;
mod rewrap;
mod sealed_key;
mod stated;
mod unlock;
mod wrapped;

pub use age_item::{AgeItem, AgeItemError};
pub(crate) use annotations::is_encrypted;
pub use annotations::{
    AnnotationError, Encryption, MAX_WRAPS, Protection, ProtectionError, Scheme,
};
pub use certificate::CertificateError;
pub use cipher::{CipherContent, CipherWriter, LayerAuthentication};
pub use decrypt::{DecryptError, Decrypted, MAX_ATTEMPTS, decrypt};
pub(crate) use encrypt::SealedLayer;
pub use encrypt::{EncryptError, Encryptor};
pub use former_recipient::FormerRecipient;
pub use history::History;
pub use identity::{Identity, IdentityError, MAX_KEY_FILE_BYTES};
pub use jwe::{Jwe, JweError};
pub use layer_key::LayerKey;
pub use openpgp::{OpenPgp, OpenPgpError, OpenPgpKeyError};
pub use options::OptionsError;
pub use payload::{MAX_PAYLOAD_BYTES, Payload, PayloadError};
pub use pkcs7::{Pkcs7, Pkcs7Error};
pub use public_key::PublicKeyError;
pub use readers::lists_all;
pub use recipient::{AgeRecipientError, Recipient};
pub use record::{RECORD_ANNOTATION, RecordError, SealError};
pub use rewrap::{Change, RewrapError, Rewrapped, Rewrapping};
pub use stated::StatedDigests;
pub use wrapped::WrappedKeyError;
