//! What a stranger does on the way to a registry, and as a registry.

mod answers;
mod credentials;
mod time;
