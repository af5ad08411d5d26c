//! The descriptor: media type, digest and size of a blob, as a manifest names it.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::model::documents::strict::null_is_empty;
use crate::{Digest, MediaType, Platform};

/// The entry of a manifest or index for one blob or child manifest.
///
/// It drops members that it does not know: a descriptor that is written anew holds nothing that
/// nobody looked at. OCI image specification, "Content Descriptors".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Descriptor {
    /// The media type of the bytes.
    #[serde(rename = "mediaType")]
    pub media_type: MediaType,
    /// The digest of the bytes as stored.
    pub digest: Digest,
    /// The length of the bytes as stored.
    #[serde(deserialize_with = "length")]
    pub size: u64,
    /// Other places that are said to have the bytes. Never fetched.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free-form metadata.
    #[serde(
        default,
        deserialize_with = "null_is_empty",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// In an index: the platform that the child is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The kind of artifact, where the bytes are a manifest.
    #[serde(default, rename = "artifactType", skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// The key data of crypto-cli's format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crypto: Option<Value>,
}

impl Descriptor {
    /// Describes `size` bytes with the required members alone.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
            crypto: None,
        }
    }

    /// Describes `bytes`.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }
}

/// Reads a length, which is a number of 63 bits. OCI image specification, "Descriptor", `size`.
fn length<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let length = u64::deserialize(deserializer)?;
    match i64::try_from(length) {
        Ok(_) => Ok(length),
        Err(_) => Err(D::Error::custom("the size is out of bounds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_of_63_bits() {
        let parse = |size: u64| {
            let digest = Digest::of(b"x");
            let text = format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":{size}}}"#);
            serde_json::from_str::<Descriptor>(&text)
        };
        assert_eq!(parse(u64::MAX >> 1).unwrap().size, u64::MAX >> 1);
        assert!(parse((u64::MAX >> 1) + 1).is_err() && parse(u64::MAX).is_err());
    }

    #[test]
    fn members_that_nobody_specified_are_dropped() {
        let digest = Digest::of(b"x");
        let text = format!(
            r#"{{"mediaType":"a/b","digest":"{digest}","size":1,"crypto":{{"iters":5}},"data":"eA==","x":1}}"#
        );
        let descriptor: Descriptor = serde_json::from_str(&text).unwrap();
        let expected =
            format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":1,"crypto":{{"iters":5}}}}"#);
        assert_eq!(
            serde_json::to_value(&descriptor).unwrap(),
            serde_json::from_str::<Value>(&expected).unwrap()
        );
    }

    #[test]
    fn null_urls_are_no_urls() {
        let digest = Digest::of(b"x");
        let text = format!(r#"{{"mediaType":"a/b","digest":"{digest}","size":1,"urls":null}}"#);
        assert_eq!(serde_json::from_str::<Descriptor>(&text).unwrap().urls.len(), 0);
    }

    #[test]
    fn negative_and_repeated_sizes_are_refused() {
        let digest = Digest::of(b"x");
        for sizes in [r#""size":-1"#, r#""size":1,"size":2"#, r#""size":1.5"#] {
            let text = format!(r#"{{"mediaType":"a/b","digest":"{digest}",{sizes}}}"#);
            assert!(serde_json::from_str::<Descriptor>(&text).is_err(), "{sizes}");
        }
    }
}
