//! Locked images on a real engine, each beside its original.

#![allow(clippy::unwrap_used)]

mod container;
mod engines;
mod fixture;
mod images;
mod programs;
mod starts;
