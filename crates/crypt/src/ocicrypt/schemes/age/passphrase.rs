//! A passphrase as an identity. It opens the locks of sealcrate's items, each at most once. However
//! many images the locks are in, together they may not cost more than a bound.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sealcrate_agefile::passphrase::MAX_WORK_FACTOR;
use sealcrate_agefile::{self as agefile, AgeFile, DecryptError, UnwrapError, x25519};
use sealcrate_image::Digest;
use zeroize::Zeroizing;

use crate::Passphrase;

/// The cost of a lock that has not been tried, in key operations. An image can have a few such
/// locks.
const LOCK_COST: usize = 1000;
/// The work that all locks together may ask for: the sum of scrypt's N. It is enough for 32
/// of the costliest locks, which take two minutes, or for 512 locks of the kind that sealcrate
/// writes.
const MAX_WORK: u64 = 32 << MAX_WORK_FACTOR;
/// The longest content of a lock, in bytes.
const MAX_SECRET: usize = 1 << 10;

/// A passphrase, and the locks that it has opened so far.
pub(crate) struct PassphraseIdentity {
    passphrase: Zeroizing<Vec<u8>>,
    state: Mutex<State>,
}

/// The locks that have been tried so far, and the work that is left.
struct State {
    opened: HashMap<Digest, Option<x25519::Identity>>,
    /// How much work is left.
    left: u64,
}

/// Why a lock is not opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LockError {
    /// It is malformed, or would cost too much by itself.
    Malformed,
    /// It would cost too much after all others.
    TooMuch,
}

impl PassphraseIdentity {
    /// Takes a passphrase.
    pub(crate) fn new(passphrase: &Passphrase) -> Self {
        Self::with_work(passphrase, MAX_WORK)
    }

    /// Takes a passphrase that may do `left` units of work.
    pub(crate) fn with_work(passphrase: &Passphrase, left: u64) -> Self {
        let passphrase = Zeroizing::new(passphrase.as_bytes().to_vec());
        Self { passphrase, state: Mutex::new(State { opened: HashMap::new(), left }) }
    }

    /// Returns the cost of trying `lock`, which is nothing if it was tried before.
    pub(crate) fn cost_of(&self, lock: &[u8]) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.opened.contains_key(&Digest::of(lock)) { 0 } else { LOCK_COST }
    }

    /// Opens a lock. Returns `None` if it is under another passphrase.
    ///
    /// # Errors
    /// The lock is malformed, or costs too much.
    pub(crate) fn open(&self, lock: &[u8]) -> Result<Option<x25519::Identity>, LockError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = state.opened.get(&Digest::of(lock)) {
            return Ok(identity.clone());
        }
        let file = AgeFile::parse(lock).map_err(|_| LockError::Malformed)?;
        let stanza = file.header().passphrase().ok_or(LockError::Malformed)?;
        // The parser refuses work factors over the bound.
        let work = 1 << stanza.log_n();
        state.left = state.left.checked_sub(work).ok_or(LockError::TooMuch)?;
        let identity = self.try_open(lock)?;
        state.opened.insert(Digest::of(lock), identity.clone());
        Ok(identity)
    }

    fn try_open(&self, lock: &[u8]) -> Result<Option<x25519::Identity>, LockError> {
        let identity = agefile::passphrase::Identity::new(&self.passphrase, MAX_WORK_FACTOR);
        let content = match agefile::decrypt([&identity as _], lock) {
            Ok(content) if content.len() <= MAX_SECRET => content,
            Err(DecryptError::Unwrap(UnwrapError::NoMatch)) => return Ok(None),
            _ => return Err(LockError::Malformed),
        };
        let text = str::from_utf8(&content).map_err(|_| LockError::Malformed)?;
        x25519::Identity::parse(text.trim()).map(Some).map_err(|_| LockError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use age::secrecy::{ExposeSecret as _, SecretString};
    use age::{scrypt, x25519};

    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.as_bytes().to_vec())).unwrap()
    }

    fn lock(work_factor: u8, content: &[u8]) -> Vec<u8> {
        let mut to = scrypt::Recipient::new(SecretString::from("secret"));
        to.set_work_factor(work_factor);
        age::encrypt(&to, content).unwrap()
    }

    #[test]
    fn lock_opens_with_its_passphrase_and_is_tried_once() {
        let identity = x25519::Identity::generate();
        let lock = lock(4, identity.to_string().expose_secret().as_bytes());
        for (text, opens) in [("secret", true), ("another", false)] {
            let mine = PassphraseIdentity::new(&passphrase(text));
            assert_eq!(mine.cost_of(&lock), LOCK_COST);
            assert_eq!(mine.open(&lock).unwrap().is_some(), opens);
            assert_eq!(mine.cost_of(&lock), 0);
            assert_eq!(mine.open(&lock).unwrap().is_some(), opens);
        }
    }

    #[test]
    fn locks_that_are_malformed_or_cost_too_much_are_refused() {
        let mine = PassphraseIdentity::new(&passphrase("secret"));
        let mut costly = lock(2, b"x");
        let at = costly.windows(3).position(|window| window == b" 2\n").unwrap();
        costly.splice(at + 1..at + 2, *b"21");
        let to_identity = age::encrypt(&x25519::Identity::generate().to_public(), b"x").unwrap();
        for lock in [costly, lock(2, b"no identity"), to_identity, b"x".to_vec()] {
            assert!(mine.open(&lock).is_err());
        }
    }

    #[test]
    fn all_locks_together_cost_no_more_than_may_be() {
        let identity = x25519::Identity::generate();
        let locks: Vec<_> =
            (0..4).map(|_| lock(4, identity.to_string().expose_secret().as_bytes())).collect();
        for text in ["secret", "another"] {
            let mine = PassphraseIdentity::with_work(&passphrase(text), (3 << 4) + 1);
            assert!(locks[..3].iter().all(|lock| mine.open(lock).is_ok()));
            assert_eq!(mine.open(&locks[3]).map(|_| ()), Err(LockError::TooMuch));
            assert!(mine.open(&locks[0]).is_ok(), "what was tried costs nothing");
        }
    }
}
