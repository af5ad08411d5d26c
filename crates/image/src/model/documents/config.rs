//! Image configs: the members that this program reads, beside the bytes, which it never rewrites.

use sealcrate_errors::{Classified, ErrorClass};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::model::documents::strict;
use crate::model::documents::strict::null_is_empty;
use crate::{DiffId, MAX_LAYERS, Platform};

/// The largest config that is read.
pub const MAX_CONFIG_BYTES: u64 = 8 << 20;

/// The parts of an image config that this program reads.
///
/// OCI image specification, "Image Configuration"; Docker's "Image Specification v1.2".
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Config {
    /// The processor architecture.
    #[serde(default)]
    pub architecture: String,
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// The variant of the architecture.
    #[serde(default)]
    pub variant: Option<String>,
    #[serde(default)]
    rootfs: RootFs,
    /// How the image came to be, oldest first.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub history: Vec<HistoryEntry>,
    /// How containers of it run: environment, command, and so on.
    #[serde(default, deserialize_with = "null_is_empty", rename = "config")]
    pub runtime: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "null_is_empty")]
    diff_ids: Vec<DiffId>,
}

/// One step of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct HistoryEntry {
    /// The instruction, in the builder's words.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub created_by: String,
    /// Tells that the step made no layer.
    #[serde(default)]
    pub empty_layer: bool,
}

impl Config {
    /// Parses a config.
    ///
    /// # Errors
    /// More than [`MAX_CONFIG_BYTES`], malformed JSON, members that occur twice or differ by case alone, or more than [`MAX_LAYERS`] diff IDs.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.len() as u64 > MAX_CONFIG_BYTES {
            return Err(ConfigError::TooLarge);
        }
        let config: Self = strict::parse(bytes, &strict::CONFIG).map_err(ConfigError::Json)?;
        if config.rootfs.diff_ids.len() > MAX_LAYERS {
            return Err(ConfigError::TooManyLayers(config.rootfs.diff_ids.len()));
        }
        Ok(config)
    }

    /// Returns the diff ID of every layer, lowest first.
    pub fn diff_ids(&self) -> &[DiffId] {
        &self.rootfs.diff_ids
    }

    /// Returns the platform that the image is for, where the config names one.
    pub fn platform(&self) -> Option<Platform> {
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty());
        let text = match variant {
            None => format!("{}/{}", self.os, self.architecture),
            Some(variant) => format!("{}/{}/{variant}", self.os, self.architecture),
        };
        text.parse().ok()
    }
}

/// Why a config cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The bytes are no JSON, or not of the right shape.
    #[error("the image config is malformed")]
    Json(#[source] serde_json::Error),
    /// Config and manifest name different numbers of layers.
    #[error("the config names {diff_ids} layers, the manifest {layers}")]
    LayerCount {
        /// How many diff IDs there are.
        diff_ids: usize,
        /// How many layers the manifest has.
        layers: usize,
    },
    /// The config is larger than [`MAX_CONFIG_BYTES`].
    #[error("the image config is larger than 8 MiB")]
    TooLarge,
    /// There are more than [`MAX_LAYERS`] diff IDs.
    #[error("the config names {0} layers, more than 1000")]
    TooManyLayers(usize),
}

impl Classified for ConfigError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    #[test]
    fn members_that_are_null_or_absent_are_empty() {
        for text in ["{}", r#"{"history":null,"config":null,"rootfs":{"diff_ids":null}}"#] {
            assert_eq!(Config::parse(text.as_bytes()).unwrap(), Config::default());
        }
    }

    #[test]
    fn diff_ids_history_and_platform_are_read() {
        let id = Digest::of(b"layer");
        let text = format!(
            r#"{{"architecture":"arm","os":"linux","variant":"v6","config":{{"Env":["A=b"]}},
                "history":[{{"created_by":"LABEL a=b","empty_layer":true}},{{}}],
                "rootfs":{{"type":"layers","diff_ids":["{id}"]}}}}"#
        );
        let config = Config::parse(text.as_bytes()).unwrap();
        assert_eq!(config.diff_ids(), [DiffId(id)]);
        assert_eq!(config.platform().unwrap().to_string(), "linux/arm/v6");
        assert!(config.history[0].empty_layer && !config.history[1].empty_layer);
        assert_eq!(config.runtime["Env"][0], "A=b");
    }

    #[test]
    fn too_large_and_malformed_configs_are_refused() {
        let long = vec![b' '; MAX_CONFIG_BYTES as usize + 1];
        assert!(matches!(Config::parse(&long), Err(ConfigError::TooLarge)));
        for text in ["", "5", r#"{"rootfs":{"diff_ids":["x"]}}"#] {
            assert!(matches!(Config::parse(text.as_bytes()), Err(ConfigError::Json(_))), "{text}");
        }
    }
}
