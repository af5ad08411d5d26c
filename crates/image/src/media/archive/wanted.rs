//! The wanted parts of an archive whose image is known before it comes. This module knows under
//! which names an engine puts the config and the layers into it, and which of them need not be kept.
//!
//! Engines before 25 name a layer's folder by its "v1 ID", which follows from the diff IDs. The
//! topmost layer has another ID; its folder is the one that remains. Later engines name a layer's
//! file by its diff ID. Docker's "Image Specification v1.2", "Combined Image JSON + Filesystem
//! Changeset Format".

use std::collections::{HashMap, HashSet};

use super::entries::Entries;
use super::listed::Listed;
use crate::{ChainId, DiffId, Digest};

/// An image that an archive will hold.
pub struct Wanted {
    /// The names that the config may have.
    config: [String; 2],
    layers: Vec<WantedLayer>,
    /// Which layer has which name.
    by_name: HashMap<String, usize>,
}

struct WantedLayer {
    diff_id: DiffId,
    is_skipped: bool,
}

impl Wanted {
    /// Wants the image whose config is `id` and whose layers are `diff_ids`, lowest first, without
    /// the bytes of the `skipped` layers.
    pub fn new(id: Digest, diff_ids: &[DiffId], skipped: &HashSet<DiffId>) -> Self {
        let layer = |diff_id: &DiffId| WantedLayer {
            diff_id: *diff_id,
            is_skipped: skipped.contains(diff_id),
        };
        let mut by_name = HashMap::new();
        for (place, diff_id) in diff_ids.iter().enumerate() {
            by_name.entry(blob_name(diff_id.0)).or_insert(place);
        }
        let lower = &diff_ids[..diff_ids.len().saturating_sub(1)];
        by_name.extend(v1_ids(lower).enumerate().map(|(i, id)| (format!("{id}/{LAYER}"), i)));
        let config = [format!("{}.json", id.hex()), blob_name(id)];
        Self { config, layers: diff_ids.iter().map(layer).collect(), by_name }
    }

    /// Returns the diff ID of the layer in the entry `name`, if its bytes are not wanted.
    pub(super) fn skipped(&self, name: &str) -> Option<DiffId> {
        let place = match self.by_name.get(name) {
            Some(place) => Some(*place),
            None if is_layer(name) => self.layers.len().checked_sub(1),
            None => None,
        };
        self.layers.get(place?).filter(|layer| layer.is_skipped).map(|layer| layer.diff_id)
    }

    /// Tells whether any layer's bytes are not wanted.
    pub(super) fn skips_any(&self) -> bool {
        self.layers.iter().any(|layer| layer.is_skipped)
    }

    /// Tells whether `entries` has all that is wanted.
    pub(super) fn is_all_in(&self, entries: &Entries) -> bool {
        self.names_in(entries).is_some()
    }

    /// Returns the image as a list would have it, if `entries` has all that is wanted of it. Adds
    /// the skipped layers that have not come.
    pub(super) fn listed(&self, entries: &mut Entries) -> Option<Listed> {
        let (config, names) = self.names_in(entries)?;
        let layers = names.into_iter().zip(&self.layers).map(|(name, layer)| {
            name.unwrap_or_else(|| {
                let name = blob_name(layer.diff_id.0);
                entries.skip(name.clone(), layer.diff_id, 0);
                name
            })
        });
        Some(Listed { config, repo_tags: Vec::new(), layers: layers.collect() })
    }

    /// Returns the names of the config and of the layers. A skipped layer may be without a name.
    fn names_in(&self, entries: &Entries) -> Option<(String, Vec<Option<String>>)> {
        let config = self.config.iter().find(|name| entries.has(name))?.clone();
        let mut names: Vec<Option<String>> = vec![None; self.layers.len()];
        // A link's layer may come after it.
        let is_there = |name: &str| entries.has(entries.target(name));
        for (name, place) in self.by_name.iter().filter(|(name, _)| is_there(name)) {
            names[*place] = Some(name.clone());
        }
        if let Some(top) = names.last_mut().filter(|top| top.is_none()) {
            let is_top =
                |name: &&str| is_layer(name) && !self.by_name.contains_key(*name) && is_there(name);
            *top = entries.names().find(is_top).map(str::to_owned);
        }
        let mut both = names.iter().zip(&self.layers);
        both.all(|(name, layer)| name.is_some() || layer.is_skipped).then_some((config, names))
    }
}

/// The name of a layer's file in its folder.
const LAYER: &str = "layer.tar";

fn is_layer(name: &str) -> bool {
    name.rsplit_once('/').is_some_and(|(_, file)| file == LAYER)
}

fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The container config that an engine writes for every layer but the topmost, in its own order.
const EMPTY_CONTAINER: &str = concat!(
    r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"#,
    r#""AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"#,
    r#""Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"#,
    r#""OnBuild":null,"Labels":null}"#
);

/// Returns the v1 IDs of layers, in hex, lowest first. None of `diff_ids` may be the topmost
/// layer's.
pub(super) fn v1_ids(diff_ids: &[DiffId]) -> impl Iterator<Item = String> {
    let mut parent: Option<String> = None;
    ChainId::of(diff_ids).into_iter().map(move |chain_id| {
        let above = match &parent {
            Some(parent) => format!(r#","parent":"sha256:{parent}""#),
            None => String::new(),
        };
        let config = format!(
            r#"{{"container_config":{EMPTY_CONTAINER},"created":"1970-01-01T00:00:00Z","layer_id":"{chain_id}"{above}}}"#
        );
        let id = Digest::of(config.as_bytes()).hex();
        parent = Some(id.clone());
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_as_an_engine_names_them() {
        // Recorded from an image that Docker 20.10.24 exported.
        let diff_ids = [
            "1fa03909760cf5f2f1501c5b33606f924a040d47a81c39689d2052813b8abc9a",
            "3765ed873154185335bf3434f83c5b2a31e21dde13521e3e35cc9154e6957107",
            "63c7e00137d916330b27913ae9b39bafac0b2f7338d88f03b4227c692dc8579c",
        ]
        .map(|hex| DiffId(format!("sha256:{hex}").parse().unwrap()));
        let found: Vec<String> = v1_ids(&diff_ids).collect();
        let expected = [
            "14924b1e1dab205a2f7e40293d792f323032e814cbd641e095c1516080712fe7",
            "4037967ad9985658f496f5d38f966eb73fd679cb90cee81967c465f29fac26df",
            "349b9cffbe95a4eb286121d41777e9b1610bf78d5973a360c553ba61d1e676fe",
        ];
        assert_eq!(found, expected);
    }
}
