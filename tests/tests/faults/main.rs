//! Faults, tampering and secrecy, on real parts: the binary, a Docker engine, CNCF registries, and
//! a proxy between them that makes faults.
//!
//! With any fault, an operation ends whole or leaves nothing: no tag, no image, no layer, no file.

mod again;
mod bound;
mod downloads;
#[cfg(feature = "engine")]
mod engine;
mod envelopes;
mod interruption;
mod memory;
mod places;
mod redirects;
mod remembered;
mod requests;
mod secrecy;
mod tampering;
mod uploads;
