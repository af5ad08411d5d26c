//! Locked images on a real engine, each beside the image that it was made of.

#![allow(clippy::unwrap_used)]

mod applications;
mod back;
mod base;
mod container;
mod fixture;
mod kubernetes;
mod languages;
mod places;
mod podman;
mod refused;
mod secrecy;
mod servers;
mod terminal;
