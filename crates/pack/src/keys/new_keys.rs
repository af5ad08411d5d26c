//! New keys: identities and passphrases that nobody can guess.

use std::fmt;

use aws_lc_rs::rand;
use sealcrate_agefile::x25519;
use zeroize::{Zeroize, Zeroizing};

use crate::Recipient;

use sealcrate_agefile::NoRandomness;

/// A new identity, as text, and its recipient.
pub struct NewIdentity {
    /// `AGE-SECRET-KEY-1…`.
    pub secret: Zeroizing<String>,
    /// The public side.
    pub recipient: Recipient,
}

impl NewIdentity {
    /// Makes an identity.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn generate() -> Result<Self, NoRandomness> {
        let identity = x25519::Identity::generate()?;
        Ok(Self { secret: identity.to_text(), recipient: Recipient::of(identity.recipient()) })
    }
}

impl fmt::Debug for NewIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewIdentity").field("recipient", &self.recipient).finish_non_exhaustive()
    }
}

/// Letters and digits that are not taken for each other: 32 of them, so that each holds 5 bits.
const SYMBOLS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The number of groups in a passphrase, and of symbols in a group: 140 bits.
const GROUPS: usize = 7;
const GROUP: usize = 4;

/// Makes a passphrase of 140 random bits: groups of letters and digits with hyphens between them.
///
/// # Errors
/// The system has no randomness to give.
pub fn generate_passphrase() -> Result<Zeroizing<String>, NoRandomness> {
    let mut random = [0; GROUPS * GROUP];
    rand::fill(&mut random).map_err(|_| NoRandomness)?;
    // With room for all of it, so that no shorter copy is left behind.
    let mut passphrase = Zeroizing::new(String::with_capacity(GROUPS * (GROUP + 1)));
    for (place, byte) in random.iter().enumerate() {
        if place > 0 && place % GROUP == 0 {
            passphrase.push('-');
        }
        passphrase.push(char::from(SYMBOLS[usize::from(byte % 32)]));
    }
    random.zeroize();
    Ok(passphrase)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn passphrases_are_long_and_use_every_symbol() {
        assert_eq!(SYMBOLS.iter().collect::<BTreeSet<_>>().len(), 32);
        let made: BTreeSet<String> =
            (0..100).map(|_| generate_passphrase().unwrap().to_string()).collect();
        assert_eq!(made.len(), 100);
        let mut used = BTreeSet::new();
        for passphrase in &made {
            let groups: Vec<&str> = passphrase.split('-').collect();
            assert_eq!(groups.len(), GROUPS, "{passphrase}");
            assert!(groups.iter().all(|group| group.len() == GROUP), "{passphrase}");
            used.extend(groups.concat().into_bytes());
        }
        // 2,800 symbols: that one of 32 never comes is less likely than one in 10^37.
        assert_eq!(used, SYMBOLS.iter().copied().collect());
    }

    #[test]
    fn identities_are_read_by_the_stub_and_belong_to_their_recipients() {
        let made = NewIdentity::generate().unwrap();
        let parsed = x25519::Identity::parse(&made.secret).unwrap();
        let age: age::x25519::Identity = made.secret.parse().unwrap();
        assert_eq!(age.to_public().to_string(), made.recipient.to_string());
        assert_eq!(parsed.recipient().to_string(), made.recipient.to_string());
        assert!(!format!("{made:?}").contains("SECRET"));
    }
}
