//! The two families of formats that images are stored in.

/// The family of media types that a manifest and its blobs bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Docker's image manifest, version 2, schema 2.
    Docker,
    /// The OCI image specification.
    Oci,
}
