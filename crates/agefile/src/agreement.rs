//! X25519 with one rule for all its uses here: an all-zero shared secret is refused.

use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::{Zeroize, Zeroizing};

/// A secret X25519 key, wiped when it is dropped.
#[derive(Clone)]
pub struct X25519Key([u8; 32]);

impl X25519Key {
    /// Makes a key of 32 bytes, which should be random. All values are keys.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the public key.
    pub fn public(&self) -> [u8; 32] {
        x25519(self.0, X25519_BASEPOINT_BYTES)
    }

    /// Returns the key itself.
    #[cfg(feature = "host")]
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the secret that this key shares with a public one. Returns `None` for a public point
    /// of low order, with which every key shares zero.
    pub fn shared_with(&self, public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        let shared = Zeroizing::new(x25519(self.0, *public));
        // The comparison tells nothing about the key: the result depends on the point alone.
        (*shared != [0; 32]).then_some(shared)
    }
}

impl Drop for X25519Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl core::fmt::Debug for X25519Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("X25519Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_the_same_in_common() {
        let (one, other) = (X25519Key::new([1; 32]), X25519Key::new([2; 32]));
        let shared = one.shared_with(&other.public()).unwrap();
        assert_eq!(shared, other.shared_with(&one.public()).unwrap());
        assert_ne!(shared, one.shared_with(&one.public()).unwrap());
    }

    #[test]
    fn points_of_low_order_are_refused() {
        // The u-coordinates of RFC 7748's curve whose order divides eight, and their other forms.
        let order_eight = [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f,
            0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16,
            0x5f, 0x49, 0xb8, 0x00,
        ];
        let mut one = [0; 32];
        one[0] = 1;
        let mut modulus = [0xff; 32];
        (modulus[0], modulus[31]) = (0xed, 0x7f);
        let mut minus_one = modulus;
        minus_one[0] = 0xec;
        for point in [[0; 32], one, order_eight, modulus, minus_one] {
            assert!(X25519Key::new([7; 32]).shared_with(&point).is_none(), "{point:?}");
        }
    }
}
