//! OCI image encryption: descriptors of encrypted layers, and the ways of wrapping keys.

pub(crate) mod age_item;
pub(crate) mod annotations;
pub(crate) mod jwe;
pub(crate) mod pkcs7;
pub(crate) mod provider;
pub(crate) mod provider_answer;
pub(crate) mod provider_config;
pub(crate) mod stream_payload;
