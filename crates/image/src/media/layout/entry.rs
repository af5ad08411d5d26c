//! The files of a layout beside its blobs: the marker `oci-layout`, and the entries of `index.json`.

use serde::Deserialize;

use super::LayoutError;
use crate::{Descriptor, Digest, Index, RawManifest};

/// The content of the file `oci-layout`.
pub(crate) const MARKER: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The largest `oci-layout` that is read.
pub(super) const MAX_MARKER_BYTES: u64 = 64 << 10;

/// The annotation that names an image within a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// How many names an error lists.
const MAX_SHOWN: usize = 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

/// Checks the bytes of `oci-layout`.
pub(super) fn check_marker(bytes: &[u8]) -> Result<(), LayoutError> {
    match serde_json::from_slice(bytes) {
        Ok(Marker { image_layout_version }) if image_layout_version.starts_with("1.") => Ok(()),
        _ => Err(LayoutError::Version),
    }
}

/// Parses the bytes of `index.json`.
pub(super) fn parse_index(bytes: Vec<u8>) -> Result<Index, LayoutError> {
    let raw = RawManifest::recognise(None, bytes).map_err(LayoutError::Index)?;
    Index::parse(&raw).map_err(LayoutError::Index)
}

/// Returns the entry of the image `name`, or the only entry where `name` is `None`.
///
/// # Errors
/// None, or several.
pub(super) fn chosen<'a>(
    index: &'a Index,
    name: Option<&str>,
) -> Result<&'a Descriptor, LayoutError> {
    let mut fitting = index.manifests.iter().filter(|entry| {
        name.is_none() || entry.annotations.get(REF_NAME).map(String::as_str) == name
    });
    match (fitting.next(), fitting.next()) {
        (Some(entry), None) => Ok(entry),
        (Some(_), Some(_)) => Err(LayoutError::Several { there: names(index) }),
        (None, _) => {
            let wanted = name.unwrap_or("at all").to_owned();
            Err(LayoutError::NoImage { wanted, there: names(index) })
        }
    }
}

/// Returns the entry of `index.json` for `root` under `name`.
pub(crate) fn named(root: &RawManifest, name: Option<&str>) -> Descriptor {
    let mut entry = root.descriptor();
    if let Some(name) = name {
        entry.annotations.insert(REF_NAME.to_owned(), name.to_owned());
    }
    entry
}

/// Returns the index with `entry` in place of the one of the same name. An entry without a name
/// replaces another one without.
pub(crate) fn with_entry(mut index: Index, entry: Descriptor) -> Index {
    let name = entry.annotations.get(REF_NAME).cloned();
    index.manifests.retain(|other| other.annotations.get(REF_NAME) != name.as_ref());
    index.manifests.push(entry);
    index
}

/// Returns where a blob lies.
pub(crate) fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Lists the images for people.
fn names(index: &Index) -> String {
    if index.manifests.is_empty() {
        return "none".to_owned();
    }
    let name = |entry: &Descriptor| match entry.annotations.get(REF_NAME) {
        None => format!("{} (without a name)", entry.digest.short()),
        // The annotation may hold anything, and goes to a terminal.
        Some(name) => format!("{:?}", name.chars().take(300).collect::<String>()),
    };
    let mut shown: Vec<String> = index.manifests.iter().take(MAX_SHOWN).map(name).collect();
    if index.manifests.len() > MAX_SHOWN {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}
