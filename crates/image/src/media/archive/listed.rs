//! The list of images that a docker archive holds: its `manifest.json`.

use serde::{Deserialize, Serialize};

use super::ArchiveError;
use super::entries::Entries;
use crate::model::documents::strict::null_is_empty;
use crate::{DiffId, MAX_MANIFEST_BYTES, Reference};

/// The list's name in the archive.
pub(super) const NAME: &str = "manifest.json";

/// How many names an error lists.
const MAX_SHOWN: usize = 20;

/// One image.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    /// The entry of the config.
    pub(super) config: String,
    /// The names of the image. Engines write them without the default registry and folder.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) repo_tags: Vec<String>,
    /// The entries of the layers, lowest first.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) layers: Vec<String>,
}

impl Listed {
    /// Reads the list of images.
    pub(super) fn read(entries: &Entries) -> Result<Vec<Self>, ArchiveError> {
        let bytes = entries.read_whole(NAME, MAX_MANIFEST_BYTES)?;
        serde_json::from_slice(&bytes).map_err(ArchiveError::Json)
    }

    /// Tells whether the image has the name `name`, however the archive spells it.
    pub(super) fn is_named(&self, name: &Reference) -> bool {
        self.repo_tags
            .iter()
            .filter_map(|tag| tag.parse::<Reference>().ok())
            .any(|tag| tag.repository() == name.repository() && tag.tag() == name.tag())
    }
}

/// Names the entry of a layer that this program writes.
pub(super) fn layer_name(diff_id: DiffId) -> String {
    format!("{}.tar", diff_id.0.hex())
}

/// Spells a name as engines do, with its tag.
pub(super) fn repo_tag(name: &Reference) -> Result<String, ArchiveError> {
    let tag = name.tag().ok_or_else(|| ArchiveError::NoTag(name.familiar()))?;
    Ok(format!("{}:{tag}", name.repository().familiar()))
}

/// Lists the images for people.
pub(super) fn names(images: &[Listed]) -> String {
    if images.is_empty() {
        return "none".to_owned();
    }
    let name = |(place, image): (usize, &Listed)| match image.repo_tags.first() {
        None => format!("number {place} (without a name)"),
        // A name may hold anything, and goes to a terminal.
        Some(tag) => format!("{:?}", tag.chars().take(300).collect::<String>()),
    };
    let mut shown: Vec<String> = images.iter().enumerate().take(MAX_SHOWN).map(name).collect();
    if images.len() > MAX_SHOWN {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}
