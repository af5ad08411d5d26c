//! The media types of Docker's and OCI's manifests, configs and layers, and the compression that they name.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Compression, Family, Printable};

/// The media type of a blob or manifest.
///
/// OCI image specification, "Media Types"; distribution's "Image Manifest V 2, Schema 2".
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaType(Cow<'static, str>);

impl MediaType {
    /// A Docker image manifest, version 2, schema 2.
    pub const DOCKER_MANIFEST: Self =
        Self::known("application/vnd.docker.distribution.manifest.v2+json");
    /// Docker's form of an index.
    pub const DOCKER_INDEX: Self =
        Self::known("application/vnd.docker.distribution.manifest.list.v2+json");
    /// The config of a Docker image.
    pub const DOCKER_CONFIG: Self = Self::known("application/vnd.docker.container.image.v1+json");
    /// A gzipped layer of a Docker image.
    pub const DOCKER_LAYER_GZIP: Self =
        Self::known("application/vnd.docker.image.rootfs.diff.tar.gzip");
    /// An uncompressed layer of a Docker image.
    pub const DOCKER_LAYER: Self = Self::known("application/vnd.docker.image.rootfs.diff.tar");
    /// A zstd-compressed layer of a Docker image, which some registries hold.
    pub const DOCKER_LAYER_ZSTD: Self =
        Self::known("application/vnd.docker.image.rootfs.diff.tar.zstd");
    /// An OCI image manifest.
    pub const OCI_MANIFEST: Self = Self::known("application/vnd.oci.image.manifest.v1+json");
    /// An OCI image index.
    pub const OCI_INDEX: Self = Self::known("application/vnd.oci.image.index.v1+json");
    /// The config of an OCI image.
    pub const OCI_CONFIG: Self = Self::known("application/vnd.oci.image.config.v1+json");
    /// An uncompressed layer of an OCI image.
    pub const OCI_LAYER: Self = Self::known("application/vnd.oci.image.layer.v1.tar");
    /// A gzipped layer of an OCI image.
    pub const OCI_LAYER_GZIP: Self = Self::known("application/vnd.oci.image.layer.v1.tar+gzip");
    /// A zstd-compressed layer of an OCI image.
    pub const OCI_LAYER_ZSTD: Self = Self::known("application/vnd.oci.image.layer.v1.tar+zstd");

    const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Returns the layer media type of `family` for bytes compressed with `compression`.
    pub fn layer(family: Family, compression: Compression) -> Self {
        match (family, compression) {
            (Family::Docker, Compression::None) => Self::DOCKER_LAYER,
            (Family::Docker, Compression::Gzip) => Self::DOCKER_LAYER_GZIP,
            (Family::Docker, Compression::Zstd) => Self::DOCKER_LAYER_ZSTD,
            (Family::Oci, Compression::None) => Self::OCI_LAYER,
            (Family::Oci, Compression::Gzip) => Self::OCI_LAYER_GZIP,
            (Family::Oci, Compression::Zstd) => Self::OCI_LAYER_ZSTD,
        }
    }

    /// Returns the type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether this is one of the two forms of an index.
    pub fn is_index(&self) -> bool {
        *self == Self::DOCKER_INDEX || *self == Self::OCI_INDEX
    }

    /// Tells whether this is one of the two forms of an image manifest.
    pub fn is_manifest(&self) -> bool {
        *self == Self::DOCKER_MANIFEST || *self == Self::OCI_MANIFEST
    }

    /// Tells whether this is the type of an encrypted layer, as OCI image encryption names them. The diff
    /// ID is not of its bytes.
    pub fn is_encrypted(&self) -> bool {
        self.as_str().ends_with("+encrypted")
    }

    /// Returns the compression that the type of a layer names, or `None` for a type that is no ordinary
    /// layer's.
    pub fn compression(&self) -> Option<Compression> {
        let text = self.as_str();
        let rest = text
            .strip_prefix("application/vnd.docker.image.rootfs.")
            .and_then(|rest| rest.strip_prefix("foreign.").or(Some(rest)))
            .and_then(|rest| rest.strip_prefix("diff.tar"))
            .or_else(|| {
                text.strip_prefix("application/vnd.oci.image.layer.")
                    .and_then(|rest| rest.strip_prefix("nondistributable.").or(Some(rest)))
                    .and_then(|rest| rest.strip_prefix("v1.tar"))
            })?;
        match rest {
            "" => Some(Compression::None),
            ".gzip" | "+gzip" => Some(Compression::Gzip),
            ".zstd" | "+zstd" => Some(Compression::Zstd),
            _ => None,
        }
    }
}

impl From<String> for MediaType {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

/// Shows the type printably; [`MediaType::as_str`] returns it as it came.
impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.0).fmt(f)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_type_names_its_compression() {
        for family in [Family::Docker, Family::Oci] {
            for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
                let media_type = MediaType::layer(family, compression);
                assert_eq!(media_type.compression(), Some(compression), "{media_type}");
            }
        }
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".to_owned();
        assert_eq!(MediaType::from(foreign).compression(), Some(Compression::Gzip));
        let encrypted = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted".to_owned();
        assert_eq!(MediaType::from(encrypted).compression(), None);
        assert_eq!(MediaType::OCI_CONFIG.compression(), None);
    }
}
