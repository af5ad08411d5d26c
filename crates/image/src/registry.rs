//! Images in registries.

use thiserror::Error;

/// Why an operation on registries failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {}
