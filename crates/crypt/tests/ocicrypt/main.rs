//! OCI image encryption: what skopeo wrote, images that are bound, and what is refused.

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
