//! The real parts that the end-to-end tests are made of: a Docker engine, containerd, CNCF registries, a
//! token issuer, a proxy that makes faults, and a sandbox for the binary under test.
//!
//! Everything here panics with a message when it cannot do its work: that is a failed test. `cargo xtask
//! test` sets the variable that [`Engine`] reads.

pub use crate::authority::Authority;
pub use crate::containerd::{Containerd, as_root};
pub use crate::crun::CrunPodman;
pub use crate::done::Done;
pub use crate::engine::{Builder, Engine, EngineImage, assert_provided, busybox};
pub use crate::fault::{Fault, Gate, Rule};
pub use crate::fault_proxy::{FaultProxy, RecordedRequest};
pub use crate::key_provider::{GeneratedClient, KeyProviderService};
pub use crate::memory_folder::MemoryFolder;
pub use crate::memory_steps::{MemoryStep, assert_all_are_told, memory_steps, noise};
pub use crate::pod::{Pod, PodContainer};
pub use crate::podman::PodmanService;
pub use crate::registry::{PASSWORD, Registry, USERNAME};
pub use crate::sandbox::{Sandbox, files_containing};
pub use crate::secrets::{note_key, note_secret};
pub use crate::token_issuer::{Anonymous, Caller, TokenIssuer, TokenLife, TokenRequest};
pub use crate::transcript::{Leak, leaks_in, record, record_printed, transcripts};
pub use crate::typist::Typist;

mod authority;
mod containerd;
mod crun;
mod done;
mod engine;
mod fault;
mod fault_proxy;
pub mod fixtures;
pub mod grpc;
pub mod http;
mod key_provider;
mod memory_folder;
mod memory_steps;
mod pod;
mod podman;
mod registry;
mod sandbox;
mod secrets;
mod server;
mod token_issuer;
mod transcript;
mod typist;
