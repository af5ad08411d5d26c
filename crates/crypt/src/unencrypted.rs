//! The policy for images that are not encrypted where the caller expects encrypted ones.

/// The policy for an image, or a part of one, that is not encrypted though the user gave a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unencrypted {
    /// Take it as it is.
    Accept,
    /// Fail: somebody may have put it in the place of an encrypted one.
    Refuse,
}
