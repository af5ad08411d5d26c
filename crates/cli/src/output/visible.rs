//! The parts of an image that a stranger reads beside its config: annotations, and diff IDs.

use std::collections::BTreeMap;

use sealcrate_image::{Config, Descriptor, Image, Index, Remarks};
use serde_json::{Value, json};

use crate::output::report::printable;

/// The beginning of every annotation of OCI image encryption: wrapped keys, which tell nothing by themselves.
const ENCRYPTION: &str = "org.opencontainers.image.enc.";

/// The beginning of the URL of crypto-cli's format, which holds key data.
const KEY_DATA: &str = "https://crypto.senetas.com/";

/// The parts that a stranger reads, and their places.
pub(crate) struct Visible {
    annotations: Vec<(String, BTreeMap<String, String>)>,
    /// Members that few images have: place, name and text.
    rare: Vec<(String, &'static str, String)>,
    diff_ids: Vec<String>,
}

impl Visible {
    /// Lists the parts of the stored `image`, and of the index that it was chosen from.
    pub(crate) fn of(
        image: &Image,
        listed: Option<(&Index, &Descriptor)>,
        config: &Config,
    ) -> Self {
        let mut annotations = Vec::new();
        if let Some((index, child)) = listed {
            annotations.push(("index".to_owned(), index.remarks.annotations.clone()));
            annotations.push(("child".to_owned(), child.annotations.clone()));
        }
        annotations.push(("manifest".to_owned(), image.remarks.annotations.clone()));
        let layers = image.layers.iter().enumerate().filter_map(|(place, layer)| {
            Some((format!("layer {place}"), layer.descriptor()?.annotations.clone()))
        });
        annotations.extend(layers);
        let mut rare = Vec::new();
        if let Some((index, _)) = listed {
            add_remarks(&mut rare, "index", &index.remarks);
        }
        add_remarks(&mut rare, "manifest", &image.remarks);
        for (place, layer) in image.layers.iter().enumerate() {
            let urls = layer.descriptor().map(|of| of.urls.as_slice()).unwrap_or_default();
            // A container for key data, in the format of crypto-cli.
            let urls = urls.iter().filter(|url| !url.starts_with(KEY_DATA));
            rare.extend(urls.map(|url| (format!("layer {place}"), "URL", url.clone())));
        }
        let diff_ids = config.diff_ids().iter().map(|diff_id| diff_id.0.to_string()).collect();
        Self { annotations, rare, diff_ids }.without_encryption()
    }

    /// Lists the parts of `image` that stay visible after encryption: the annotations of the layers at
    /// `clear`, and the diff IDs of a config that stays in clear.
    pub(crate) fn after_encryption(
        image: &Image,
        clear: impl IntoIterator<Item = usize>,
        config: Option<&Config>,
    ) -> Self {
        let layers = clear.into_iter().filter_map(|place| {
            let annotations = image.layers.get(place)?.descriptor()?.annotations.clone();
            Some((format!("layer {place}"), annotations))
        });
        let diff_ids = config.map(Config::diff_ids).unwrap_or_default();
        let diff_ids = diff_ids.iter().map(|diff_id| diff_id.0.to_string()).collect();
        Self { annotations: layers.collect(), rare: Vec::new(), diff_ids }.without_encryption()
    }

    fn without_encryption(mut self) -> Self {
        for (_, annotations) in &mut self.annotations {
            annotations.retain(|key, _| {
                !key.starts_with(ENCRYPTION) && key != sealcrate_crypt::ocicrypt::RECORD_ANNOTATION
            });
        }
        self.annotations.retain(|(_, annotations)| !annotations.is_empty());
        self
    }

    /// Describes the parts, one line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (place, annotations) in &self.annotations {
            for (key, value) in annotations {
                lines.push(printable(&format!("annotation of the {place}: {key}={value}")));
            }
        }
        for (place, name, text) in &self.rare {
            lines.push(printable(&format!("{name} of the {place}: {text}")));
        }
        if !self.diff_ids.is_empty() {
            lines.push(
                "diff IDs, by which anybody can test guesses of what a small layer holds (--format \
                 crypto-cli, or `sealcrate lock`, hides them)"
                    .to_owned(),
            );
            lines.extend(self.diff_ids.iter().map(|diff_id| format!("diff ID: {diff_id}")));
        }
        lines
    }

    /// Describes the parts for programs.
    pub(crate) fn json(&self) -> Value {
        let annotations: Vec<Value> = self
            .annotations
            .iter()
            .map(|(place, annotations)| json!({ "of": place, "annotations": annotations }))
            .collect();
        let rare: Vec<Value> = self
            .rare
            .iter()
            .map(|(place, name, text)| json!({ "of": place, "member": name, "text": text }))
            .collect();
        json!({ "annotations": annotations, "members": rare, "diffIds": self.diff_ids })
    }
}

/// Adds the remarks of a manifest or index, without its annotations.
fn add_remarks(rare: &mut Vec<(String, &'static str, String)>, place: &str, remarks: &Remarks) {
    if let Some(artifact_type) = &remarks.artifact_type {
        rare.push((place.to_owned(), "artifact type", artifact_type.as_str().to_owned()));
    }
    if let Some(subject) = &remarks.subject {
        rare.push((place.to_owned(), "subject", subject.digest.to_string()));
    }
}
