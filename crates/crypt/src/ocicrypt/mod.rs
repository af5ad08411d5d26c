//! OCI image encryption: layers whose descriptors carry, in annotations, their keys wrapped to public
//! keys.
//!
//! `annotations` is what a descriptor carries, `options` what is wrapped and what stands beside it,
//! `jwe` the wrapping, `identity` the key files, `cipher` the way of a layer's bytes. [`decrypt`] puts
//! them together and holds the image to what is sealed in it. `docs/formats/ocicrypt.md` specifies the
//! bytes.

mod annotations;
mod cipher;
mod decrypt;
mod der;
mod identity;
mod jwe;
mod options;

pub use annotations::{AnnotationError, Encryption, MAX_WRAPS, Scheme};
pub use cipher::LayerAuthentication;
pub use decrypt::{Binding, DecryptError, Decrypted, MAX_ATTEMPTS, Unbound, Unencrypted, decrypt};
pub use identity::{Identity, IdentityError, MAX_KEY_FILE_BYTES};
pub use jwe::{Jwe, JweError};
pub use options::OptionsError;
