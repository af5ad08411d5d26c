//! OCI image encryption: layers whose descriptors carry, in annotations, their keys wrapped to public
//! keys.
//!
//! `annotations` is what a descriptor carries, `options` what is wrapped and what stands beside it,
//! `wrapped` the ways of wrapping, of which `jwe` is one, `identity` the key files, `keyring` what
//! tries these on those, `cipher` the way of a layer's bytes. [`decrypt`] puts them together and holds
//! the image to what is sealed in it, and `stated` tells what others' images only say of themselves.
//! [`LayerKey`] is for readers that see one layer alone, as those do that containerd starts with a
//! [`Payload`]. `docs/formats/ocicrypt.md` specifies the bytes.

mod annotations;
mod cipher;
mod decrypt;
mod der;
mod identity;
mod jwe;
mod keyring;
mod layer_key;
mod options;
mod payload;
mod protobuf;
mod sealed_key;
mod stated;
mod wrapped;

pub use annotations::{
    AnnotationError, Encryption, MAX_WRAPS, Protection, ProtectionError, Scheme,
};
pub use cipher::LayerAuthentication;
pub use decrypt::{Binding, DecryptError, Decrypted, MAX_ATTEMPTS, Unbound, decrypt};
pub use identity::{Identity, IdentityError, MAX_KEY_FILE_BYTES};
pub use jwe::{Jwe, JweError};
pub use layer_key::LayerKey;
pub use options::OptionsError;
pub use payload::{MAX_PAYLOAD_BYTES, Payload, PayloadError};
pub use stated::StatedDigests;
pub use wrapped::WrappedKeyError;
