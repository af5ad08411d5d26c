//! OCI image encryption: the descriptors of encrypted layers carry the layers' keys in annotations,
//! wrapped to public keys.
//!
//! [`Encryptor`] encrypts an image. [`decrypt`] decrypts it, and holds it to its sealed record. The
//! modules below them have these tasks:
//!
//! * `annotations` reads and writes the annotations of a descriptor.
//! * `options` has the private options, which are wrapped, and the public options beside them.
//! * `wrapped` knows the ways of wrapping: `jwe`, `pkcs7`, `openpgp` and `age_item`. `passphrase`
//!   opens the locks of age items.
//! * `identity` reads key files. `keyring` and `unlock` try identities on wrapped keys.
//! * `recipient`, `public_key` and `certificate` are the public sides, to which keys are wrapped.
//! * `record` seals the record and opens it, and `readers` lists the recipients in it.
//! * `rewrap` replaces the recipients of an image, and `former_recipient` finds the wrapped keys to
//!   remove.
//! * `cipher` encrypts and decrypts the bytes of a layer.
//! * `history` decides which text about private layers the config in clear keeps.
//! * `stated` compares layers with the digests that other tools state without binding them.
//!
//! [`provider`] answers the requests of other tools for keys, and asks other programs. [`LayerKey`]
//! is for readers that see one layer alone: containerd starts such a reader with a [`Payload`].
//! `docs/formats/ocicrypt.md` specifies the bytes.

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
pub use options::OptionsError;
pub use payload::{MAX_PAYLOAD_BYTES, Payload, PayloadError};
pub use pkcs7::{Pkcs7, Pkcs7Error};
pub use public_key::PublicKeyError;
pub use readers::lists_all;
pub use recipient::{AgeRecipientError, Recipient};
pub use record::{RECORD_ANNOTATION, RecordError, SealError};
pub use rewrap::{Change, RewrapError, Rewrapped, Rewrapping};
pub use sealcrate_openpgp::{
    CertificateError as OpenPgpKeyError, Message as OpenPgp, MessageError as OpenPgpError,
};
pub use stated::StatedDigests;
pub use wrapped::WrappedKeyError;
