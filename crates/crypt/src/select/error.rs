//! The reasons that layers cannot be selected.

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use super::label_name::LABEL;

/// Why layers cannot be chosen.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectError {
    /// A LABEL instruction names the label, but its text has more than one reading.
    #[error("cannot tell what this instruction sets {LABEL} to: {0:?}")]
    AmbiguousLabel(String),
    /// The history and the config disagree on the number of layers.
    #[error("the history tells of {in_history} layers, but the image has {layers}")]
    HistoryMismatch {
        /// The number of history entries that made a layer.
        in_history: usize,
        /// The number of layers in the config.
        layers: usize,
    },
    /// The label is neither `true` nor `false`.
    #[error("{LABEL} must be \"true\" or \"false\", not {0:?}")]
    LabelValue(String),
    /// No instruction sets the label.
    #[error("the image was not built with the label {LABEL}")]
    NoLabel,
    /// There is no such layer.
    #[error("there is no layer {index}: the image has {layers} layers")]
    NoSuchLayer {
        /// The layer's number, as the user gave it.
        index: i64,
        /// The number of layers in the image.
        layers: usize,
    },
    /// The base image's layers are not the lowest of the image.
    #[error("the image is not built on that base image")]
    NotTheBase,
    /// The selection chooses no layer.
    #[error("no layer is chosen for encryption")]
    Nothing,
}

impl Classified for SelectError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::AmbiguousLabel(_)
            | Self::HistoryMismatch { .. }
            | Self::LabelValue(_)
            | Self::NoLabel
            | Self::NoSuchLayer { .. }
            | Self::NotTheBase
            | Self::Nothing => Some(ErrorClass::Failure),
        }
    }
}
