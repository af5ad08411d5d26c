//! The seam between headers and the kinds of identities.

use crate::file_key::{FileKey, UnwrapError};
use crate::stanza::Stanza;

/// A secret key, which unwraps the file keys that were wrapped to it.
pub trait Identity {
    /// Unwraps the file key of a stanza, if the stanza is for this identity.
    ///
    /// Nobody has [checked][crate::Header::check] the file key against the header yet.
    ///
    /// # Errors
    /// The stanza is of this identity's kind, and gives its file key away.
    fn unwrap_stanza(&self, stanza: &Stanza<'_>) -> Result<Option<FileKey>, UnwrapError>;
}
