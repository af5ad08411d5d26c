//! Servers that the binary speaks to: registries, token issuers and key providers, and who certifies them.

pub(crate) mod authority;
pub mod grpc;
pub(crate) mod key_provider;
pub(crate) mod registry;
#[cfg(test)]
mod through_proxy;
pub(crate) mod token_issuer;
