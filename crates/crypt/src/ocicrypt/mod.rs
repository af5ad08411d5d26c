//! OCI image encryption: the descriptors of encrypted layers carry the layers' keys in annotations,
//! wrapped to public keys.
//!
//! [`OciCrypt`] is the format as callers see it. [`Encryptor`] encrypts an image. [`decrypt()`]
//! decrypts it, and holds it to its sealed record. The modules below them have these tasks:
//!
//! * `annotations` reads and writes the annotations of a descriptor.
//! * `options` has the private options, which are wrapped, and the public options beside them.
//! * `schemes` has the ways of wrapping behind one interface, and the recipients to whom keys are
//!   wrapped.
//! * `keys` reads key files: private keys, public keys and certificates.
//! * `budget` bounds the key operations for one image.
//! * `decrypt` opens the keys of an image with identities, and then its layers.
//! * `record` seals the record and opens it, and `readers` lists the recipients in it.
//! * `rewrap` replaces the recipients of an image.
//! * `cipher` encrypts and decrypts the bytes of a layer.
//! * `secret_buffer` takes bytes with a key.
//! * `history` decides which text about private layers the config in clear keeps.
//!
//! [`provider`] answers the requests of other tools for keys, and asks other programs. [`LayerKey`]
//! is for readers that see one layer alone: containerd starts such a reader with a [`Payload`].
//! `docs/formats/ocicrypt.md` specifies the bytes.

mod annotations;
mod budget;
mod cipher;
mod decrypt;
mod encrypt;
mod format;
mod history;
mod keys;
mod options;
mod payload;
mod readers;
mod record;
mod rewrap;
mod schemes;
mod secret_buffer;
mod secret_text;

pub use annotations::{
    AnnotationError, Encryption, LayerEncryptionError, LayerEncryptions, MAX_WRAPS,
};
pub use budget::MAX_ATTEMPTS;
pub use cipher::{CipherContent, CipherWriter, LayerAuthentication};
pub use decrypt::{DecryptError, LayerKey, decrypt};
pub use encrypt::{EncryptError, Encryptor};
pub use format::{OciCrypt, ToRecipients};
pub use history::History;
pub use keys::{CertificateError, Identity, IdentityError, MAX_KEY_FILE_BYTES, PublicKeyError};
pub use options::OptionsError;
pub use payload::{MAX_PAYLOAD_BYTES, Payload, PayloadError};
pub use readers::lists_all;
pub use record::{RECORD_ANNOTATION, RecordError, SealError};
pub use rewrap::{Change, RewrapError, Rewrapping};
pub use schemes::provider;
pub use schemes::{
    AgeItem, AgeItemError, AgeRecipientError, FormerRecipient, Jwe, JweError, OpenPgp,
    OpenPgpError, OpenPgpKeyError, Pkcs7, Pkcs7Error, Recipient, WrappedKeyError,
};
