//! Locked images on a real engine, each beside the image that it was made of.

#![allow(clippy::unwrap_used)]

mod applications;
mod back;
mod confined;
mod deployment;
mod fixture;
mod foreign;
mod places;
mod refused;
mod reuse;
mod secrecy;
