//! Bindings: how images are bound, and the binding that a reader demands.

/// How a reader treats an encrypted image in which nothing binds layers and config together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbound {
    /// Take it: most tools write no other.
    Accept,
    /// Fail.
    Refuse,
    /// Fail, and refuse bindings of version 1 as well.
    RefuseVersion1,
}

/// How an image's layers and config are bound to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Nothing: another tool wrote the image, or nothing in it is encrypted.
    None,
    /// A binding beside each layer's key, which covers config, layers and their order.
    Version1,
    /// The sealed record, which covers all that the manifest says.
    Version2,
}

impl Binding {
    /// Tells whether a reader who says `unbound` takes an image that is held together so.
    pub(crate) fn is_taken(self, unbound: Unbound) -> bool {
        match unbound {
            Unbound::Accept => true,
            Unbound::Refuse => self != Self::None,
            Unbound::RefuseVersion1 => self == Self::Version2,
        }
    }
}
