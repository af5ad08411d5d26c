//! Images by themselves: what of them is encrypted, and how they are described.

mod attestations;
pub(crate) mod indexes;
mod inspect;
mod protection;
mod reencrypt;
mod selection;
