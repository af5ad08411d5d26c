//! Everything that runs locked images beside this machine's Docker engine.

mod deployment;
mod foreign;
mod kubernetes;
mod podman;
mod rootless;
