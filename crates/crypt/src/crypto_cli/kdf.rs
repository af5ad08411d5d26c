//! Derives the key-encryption key from a passphrase: PBKDF2 with HMAC-SHA-256, one run for each
//! salt.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2;
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;
use zeroize::Zeroizing;

use super::KeyData;
use crate::Passphrase;

/// The rounds in new images, if the user asks for no other number.
pub const DEFAULT_ITERATIONS: u32 = 600_000;
/// The fewest rounds in new images.
pub const MIN_ITERATIONS: u32 = 100_000;
/// The most rounds that are read for one salt, and the most in new images.
pub const MAX_ITERATIONS: u32 = 10_000_000;
/// The most rounds that are read for all salts of one image together.
pub const MAX_TOTAL_ITERATIONS: u64 = 20_000_000;

/// The most rounds that are read for all images of a [`Budget`] together: enough for 333 images
/// with the default number.
pub const MAX_BUDGET: u64 = 200_000_000;

/// The number of rounds that several images may ask for together. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<AtomicU64>);

impl Budget {
    /// Takes `rounds` off the budget, if it has as many.
    fn pay(&self, rounds: u32) -> Result<(), KdfError> {
        let pay = |left: u64| left.checked_sub(rounds.into());
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay) {
            Ok(_) => Ok(()),
            Err(_) => Err(KdfError::Budget),
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(MAX_BUDGET)))
    }
}

/// The key of one blob.
pub(super) type DataKey = Zeroizing<[u8; 32]>;

/// A passphrase, and the keys that have been derived from it so far.
///
/// The cost of the derivations is bounded, since a registry chooses their parameters.
pub struct KeyDerivation {
    passphrase: Passphrase,
    keys: HashMap<([u8; 16], u32), KeyEncryptionKey>,
    spent: u64,
    budget: Budget,
}

impl KeyDerivation {
    /// Starts without any derived key, for one image.
    pub fn new(passphrase: Passphrase) -> Self {
        Self::within(passphrase, Budget::default())
    }

    /// Starts without any derived key, for one of several images that share a budget.
    pub fn within(passphrase: Passphrase, budget: Budget) -> Self {
        Self { passphrase, keys: HashMap::new(), spent: 0, budget }
    }

    /// Returns the key-encryption key for `salt` and `iterations`, which is derived at most once.
    ///
    /// # Errors
    /// The cost is beyond the bounds; then nothing is derived.
    fn key(&mut self, salt: &[u8; 16], iterations: u32) -> Result<&KeyEncryptionKey, KdfError> {
        let rounds = match NonZeroU32::new(iterations) {
            Some(rounds) if iterations <= MAX_ITERATIONS => rounds,
            _ => return Err(KdfError::Iterations(iterations)),
        };
        let place = (*salt, iterations);
        if !self.keys.contains_key(&place) {
            let total = self.spent + u64::from(iterations);
            if total > MAX_TOTAL_ITERATIONS {
                return Err(KdfError::TotalIterations);
            }
            self.budget.pay(iterations)?;
            self.spent = total;
            let key = KeyEncryptionKey::derive(&self.passphrase, salt, rounds);
            self.keys.insert(place, key);
        }
        Ok(&self.keys[&place])
    }

    /// Unwraps the data key in `data`. Returns `None` if the passphrase is another one, or the key
    /// data was changed.
    ///
    /// # Errors
    /// The cost is beyond the bounds.
    pub(super) fn unwrap_key(&mut self, data: &KeyData) -> Result<Option<DataKey>, KdfError> {
        Ok(self.key(&data.salt, data.iterations)?.unwrap_key(data))
    }

    /// Returns the number of derivations so far.
    pub fn runs(&self) -> usize {
        self.keys.len()
    }
}

/// A key that wraps data keys.
pub(super) struct KeyEncryptionKey(LessSafeKey);

