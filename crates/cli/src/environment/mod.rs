//! The machine around: places, credentials, the way to registries, folders, other programs, signals.

pub(crate) mod cache;
pub(crate) mod credentials;
pub(crate) mod docker_host;
pub(crate) mod insecure;
pub(crate) mod interrupt;
pub(crate) mod places;
pub(crate) mod programs;
pub(crate) mod registry_access;
