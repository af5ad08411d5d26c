//! The terms on which images are opened.

use crate::Unencrypted;
use crate::sealed::{Home, HomeError, SealedRecord, Unbound};

/// The images that a caller accepts, and the place that they are read from.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The policy for images that are not encrypted.
    pub unencrypted: Unencrypted,
    /// The policy for images that nothing binds.
    pub unbound: Unbound,
    /// The repository that the image is read from, if its place is checked.
    pub place: Option<Home>,
    /// The home that the image must have, whatever place it is read from.
    pub expected: Option<Home>,
}

impl Terms {
    /// Accepts images wherever they come from.
    pub fn anywhere(unencrypted: Unencrypted, unbound: Unbound) -> Self {
        Self { unencrypted, unbound, place: None, expected: None }
    }

    /// Checks an image's place against the home in its record.
    ///
    /// # Errors
    /// The home differs from the expected one, or from the place that the image is read from.
    pub(crate) fn check_home(&self, record: Option<&SealedRecord>) -> Result<(), HomeError> {
        let home = record.and_then(|record| record.home.as_ref());
        Home::check(home, self.place.as_ref(), self.expected.as_ref())
    }
}
