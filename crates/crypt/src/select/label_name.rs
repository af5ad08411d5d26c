//! The name of the label.

/// The Dockerfile label that switches encryption on and off for the layers after it.
pub const LABEL: &str = "com.senetas.crypto.enabled";
