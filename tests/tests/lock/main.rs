//! Locked images on a real engine, each beside the image that it was made of.

#![allow(clippy::unwrap_used)]

mod applications;
mod back;
mod fixture;
mod places;
mod refused;
mod secrecy;
mod terminal;
