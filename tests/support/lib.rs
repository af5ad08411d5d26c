//! The real parts that the end-to-end tests are made of: a Docker engine, containerd, CNCF registries, a
//! token issuer, and a sandbox for the binary under test. The proxy that makes faults is the one of the
//! test kit.
//!
//! Everything here panics with a message when it cannot do its work: that is a failed test. `cargo xtask
//! test` sets the variable that [`Engine`] reads.

pub use crate::engines::containerd::{Containerd, as_root};
pub use crate::engines::crun::CrunPodman;
pub use crate::engines::engine::{Builder, Engine, EngineImage, assert_provided, busybox, program};
pub use crate::engines::pod::{Pod, PodContainer};
pub use crate::engines::podman::PodmanService;
pub use crate::machine::done::Done;
pub use crate::machine::sandbox::{Sandbox, files_containing};
pub use crate::machine::typist::Typist;
pub use crate::memory::folder::MemoryFolder;
pub use crate::memory::steps::{MemoryStep, assert_all_are_told, memory_steps, noise};
pub use crate::secrets::noted::{note_key, note_secret};
pub use crate::secrets::transcript::{Leak, leaks_in, record, record_printed, transcripts};
pub use crate::servers::authority::Authority;
pub use crate::servers::grpc;
pub use crate::servers::key_provider::{GeneratedClient, KeyProviderService};
pub use crate::servers::registry::{PASSWORD, Registry, USERNAME};
pub use crate::servers::token_issuer::{Anonymous, Caller, TokenIssuer, TokenLife, TokenRequest};

mod engines;
pub mod fixtures;
mod machine;
mod memory;
mod secrets;
mod servers;