impl KeyEncryptionKey {
    /// Derives a key from `passphrase` and `salt` in `rounds` rounds.
    pub(super) fn derive(passphrase: &Passphrase, salt: &[u8; 16], rounds: NonZeroU32) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, rounds, salt, passphrase.as_bytes(), &mut *bytes);
        let key = UnboundKey::new(&AES_256_GCM, &*bytes).expect("an AES-256 key is 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// Wraps `key` under `nonce`, which must be fresh, bound to `salt`.
    pub(super) fn wrap(&self, key: &DataKey, nonce: [u8; 12], salt: &[u8; 16]) -> [u8; 48] {
        let mut wrapped = [0; 48];
        wrapped[..32].copy_from_slice(&**key);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(salt), &mut wrapped[..32])
            .expect("32 bytes can be encrypted");
        wrapped[32..].copy_from_slice(tag.as_ref());
        wrapped
    }

    fn unwrap_key(&self, data: &KeyData) -> Option<DataKey> {
        let mut bytes = Zeroizing::new(data.wrapped_key);
        let nonce = Nonce::assume_unique_for_key(data.nonce);
        let plain = self.0.open_in_place(nonce, Aad::from(&data.salt), &mut *bytes).ok()?;
        let mut key = DataKey::default();
        key.copy_from_slice(plain);
        Some(key)
    }
}

/// Why a key is not derived.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KdfError {
    /// All images together ask for more than [`MAX_BUDGET`].
    #[error("the key derivations of all images ask for more than 200,000,000 iterations in all")]
    Budget,
    /// The number of rounds for one salt is zero, or over [`MAX_ITERATIONS`].
    #[error("the key derivation asks for {0} iterations, not 1 to 10,000,000")]
    Iterations(u32),
    /// All salts together ask for more than [`MAX_TOTAL_ITERATIONS`].
    #[error("the key derivations of the image ask for more than 20,000,000 iterations in all")]
    TotalIterations,
}

impl Classified for KdfError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derivation() -> KeyDerivation {
        KeyDerivation::new(Passphrase::new(Zeroizing::new(b"abc".to_vec())).unwrap())
    }

    #[test]
    fn what_is_wrapped_is_unwrapped_with_one_run() {
        let mut kdf = derivation();
        let (salt, nonce, key) = ([1; 16], [2; 12], DataKey::new([3; 32]));
        let wrapped_key = kdf.key(&salt, 10).unwrap().wrap(&key, nonce, &salt);
        let data = KeyData { nonce, salt, iterations: 10, wrapped_key };
        assert_eq!(kdf.unwrap_key(&data).unwrap(), Some(key));
        assert_eq!(kdf.runs(), 1);
        for changed in [
            KeyData { nonce: [9; 12], ..data.clone() },
            KeyData { salt: [9; 16], ..data.clone() },
            KeyData { iterations: 11, ..data.clone() },
            KeyData { wrapped_key: [9; 48], ..data },
        ] {
            assert_eq!(kdf.unwrap_key(&changed).unwrap(), None);
        }
    }

    #[test]
    fn cost_of_several_images_is_bounded_together() {
        let passphrase = || Passphrase::new(Zeroizing::new(b"abc".to_vec())).unwrap();
        let budget = Budget(Arc::new(AtomicU64::new(25)));
        let image = || KeyDerivation::within(passphrase(), budget.clone());
        assert!(image().key(&[0; 16], 10).is_ok());
        assert!(image().key(&[1; 16], 10).is_ok());
        assert_eq!(image().key(&[2; 16], 10).err(), Some(KdfError::Budget));
        assert!(image().key(&[2; 16], 5).is_ok());
    }

    #[test]
    fn cost_is_bounded_before_it_is_paid() {
        let mut kdf = derivation();
        for iterations in [0, MAX_ITERATIONS + 1, u32::MAX] {
            let error = kdf.key(&[0; 16], iterations).err();
            assert_eq!(error, Some(KdfError::Iterations(iterations)));
        }
        kdf.spent = MAX_TOTAL_ITERATIONS - 9;
        assert_eq!(kdf.key(&[0; 16], 10).err(), Some(KdfError::TotalIterations));
        assert!(kdf.key(&[0; 16], 9).is_ok());
        assert!(kdf.key(&[0; 16], 9).is_ok(), "a key that is there costs nothing");
        assert_eq!(kdf.key(&[1; 16], 1).err(), Some(KdfError::TotalIterations));
    }
}
