//! OCI image encryption: images by skopeo, bound images, and refused images.

#![allow(missing_docs, clippy::unwrap_used)]

mod attacks;
mod called;
mod curves;
mod fixtures;
mod layers;
mod openpgp;
mod passwords;
mod pkcs7;
mod provider;
mod pushed;
mod removed;
mod support;
mod written;
