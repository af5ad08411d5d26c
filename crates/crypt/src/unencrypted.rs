//! What is done about images that are not encrypted where encrypted ones are expected.

/// What to do about an image, or a part of one, that is not encrypted though a key was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unencrypted {
    /// Take it as it is.
    Accept,
    /// Fail: somebody may have put it in the place of an encrypted one.
    Refuse,
}
