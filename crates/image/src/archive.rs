//! Images in archives.

use thiserror::Error;

/// Why an operation on archives failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {}
