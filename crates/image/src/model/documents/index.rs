//! Indexes: lists of manifests, one a platform, and of their attestations.

use sealcrate_errors::{Classified, ErrorClass};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::documents::strict;
use crate::{Descriptor, Digest, ManifestError, MediaType, Platform, RawManifest, Remarks};

/// The most children that an index may have.
const MAX_CHILDREN: usize = 1000;

/// A list of manifests.
///
/// OCI image specification, "Image Index"; Docker's manifest list has the same members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    schema_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<MediaType>,
    /// The children.
    pub manifests: Vec<Descriptor>,
    /// Its other members.
    #[serde(flatten)]
    pub remarks: Remarks,
}

impl Index {
    /// Makes an OCI index of `manifests`.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        let media_type = Some(MediaType::OCI_INDEX);
        Self { schema_version: 2, media_type, manifests, remarks: Remarks::default() }
    }

    /// Returns the same index under `media_type`, with `remarks`.
    pub fn with_remarks(self, media_type: MediaType, remarks: Remarks) -> Self {
        Self { media_type: Some(media_type), remarks, ..self }
    }

    /// Parses an index.
    ///
    /// # Errors
    /// An image manifest, malformed JSON, or more than 1000 children.
    pub fn parse(raw: &RawManifest) -> Result<Self, ManifestError> {
        if !raw.media_type().is_index() {
            return Err(ManifestError::MediaType(raw.media_type().clone()));
        }
        let index: Self =
            strict::parse(raw.bytes(), &strict::MANIFEST).map_err(ManifestError::Json)?;
        if index.manifests.len() > MAX_CHILDREN {
            return Err(ManifestError::TooManyChildren(index.manifests.len()));
        }
        Ok(index)
    }

    /// Returns the type of the index.
    pub fn media_type(&self) -> MediaType {
        self.media_type.clone().unwrap_or(MediaType::OCI_INDEX)
    }

    /// Tells whether the child that `descriptor` describes is an attestation, and no image.
    pub fn is_attestation(descriptor: &Descriptor) -> bool {
        is_attestation(descriptor)
    }

    /// Writes the index out.
    pub fn to_raw(&self) -> RawManifest {
        let bytes = serde_json::to_vec(self).expect("an index is made of JSON values");
        RawManifest::new(self.media_type(), bytes)
    }

    /// Returns the child for `platform`; without one, the child for this machine, or the only image
    /// of the index.
    ///
    /// # Errors
    /// No child fits; the error lists the platforms that there are. No child is an image.
    pub fn child(&self, platform: Option<&Platform>) -> Result<&Descriptor, IndexError> {
        let images: Vec<&Descriptor> = self.images().collect();
        let here = Platform::of_this_machine();
        let wanted = platform.unwrap_or(&here);
        let fits = |child: &&&Descriptor| {
            child.platform.as_ref().is_some_and(|platform| platform.serves(wanted))
        };
        match (images.iter().find(fits), platform, &images[..]) {
            (Some(child), _, _) => Ok(child),
            (None, None, [only]) => Ok(only),
            (None, _, []) => Err(IndexError::Empty),
            _ => Err(IndexError::OtherPlatforms {
                wanted: wanted.to_string(),
                there: images
                    .iter()
                    .map(|child| {
                        child
                            .platform
                            .as_ref()
                            .map_or_else(|| "unnamed".to_owned(), Platform::to_string)
                    })
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// Returns the children that are images, not attestations about them.
    pub fn images(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifests.iter().filter(|child| !is_attestation(child))
    }

    /// Returns the attestations about the child that `digest` names.
    pub fn attestations_of(&self, digest: Digest) -> impl Iterator<Item = &Descriptor> {
        let digest = digest.to_string();
        self.manifests.iter().filter(move |child| {
            is_attestation(child) && child.annotations.get(ATTESTED).is_none_or(|of| *of == digest)
        })
    }
}

/// The annotation by which BuildKit names the manifest that an attestation is about.
pub const ATTESTED: &str = "vnd.docker.reference.digest";

/// The annotation by which BuildKit marks attestations.
pub const ATTESTATION: &str = "vnd.docker.reference.type";

/// The annotation that marks attestations, and its value there.
const KIND: (&str, &str) = (ATTESTATION, "attestation-manifest");

/// Recognises BuildKit's provenance and SBOM manifests: they have its annotation, and are for no platform.
/// If a child has only one of both, other tools may run it.
fn is_attestation(child: &Descriptor) -> bool {
    let unknown = child
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os == "unknown" && platform.architecture == "unknown");
    unknown && child.annotations.get(KIND.0).is_some_and(|kind| kind == KIND.1)
}

/// Why no image of an index fits.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexError {
    /// None of its children is an image.
    #[error("the index has no image")]
    Empty,
    /// Its images are for other platforms.
    #[error("the index has no image for {wanted}, only for: {there}")]
    OtherPlatforms {
        /// The platform that the caller asked for.
        wanted: String,
        /// The platforms that it has.
        there: String,
    },
}

impl Classified for IndexError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Empty | Self::OtherPlatforms { .. } => Some(ErrorClass::Failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(platform: &str) -> Descriptor {
        let mut child = Descriptor::of(MediaType::OCI_MANIFEST, platform.as_bytes());
        child.platform = Some(platform.parse().unwrap());
        child
    }

    fn attestation() -> Descriptor {
        let mut child = child("unknown/unknown");
        child.annotations.insert(KIND.0.to_owned(), KIND.1.to_owned());
        child
    }

    #[test]
    fn platform_chooses_and_attestations_never_do() {
        let index = Index::new(vec![attestation(), child("linux/s390x"), child("linux/arm64/v8")]);
        let arm: Platform = "linux/arm64".parse().unwrap();
        assert_eq!(index.child(Some(&arm)).unwrap(), &index.manifests[2]);
        let riscv: Platform = "linux/riscv64".parse().unwrap();
        let error = index.child(Some(&riscv)).unwrap_err().to_string();
        assert!(error.ends_with("linux/riscv64, only for: linux/s390x, linux/arm64/v8"), "{error}");
        let unknown: Platform = "unknown/unknown".parse().unwrap();
        assert!(index.child(Some(&unknown)).is_err());
    }

    #[test]
    fn the_only_image_needs_no_platform_but_yields_to_one() {
        let index = Index::new(vec![child("linux/s390x"), attestation()]);
        assert_eq!(index.child(None).unwrap(), &index.manifests[0]);
        assert!(index.child(Some(&"linux/riscv64".parse().unwrap())).is_err());
    }

    #[test]
    fn index_of_attestations_alone_is_empty() {
        for manifests in [Vec::new(), vec![attestation()]] {
            let index = Index::new(manifests);
            for platform in [None, Some(Platform::of_this_machine())] {
                assert_eq!(index.child(platform.as_ref()), Err(IndexError::Empty));
            }
        }
    }

    #[test]
    fn attestation_needs_both_its_mark_and_no_platform() {
        let mut marked = child("linux/amd64");
        marked.annotations.insert(KIND.0.to_owned(), KIND.1.to_owned());
        let index = Index::new(vec![marked, child("unknown/unknown"), attestation()]);
        assert_eq!(index.images().collect::<Vec<_>>(), [&index.manifests[0], &index.manifests[1]]);
    }

    #[test]
    fn attestations_are_found_by_what_they_are_about() {
        let image = child("linux/amd64");
        let mut about = attestation();
        about.annotations.insert(ATTESTED.to_owned(), image.digest.to_string());
        let mut other = attestation();
        other.annotations.insert(ATTESTED.to_owned(), about.digest.to_string());
        let index = Index::new(vec![image.clone(), about.clone(), other]);
        assert_eq!(index.attestations_of(image.digest).collect::<Vec<_>>(), [&about]);
        assert_eq!(index.images().collect::<Vec<_>>(), [&image]);
    }
}
