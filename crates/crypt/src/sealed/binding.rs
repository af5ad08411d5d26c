//! Bindings: the ways in which an image's parts are bound together, and the one that a reader
//! demands.

/// The treatment of an encrypted image in which nothing binds layers and config together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbound {
    /// Accept it: most tools write no binding.
    Accept,
    /// Refuse it.
    Refuse,
    /// Refuse it, and bindings of version 1 as well.
    RefuseVersion1,
}

/// The binding of an image's layers and config to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// None: another tool wrote the image, or nothing in it is encrypted.
    None,
    /// A binding beside each layer's key, which covers config, layers and their order.
    Version1,
    /// The sealed record, which covers the whole manifest.
    Version2,
}

impl Binding {
    /// Tells whether a reader with the policy `unbound` accepts an image with this binding.
    pub(crate) fn is_taken(self, unbound: Unbound) -> bool {
        match unbound {
            Unbound::Accept => true,
            Unbound::Refuse => self != Self::None,
            Unbound::RefuseVersion1 => self == Self::Version2,
        }
    }
}
