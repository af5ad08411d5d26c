//! The keys that a caller has to open images with.

use std::fmt;

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::NoKeys;
use thiserror::Error;

use crate::Passphrase;
use crate::crypto_cli::Budget;
use crate::ocicrypt::Identity;

/// The keys that a caller has to open images with: identities, and at most one passphrase.
#[derive(Default)]
pub struct Keys {
    identities: Vec<Identity>,
    passphrase: Option<GivenPassphrase>,
}

/// A passphrase, in the form for each format.
struct GivenPassphrase {
    text: Passphrase,
    /// The passphrase as an identity, which remembers the locks of an image that it has opened.
    identity: Identity,
    /// The work that all images together may ask for.
    budget: Budget,
}

impl Keys {
    /// Takes identities, and a passphrase if there is one.
    pub fn new(identities: Vec<Identity>, passphrase: Option<Passphrase>) -> Self {
        let mut keys = Self { identities, passphrase: None };
        if let Some(passphrase) = passphrase {
            keys.take(passphrase);
        }
        keys
    }

    /// Takes a passphrase that was found later.
    pub fn take(&mut self, text: Passphrase) {
        let identity = Identity::passphrase(&text);
        self.passphrase = Some(GivenPassphrase { text, identity, budget: Budget::default() });
    }

    /// Tells whether there is any key.
    pub fn is_any(&self) -> bool {
        self.passphrase.is_some() || !self.identities.is_empty()
    }

    /// Tells whether there is a passphrase.
    pub fn has_passphrase(&self) -> bool {
        self.passphrase.is_some()
    }

    /// Tells whether there is an identity.
    pub fn has_identity(&self) -> bool {
        !self.identities.is_empty()
    }

    /// States that there is no key, if there is none.
    pub fn absent(&self) -> Option<NoKeys> {
        (!self.is_any()).then(NoKeys::given)
    }

    /// Returns the passphrase for an image that opens with nothing else.
    ///
    /// # Errors
    /// There are identities alone.
    pub fn passphrase(&self) -> Result<(&Passphrase, &Budget), WrongKind> {
        let GivenPassphrase { text, budget, .. } =
            self.passphrase.as_ref().ok_or(WrongKind::Identity)?;
        Ok((text, budget))
    }

    /// Returns the identities for an image that is encrypted to recipients.
    ///
    /// # Errors
    /// There is a passphrase alone.
    pub fn identities(&self) -> Result<Vec<Identity>, WrongKind> {
        match self.identities.is_empty() {
            true => Err(WrongKind::Passphrase),
            false => Ok(self.identities.clone()),
        }
    }

    /// Returns the identities for an image that is encrypted to recipients, a passphrase among them.
    pub fn identities_and_passphrase(&self) -> Vec<Identity> {
        let passphrase = self.passphrase.iter().map(|passphrase| &passphrase.identity);
        self.identities.iter().chain(passphrase).cloned().collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// Says that keys are of a kind that cannot open the image.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WrongKind {
    /// There are identities alone.
    #[error(
        "wrong key: the image is encrypted under a passphrase, and an identity does not open it"
    )]
    Identity,
    /// There is a passphrase alone.
    #[error("wrong key: the image is encrypted to recipients, and a passphrase does not open it")]
    Passphrase,
}

impl Classified for WrongKind {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Key)
    }
}
