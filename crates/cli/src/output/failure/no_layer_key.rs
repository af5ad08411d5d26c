//! The error of a decoder that has no key for a layer. An operator reads it among the lines of other programs.

use std::path::PathBuf;

use sealcrate_core::ErrorClass;
use sealcrate_errors::Classified;
use thiserror::Error;

/// Tells that no key on this machine opens a layer.
#[derive(Debug, Error)]
#[error("no key for layer {layer}: {}", self.tried())]
pub(crate) struct NoLayerKey {
    /// The layer.
    pub(crate) layer: String,
    /// How many keys were tried.
    pub(crate) count: usize,
    /// The folder of the keys, beside those that the client sent.
    pub(crate) folder: Option<PathBuf>,
    /// The files there that are no key, and why.
    pub(crate) unusable: Vec<String>,
}

impl NoLayerKey {
    fn tried(&self) -> String {
        let place = match &self.folder {
            Some(folder) => format!("in {}", folder.display()),
            None => "from the client, and no --decryption-keys-path is given".to_owned(),
        };
        let mut text = match self.count {
            0 => format!("there is none {place}"),
            1 => format!("the only one {place} is not a recipient's"),
            count => format!("none of the {count} {place} is a recipient's"),
        };
        if let [first, others @ ..] = &self.unusable[..] {
            text.push_str(&format!("; not usable: {first}"));
            if !others.is_empty() {
                text.push_str(&format!(", and {} more", others.len()));
            }
        }
        text
    }
}

impl Classified for NoLayerKey {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_keys_are_told_from_those_of_others() {
        let told = |count, folder: Option<&str>, unusable: &[&str]| {
            let unusable = unusable.iter().map(|&text| text.to_owned()).collect();
            let folder = folder.map(PathBuf::from);
            let error = NoLayerKey { layer: "0123".to_owned(), count, folder, unusable };
            error.to_string()
        };
        assert_eq!(told(0, Some("/k"), &[]), "no key for layer 0123: there is none in /k");
        assert!(told(1, Some("/k"), &[]).ends_with("the only one in /k is not a recipient's"));
        assert!(told(2, Some("/k"), &[]).ends_with("none of the 2 in /k is a recipient's"));
        assert!(told(0, None, &[]).ends_with("no --decryption-keys-path is given"));
        assert!(told(0, Some("/k"), &["a: b"]).ends_with("in /k; not usable: a: b"));
        assert!(told(0, Some("/k"), &["a: b", "c"]).ends_with("not usable: a: b, and 1 more"));
    }
}
