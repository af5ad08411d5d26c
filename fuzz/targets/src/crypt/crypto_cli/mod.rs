//! The crypto-cli format.

pub(crate) mod dare;
mod gcm;
pub(crate) mod key_data;
pub(crate) mod sealed_image;
