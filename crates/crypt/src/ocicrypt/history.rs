//! The history of an image with private layers. This format leaves the config in clear, so the
//! history would tell how those layers were made.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use sealcrate_image::{Config, ConfigError, HistoryEntry};
use serde_json::{Map, Value};

use crate::select;

/// The policy for a config's text about private layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// It stays.
    Keep,
    /// Every step from the first private layer to the last loses its text.
    Scrub,
}

impl History {
    /// Returns the bytes of `config` to store if the layers at `places` are private.
    ///
    /// Steps that only set the label stay, so that it can choose the same layers again. Two kinds
    /// of members repeat the steps, and are left out: the last step's container, and BuildKit's own
    /// members. Where history and layers do not fit together, every step counts as private.
    ///
    /// # Errors
    /// The config cannot be read.
    pub fn applied(self, config: &[u8], places: &BTreeSet<usize>) -> Result<Vec<u8>, ConfigError> {
        if self == Self::Keep {
            return Ok(config.to_vec());
        }
        let parsed = Config::parse(config)?;
        let original: Map<String, Value> =
            serde_json::from_slice(config).map_err(ConfigError::Json)?;
        let mut members = original.clone();
        members.retain(|name, _| !tells_of_steps(name));
        let private = private_steps(&parsed, places);
        if let Some(Value::Array(steps)) = members.get_mut("history") {
            let steps = steps.iter_mut().zip(&parsed.history).enumerate();
            for (_, (step, entry)) in steps.filter(|(i, _)| private.contains(i)) {
                let is_text = |name: &str| matches!(name, "author" | "comment" | "created_by");
                if let (Value::Object(step), false) = (step, select::is_switch(entry, &parsed)) {
                    step.retain(|name, _| !is_text(name));
                }
            }
        }
        if members == original {
            // Where nothing changed, the config keeps its bytes and so its digest.
            return Ok(config.to_vec());
        }
        Ok(serde_json::to_vec(&members).expect("a map of JSON values is JSON"))
    }
}

/// Recognizes members that repeat the steps of the history, as the classic builder and BuildKit
/// write them.
fn tells_of_steps(name: &str) -> bool {
    matches!(name, "container" | "container_config") || name.starts_with("moby.buildkit.")
}

fn private_steps(config: &Config, places: &BTreeSet<usize>) -> RangeInclusive<usize> {
    let makes_layer = |(i, step): (usize, &HistoryEntry)| (!step.empty_layer).then_some(i);
    let of_layers: Vec<usize> = config.history.iter().enumerate().filter_map(makes_layer).collect();
    match (places.first(), places.last()) {
        (Some(&first), Some(&last)) if of_layers.len() == config.diff_ids().len() => {
            of_layers[first]..=of_layers[last]
        }
        _ => 0..=config.history.len(),
    }
}

#[cfg(test)]
mod tests {
    use sealcrate_image::Digest;
    use serde_json::json;

    use super::*;

    fn config(layers: usize) -> Value {
        let ids: Vec<_> = (0..layers).map(|i| Digest::of(&[i as u8])).collect();
        json!({
            "container_config": { "Cmd": ["/bin/sh", "-c", "#(nop) COPY secret"] },
            "moby.buildkit.buildinfo.v0": "c2VjcmV0",
            "config": { "Labels": { "com.senetas.crypto.enabled": "false" } },
            "rootfs": { "type": "layers", "diff_ids": ids },
            "history": [
                { "created_by": "ADD base" },
                { "created_by": "ENV a=b", "empty_layer": true },
                { "created_by": "LABEL com.senetas.crypto.enabled=true", "empty_layer": true },
                { "created_by": "COPY secret /", "comment": "buildkit", "created": "now" },
                { "created_by": "ARG SECRET=x", "empty_layer": true },
                { "created_by": "RUN |1 SECRET=x /bin/sh -c make", "author": "me" },
                { "created_by": "LABEL com.senetas.crypto.enabled=false", "empty_layer": true },
                { "created_by": "CMD [\"run\"]", "empty_layer": true },
            ],
        })
    }

    fn scrubbed(config: &Value, places: &[usize]) -> Value {
        let places = places.iter().copied().collect();
        let bytes = History::Scrub.applied(config.to_string().as_bytes(), &places).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn texts(config: &Value) -> Vec<&str> {
        let steps = config["history"].as_array().unwrap();
        steps.iter().map(|step| step["created_by"].as_str().unwrap_or_default()).collect()
    }

    #[test]
    fn steps_of_private_layers_and_between_them_lose_their_text() {
        let scrubbed = scrubbed(&config(3), &[1, 2]);
        let expected = [
            "ADD base",
            "ENV a=b",
            "LABEL com.senetas.crypto.enabled=true",
            "",
            "",
            "",
            "LABEL com.senetas.crypto.enabled=false",
            "CMD [\"run\"]",
        ];
        assert_eq!(texts(&scrubbed), expected);
        assert_eq!(scrubbed["history"][3], json!({ "created": "now" }));
        assert_eq!(scrubbed["history"][4], json!({ "empty_layer": true }));
        for member in ["container_config", "moby.buildkit.buildinfo.v0"] {
            assert!(scrubbed.get(member).is_none(), "{member}");
        }
    }

    #[test]
    fn label_within_stays_and_public_steps_stay() {
        assert_eq!(texts(&scrubbed(&config(3), &[2]))[3], "COPY secret /");
        let all = scrubbed(&config(3), &[0, 2]);
        assert_eq!(texts(&all)[..4], ["", "", "LABEL com.senetas.crypto.enabled=true", ""]);
    }

    #[test]
    fn history_that_does_not_fit_is_private_as_a_whole() {
        let scrubbed = scrubbed(&config(2), &[1]);
        assert!(texts(&scrubbed).iter().all(|text| text.is_empty() || text.starts_with("LABEL")));
    }

    #[test]
    fn bytes_stay_where_there_is_nothing_to_take_or_it_is_kept() {
        let places = [0].into();
        let text = config(3).to_string();
        assert_eq!(History::Keep.applied(text.as_bytes(), &places).unwrap(), text.as_bytes());
        let plain = br#"{ "rootfs": {"diff_ids": []}, "history":[{"created": "now"}] }"#;
        assert_eq!(History::Scrub.applied(plain, &places).unwrap(), plain);
    }
}
