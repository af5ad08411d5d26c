//! Locked images on a real engine, each beside its original.

#![allow(clippy::unwrap_used)]

mod applications;
mod back;
mod base;
mod confined;
mod container;
mod deployment;
mod ended;
mod exchanged;
mod fixture;
mod foreign;
mod in_place;
mod kubernetes;
mod languages;
mod limits;
mod memory;
mod neighbours;
mod owners;
mod parts;
mod places;
mod podman;
mod refused;
mod reuse;
mod rootless;
mod secrecy;
mod servers;
mod terminal;
