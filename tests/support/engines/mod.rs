//! Real engines that run containers: Docker's, Podman's, and containerd with its pods.

pub(crate) mod containerd;
pub(crate) mod crun;
pub(crate) mod engine;
pub(crate) mod pod;
pub(crate) mod podman;
