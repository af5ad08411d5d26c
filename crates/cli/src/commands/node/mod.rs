//! Commands that other programs start on a node: the decoder of containerd, and the key provider.

pub(crate) mod decoder;
pub(crate) mod keyprovider;
