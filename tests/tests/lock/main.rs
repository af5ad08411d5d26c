//! Locked images on a real engine, each beside the image that it was made of.

#![allow(clippy::unwrap_used)]

mod applications;
mod back;
mod base;
mod confined;
mod container;
mod deployment;
mod fixture;
mod foreign;
mod kubernetes;
mod languages;
mod memory;
mod neighbours;
mod owners;
mod places;
mod podman;
mod refused;
mod reuse;
mod rootless;
mod secrecy;
mod servers;
mod terminal;
