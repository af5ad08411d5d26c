//! The options for the recipients of an image, and for its format.

use clap::{Args, ValueEnum};

use super::common::Typed;

/// To whom an image is encrypted.
#[derive(Debug, Args)]
pub(crate) struct ImageRecipientArgs {
    /// Let this recipient open the image: age1…, a file of such lines, jwe:PUBLIC_KEY,
    /// pkcs7:CERTIFICATE, pgp:PUBLIC_KEY or provider:NAME[:PARAMETER] (repeatable)
    ///
    /// A public key is in a file, in PEM, DER or JWK: RSA, or on P-256, P-384 or P-521; for pgp as
    /// `gpg --export` writes it. A passphrase that is named beside recipients opens the image as well. A key
    /// provider is one of those in the file that OCICRYPT_KEYPROVIDER_CONFIG names.
    #[arg(
        short,
        long,
        visible_alias = "encryption-key",
        value_name = "RECIPIENT",
        help_heading = "Encryption"
    )]
    pub(crate) recipient: Vec<Typed>,
    /// The form of the encrypted image: with recipients oci, else crypto-cli
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Encryption")]
    pub(crate) format: Option<Format>,
    /// Leave the steps that made the private layers in the config, which is in clear in the form oci
    #[arg(long, help_heading = "Encryption")]
    pub(crate) keep_history: bool,
}

impl ImageRecipientArgs {
    /// Tells whether none of them is given.
    pub(crate) fn is_none(&self) -> bool {
        self.recipient.is_empty() && self.format.is_none() && !self.keep_history
    }
}

/// The forms of encrypted images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// OCI image encryption
    Oci,
    /// crypto-cli's, whose config is encrypted too
    CryptoCli,
}
