//! Selection of the layers of an image to encrypt.
//!
//! The history's `empty_layer` tells which steps made a layer, never a layer's size. If the history
//! does not fit the layers, that is an error; nothing guesses.

use std::collections::BTreeSet;

use sealcrate_image::{Config, DiffId, HistoryEntry};
use serde_json::{Map, Value};

mod error;
mod label;
mod label_name;

pub use error::SelectError;
pub use label_name::LABEL;

/// The way to choose the layers to encrypt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every layer above a base image, which has these diff IDs.
    Above(Vec<DiffId>),
    /// Every layer.
    All,
    /// These layers: 0 is the lowest, −1 the topmost.
    Indices(Vec<i64>),
    /// The layers after which the label's state is `true`.
    Label,
}

/// The places of the layers that were chosen in one image, which is not encrypted yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen(BTreeSet<usize>);

impl Chosen {
    /// Takes places. The caller has checked that no part of the image is encrypted.
    pub(crate) fn new(places: BTreeSet<usize>) -> Self {
        Self(places)
    }

    /// Returns the places, lowest first from 0.
    pub fn places(&self) -> &BTreeSet<usize> {
        &self.0
    }

    /// Takes the places out.
    pub(crate) fn into_places(self) -> BTreeSet<usize> {
        self.0
    }
}

impl Selection {
    /// Returns the places of the chosen layers of the image that `config` describes, lowest first
    /// from 0. There is at least one.
    ///
    /// # Errors
    /// The choice does not fit the image, or chooses nothing.
    pub fn of(&self, config: &Config) -> Result<BTreeSet<usize>, SelectError> {
        let diff_ids = config.diff_ids();
        let layers = diff_ids.len();
        let chosen = match self {
            Self::Above(base) => {
                if !diff_ids.starts_with(base) {
                    return Err(SelectError::NotTheBase);
                }
                (base.len()..layers).collect()
            }
            Self::All => (0..layers).collect(),
            Self::Indices(indices) => indices
                .iter()
                .map(|&index| {
                    let from_below = if index < 0 {
                        i64::try_from(layers).ok()?.checked_add(index)?
                    } else {
                        index
                    };
                    usize::try_from(from_below).ok().filter(|&place| place < layers)
                })
                .zip(indices)
                .map(|(place, &index)| place.ok_or(SelectError::NoSuchLayer { index, layers }))
                .collect::<Result<_, _>>()?,
            Self::Label => by_label(&config.history, layers, &labels(config))?,
        };
        if chosen.is_empty() {
            return Err(SelectError::Nothing);
        }
        Ok(chosen)
    }
}

/// Tells whether a step of the build of `config` switches encryption on or off.
pub(crate) fn is_switch(step: &HistoryEntry, config: &Config) -> bool {
    step.empty_layer && matches!(label::switch(&step.created_by, &labels(config)), Ok(Some(_)))
}

fn labels(config: &Config) -> Map<String, Value> {
    match config.runtime.get("Labels") {
        Some(Value::Object(labels)) => labels.clone(),
        _ => Map::new(),
    }
}

