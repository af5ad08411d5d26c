//! The keys of an image: the cost to derive them, and the ways in which they are wrapped.

use std::collections::BTreeSet;
use std::fmt;

use sealcrate_crypt::{ocicrypt, senetas};
use serde_json::{Value, json};

use crate::report::printable;

/// The cost to derive the keys of an image from its passphrase.
pub(super) struct KeyCost {
    salts: usize,
    iterations: u64,
}

impl KeyCost {
    /// Adds up the derivations that opening an image takes.
    pub(super) fn of(protection: &senetas::Protection) -> Self {
        let all = protection.config.iter().chain(protection.layers.iter().flatten());
        let derivations: BTreeSet<_> = all.map(|data| (data.salt, data.iterations)).collect();
        let iterations = derivations.iter().map(|(_, rounds)| u64::from(*rounds)).sum();
        Self { salts: derivations.len(), iterations }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "algorithm": "PBKDF2-HMAC-SHA256",
            "salts": self.salts,
            "iterations": self.iterations,
        })
    }
}

impl fmt::Display for KeyCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { salts, iterations } = self;
        write!(f, "PBKDF2-HMAC-SHA256, {iterations} iterations in all, for {salts} salt(s)")
    }
}

/// Returns the ways in which the keys of an image's layers are wrapped, each once.
pub(super) fn schemes(protection: &ocicrypt::Protection) -> Vec<String> {
    protection.schemes().iter().map(|name| printable(name)).collect()
}
