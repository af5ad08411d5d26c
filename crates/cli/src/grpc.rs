//! gRPC, as far as key providers speak it: calls with one message and one answer, without compression.
//!
//! `keyprovider` is generated: the messages, the client and the server of the service. `client` calls, and
//! `server` answers. `codec` writes messages and reads them, and `body` bounds what comes. Callers provide the
//! streams, and know the meaning of the messages.
//!
//! Keys are in the messages, and each of our own copies is wiped. Two copies of a received message cannot be
//! reached, and stay in freed memory: the one in tonic's buffer, and the one in h2's.

mod body;
mod client;
mod codec;
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, unused_qualifications, reason = "it is generated")]
mod keyprovider;
mod server;

pub(crate) use client::{CallFailure, call};
pub(crate) use server::{Service, serve};