fn by_label(
    history: &[HistoryEntry],
    layers: usize,
    labels: &Map<String, Value>,
) -> Result<BTreeSet<usize>, SelectError> {
    let in_history = history.iter().filter(|entry| !entry.empty_layer).count();
    let mut chosen = BTreeSet::new();
    let (mut next, mut state) = (0, None);
    for entry in history {
        if entry.empty_layer {
            if let Some(switched) = label::switch(&entry.created_by, labels)? {
                state = Some(switched);
            }
            continue;
        }
        if state == Some(true) {
            chosen.insert(next);
        }
        next += 1;
    }
    if state.is_none() {
        return Err(SelectError::NoLabel);
    }
    if in_history != layers {
        return Err(SelectError::HistoryMismatch { in_history, layers });
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use sealcrate_image::Digest;

    use super::*;

    /// Builds a config with these `created_by` texts. Texts that begin with `+` make a layer.
    fn config(steps: &[&str]) -> Config {
        let ids: Vec<String> = (0..steps.iter().filter(|step| step.starts_with('+')).count())
            .map(|i| Digest::of(&[i as u8]).to_string())
            .collect();
        let history: Vec<Value> = steps
            .iter()
            .map(|step| match step.strip_prefix('+') {
                Some(text) => serde_json::json!({ "created_by": text }),
                None => serde_json::json!({ "created_by": step, "empty_layer": true }),
            })
            .collect();
        let json = serde_json::json!({ "rootfs": { "diff_ids": ids }, "history": history });
        Config::parse(json.to_string().as_bytes()).unwrap()
    }

    fn chosen(selection: &Selection, config: &Config) -> Result<Vec<usize>, SelectError> {
        selection.of(config).map(|chosen| chosen.into_iter().collect())
    }

    #[test]
    fn label_switches_for_the_layers_after_it() {
        let image = config(&[
            "+ADD base",
            "LABEL com.senetas.crypto.enabled=true",
            "+COPY a # buildkit",
            "ENV x=y",
            "+RUN b # buildkit",
            "/bin/sh -c #(nop)  LABEL com.senetas.crypto.enabled=false",
            "+COPY c",
        ]);
        assert_eq!(chosen(&Selection::Label, &image), Ok(vec![1, 2]));
    }

    #[test]
    fn layers_that_are_empty_still_count() {
        let image = config(&["+WORKDIR /", "LABEL com.senetas.crypto.enabled=true", "+RUN true"]);
        assert_eq!(chosen(&Selection::Label, &image), Ok(vec![1]));
    }

    #[test]
    fn mention_of_the_label_elsewhere_is_no_label() {
        let image = config(&[
            "+RUN echo LABEL com.senetas.crypto.enabled=true",
            "CMD [\"LABEL com.senetas.crypto.enabled=true\"]",
            "+LABEL com.senetas.crypto.enabled=true",
        ]);
        assert_eq!(chosen(&Selection::Label, &image), Err(SelectError::NoLabel));
    }

    #[test]
    fn label_that_selects_nothing_is_an_error() {
        let image = config(&["+COPY a", "LABEL com.senetas.crypto.enabled=true"]);
        assert_eq!(chosen(&Selection::Label, &image), Err(SelectError::Nothing));
    }

    #[test]
    fn history_that_does_not_fit_is_an_error() {
        let mut image = config(&["LABEL com.senetas.crypto.enabled=true", "+COPY a", "+COPY b"]);
        image.history.pop();
        let expected = SelectError::HistoryMismatch { in_history: 1, layers: 2 };
        assert_eq!(chosen(&Selection::Label, &image), Err(expected));
        assert_eq!(chosen(&Selection::All, &image), Ok(vec![0, 1]));
    }

    #[test]
    fn indices_count_from_both_ends() {
        let image = config(&["+a", "+b", "+c"]);
        assert_eq!(chosen(&Selection::Indices(vec![-1, 0, 2]), &image), Ok(vec![0, 2]));
        for index in [3, -4, i64::MIN, i64::MAX] {
            let expected = SelectError::NoSuchLayer { index, layers: 3 };
            assert_eq!(chosen(&Selection::Indices(vec![index]), &image), Err(expected));
        }
    }

    #[test]
    fn base_image_must_lie_below() {
        let image = config(&["+a", "+b", "+c"]);
        let base = image.diff_ids()[..1].to_vec();
        assert_eq!(chosen(&Selection::Above(base), &image), Ok(vec![1, 2]));
        let other = image.diff_ids()[1..].to_vec();
        assert_eq!(chosen(&Selection::Above(other), &image), Err(SelectError::NotTheBase));
        let itself = image.diff_ids().to_vec();
        assert_eq!(chosen(&Selection::Above(itself), &image), Err(SelectError::Nothing));
    }
}
