//! Encrypted images.

pub(crate) mod crypto_cli;
pub(crate) mod ocicrypt;
pub(crate) mod sealed_record;
