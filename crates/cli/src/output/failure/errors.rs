//! The program's own errors.

use sealcrate_core::ErrorClass;
use sealcrate_errors::Classified;
use thiserror::Error;

/// Tells that an identity is needed and there is none.
#[derive(Debug, Error)]
#[error("it is for recipients, and no identity was given")]
pub(crate) struct MissingIdentity;

/// Tells that a key is needed and there is none.
#[derive(Debug, Error)]
#[error("a passphrase is needed, and none was given")]
pub(crate) struct MissingKey;

/// Tells that the user named an OpenPGP key that is in no file.
#[derive(Debug, Error)]
#[error("there is no file {0} with an OpenPGP key in it, and GnuPG's keyring is not looked into")]
pub(crate) struct NoOpenPgpFile(pub(crate) String);

/// Tells that the client of the decoder sent no payload for the layer.
#[derive(Debug, Error)]
#[error(
    "the client sent no payload: containerd passes one on for images that are pulled through its \
     CRI, as Kubernetes does, but not for those of `ctr images pull`"
)]
pub(crate) struct NoPayload;

/// Tells that options contradict each other, or ask for the impossible.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

macro_rules! classify {
    ($($error:ty => $class:ident),+ $(,)?) => {
        $(
            impl Classified for $error {
                fn class(&self) -> Option<ErrorClass> {
                    Some(ErrorClass::$class)
                }
            }
        )+
    };
}

classify! {
    MissingIdentity => Key,
    MissingKey => Key,
    NoOpenPgpFile => Usage,
    NoPayload => Failure,
    Usage => Usage,
}
