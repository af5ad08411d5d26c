//! Images in OCI image layouts.

use thiserror::Error;

/// Why an operation on OCI image layouts failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LayoutError {}
