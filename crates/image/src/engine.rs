//! Images in the Docker engine.

use thiserror::Error;

/// Why an operation on the Docker engine failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {}
