//! Compression of layers, decompression, and the bound on what may come out.

pub(crate) mod compressor;
mod decompress;
pub(crate) mod expanded;
pub(crate) mod level;
