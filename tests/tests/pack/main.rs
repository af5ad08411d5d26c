//! Packed programs, as their users make and start them: what they do that the bare program does,
//! what they tell nobody, and what they refuse.

#![allow(missing_docs, clippy::unwrap_used)]

mod age;
mod damage;
#[cfg(feature = "engine")]
mod engine;
mod kinds;
mod programs;
mod refused;
mod respond;
mod respond_image;
mod same;
mod starts;
mod workshop;
