//! Passphrases where there is a heap.

use std::string::ToString as _;
use std::vec;
use std::vec::Vec;

use base64ct::{Base64Unpadded, Encoding as _};
use zeroize::Zeroizing;

use super::{KIND, MAX_WORK_FACTOR, Passphrase, SALT, salted};
use crate::file_key::{FileKey, UnwrapError};
use crate::recipient::{self, EncryptError, NewStanza};
use crate::scrypt::{self, Block};
use crate::stanza::Stanza;
use crate::{identity, random};

/// A passphrase that opens files.
pub struct Identity<'a> {
    passphrase: &'a [u8],
    max_log_memory: u8,
}

impl<'a> Identity<'a> {
    /// Takes a passphrase. A derivation takes at most 2 to the power of `max_log_memory` KiB. If its
    /// work factor asks for more, it takes longer.
    pub fn new(passphrase: &'a [u8], max_log_memory: u8) -> Self {
        Self { passphrase, max_log_memory }
    }
}

impl identity::Identity for Identity<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza<'_>) -> Result<Option<FileKey>, UnwrapError> {
        let Some(stanza) = Passphrase::parse(stanza).ok() else { return Ok(None) };
        match stanza.unwrap(self.passphrase, &mut memory(stanza.log_n(), self.max_log_memory)) {
            Ok(file_key) => Ok(Some(file_key)),
            Err(UnwrapError::NoMatch) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl core::fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Identity")
    }
}

/// A passphrase that files are encrypted under.
pub struct Recipient {
    passphrase: Zeroizing<Vec<u8>>,
    work_factor: u8,
}

impl Recipient {
    /// Takes a passphrase. scrypt's N is 2 to the power of `work_factor`, and to try a passphrase
    /// takes N KiB.
    ///
    /// # Panics
    /// The work factor is 0, or more than [`MAX_WORK_FACTOR`].
    pub fn new(passphrase: &[u8], work_factor: u8) -> Self {
        assert!((1..=MAX_WORK_FACTOR).contains(&work_factor), "the work factor");
        Self { passphrase: Zeroizing::new(passphrase.to_vec()), work_factor }
    }
}

impl recipient::Recipient for Recipient {
    fn wrap(&self, file_key: &FileKey) -> Result<Vec<NewStanza>, EncryptError> {
        let mut salt = [0; SALT];
        random::fill(&mut salt)?;
        let mut memory = memory(self.work_factor, self.work_factor);
        let key = scrypt::derive(&self.passphrase, &salted(&salt), self.work_factor, &mut memory);
        let stanza = NewStanza {
            kind: KIND.to_vec(),
            arguments: vec![
                Base64Unpadded::encode_string(&salt).into_bytes(),
                self.work_factor.to_string().into_bytes(),
            ],
            body: file_key.seal(&key).to_vec(),
        };
        Ok(vec![stanza])
    }
}

impl core::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Recipient").field("work_factor", &self.work_factor).finish_non_exhaustive()
    }
}

fn memory(log_n: u8, max_log_memory: u8) -> Vec<Block> {
    vec![Block::ZERO; scrypt::blocks(log_n, log_n.saturating_sub(max_log_memory))]
}
