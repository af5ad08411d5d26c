//! The parts that the tests and benches of all crates share: servers on 127.0.0.1, proxies before them,
//! and small images.
//!
//! It depends on no other crate of sealcrate, so each of them can test itself with it. Its images are
//! independent of the code under test. Everything here panics with a message when it cannot do its
//! work: that is a failed test.

mod counter;
mod digest;
mod fault_proxy;
mod gate;
pub mod http;
mod image;
mod server;

pub use counter::{Counter, Traffic};
pub use digest::digest_of;
pub use fault_proxy::{Fault, FaultProxy, RecordedRequest, Rule};
pub use gate::Gate;
pub use image::{Image, Layout, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Tar, gzip};
pub use server::{Reply, Request, Server, Tripwire};
