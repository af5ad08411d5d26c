//! Compression of layers, decompression, and the bound on what may come out.

pub(crate) mod compress;
pub(crate) mod compressor;
pub(crate) mod expansion;
