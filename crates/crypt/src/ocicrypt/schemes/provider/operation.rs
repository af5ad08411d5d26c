//! The two operations of the protocol.

/// The parameter that callers write for a provider which the user named without one.
pub(super) const NO_PARAMETER: &[u8] = b"Enabled";

/// The operation that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Unwraps a layer's private options.
    Unwrap,
    /// Wraps a layer's private options.
    Wrap,
}

impl Operation {
    /// Returns the name in requests.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unwrap => "keyunwrap",
            Self::Wrap => "keywrap",
        }
    }
}
