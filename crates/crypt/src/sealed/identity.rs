//! Identities of images, which stay the same when keys are wrapped to others.

use std::fmt;

use sealcrate_image::{Digest, Platform};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The SHA-256 over an image's platform and the digests of its stored blobs. Everybody can compute
/// it, and it survives a change of readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageIdentity(Digest);

impl ImageIdentity {
    /// Computes the identity of an image. An index names `platform` for it, and `layers` are the
    /// digests of its stored layers, lowest first. `config` is the digest of a config in clear, or
    /// `None` for an encrypted config, which changes with the keys.
    pub fn of(
        platform: Option<&Platform>,
        config: Option<Digest>,
        layers: impl IntoIterator<Item = Digest>,
    ) -> Self {
        let platform = platform.map(|platform| {
            let (os, architecture, variant) = platform.normalised();
            [Some(os), Some(architecture), variant]
        });
        let layers: Vec<Digest> = layers.into_iter().collect();
        let text = json!(["sealcrate image", platform, config, layers]).to_string();
        Self(Digest::of(text.as_bytes()))
    }
}

impl fmt::Display for ImageIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts_and_names_of_platforms_do_not() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let arm = platform("linux/arm64");
        let of = ImageIdentity::of(Some(&arm), Some(a), [a, b]);
        assert_eq!(of, ImageIdentity::of(Some(&platform("linux/aarch64/v8")), Some(a), [a, b]));
        for other in [
            ImageIdentity::of(Some(&platform("linux/amd64")), Some(a), [a, b]),
            ImageIdentity::of(None, Some(a), [a, b]),
            ImageIdentity::of(Some(&arm), None, [a, b]),
            ImageIdentity::of(Some(&arm), Some(a), [b, a]),
            ImageIdentity::of(Some(&arm), Some(a), [a]),
        ] {
            assert_ne!(of, other);
        }
    }
}
