//! The readers that an image gets and loses when its keys are rewrapped.

use std::cell::OnceCell;
use std::io;

use crate::Passphrase;
use crate::ocicrypt::{FormerRecipient, Recipient};

/// The readers that images get and lose.
#[derive(Debug, Default)]
pub struct NewReaders {
    /// Recipients to add.
    pub add: Vec<Recipient>,
    /// Recipients to remove.
    pub remove: Vec<FormerRecipient>,
    /// A passphrase to add. Where a format has one passphrase alone, it replaces the former one.
    pub passphrase: Option<Passphrase>,
    /// The rounds of the derivation of a key from the passphrase, where the format leaves the choice.
    pub iterations: u32,
    /// The passphrase as a recipient, once an image takes it in that form.
    locked: OnceCell<Recipient>,
}

impl NewReaders {
    /// Takes the changes of readers.
    pub fn new(
        add: Vec<Recipient>,
        remove: Vec<FormerRecipient>,
        passphrase: Option<Passphrase>,
        iterations: u32,
    ) -> Self {
        Self { add, remove, passphrase, iterations, locked: OnceCell::new() }
    }

    /// Tells whether nobody is added.
    pub fn adds_nobody(&self) -> bool {
        self.add.is_empty() && self.passphrase.is_none()
    }

    /// Returns the recipients to add, with the passphrase as one of them. The first call derives a key
    /// from the passphrase, which is slow by design.
    ///
    /// # Errors
    /// The passphrase is no text.
    pub fn recipients(&self) -> io::Result<Vec<Recipient>> {
        let mut recipients = self.add.clone();
        if let Some(passphrase) = &self.passphrase {
            if self.locked.get().is_none() {
                // Nobody else sets it: the type is not shared between threads.
                let _ = self.locked.set(Recipient::passphrase(passphrase)?);
            }
            recipients.extend(self.locked.get().cloned());
        }
        Ok(recipients)
    }
}
