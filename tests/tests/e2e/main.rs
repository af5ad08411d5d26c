//! The binary as its users run it, with a real engine and real registries: what it does, and what
//! it refuses to do.

#![allow(missing_docs, clippy::unwrap_used)]

mod attestations;
mod builders;
mod machine;
mod made;
mod passphrases;
mod places;
mod protection;
mod registries;
mod selection;
mod stored;
mod terminal;
