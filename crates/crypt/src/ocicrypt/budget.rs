//! The budget of key operations, so that no image makes its reader work for ever.

use thiserror::Error;

/// The most key operations for one image.
pub const MAX_ATTEMPTS: usize = 4096;

/// The number of key operations that are left.
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    /// Begins with [`MAX_ATTEMPTS`].
    pub(super) fn new() -> Self {
        Self { left: MAX_ATTEMPTS }
    }

    /// Takes the cost of an attempt, before it is made.
    ///
    /// # Errors
    /// There is not so much left.
    pub(super) fn pay(&mut self, cost: usize) -> Result<(), Exhausted> {
        self.left = self.left.checked_sub(cost).ok_or(Exhausted)?;
        Ok(())
    }
}

/// Says that an attempt costs more key operations than are left.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("more than {MAX_ATTEMPTS} attempts")]
pub(super) struct Exhausted;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_is_spent_to_its_end_and_no_further() {
        let mut budget = Budget::new();
        assert_eq!(budget.pay(MAX_ATTEMPTS - 1), Ok(()));
        assert_eq!(budget.pay(2), Err(Exhausted));
        assert_eq!(budget.pay(1), Ok(()));
        assert_eq!((budget.pay(0), budget.pay(1)), (Ok(()), Err(Exhausted)));
    }
}
