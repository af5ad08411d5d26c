//! Passphrases, recipients and key providers.

pub(crate) mod age_recipients;
pub(crate) mod decoder;
pub(crate) mod key_providers;
pub(crate) mod keyprovider;
pub(crate) mod keyprovider_service;
mod openpgp;
mod passphrases;
pub(crate) mod recipients;
mod rewrap;
mod terminal;
pub(crate) mod to_recipients;
