//! Images as plain data, parsed once and bounded, and the values made of it.

pub(crate) mod compression;
pub(crate) mod content;
pub(crate) mod damage;
pub(crate) mod digest;
pub(crate) mod documents;
pub(crate) mod expansion;
pub(crate) mod image;
pub(crate) mod layer;
pub(crate) mod location;
pub(crate) mod outgoing;
pub(crate) mod printable;
pub(crate) mod reference;
