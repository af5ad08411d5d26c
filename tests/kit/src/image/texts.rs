//! Images of texts, the commonest ones of the end-to-end suites.

use serde_json::{Value, json};

use super::layout::Layout;
use super::small::Image;

impl Layout {
    /// Adds an image for a platform (`OS/ARCHITECTURE`) with one gzipped layer for each text, in a file
    /// `/0`, `/1`, … The returned descriptor has the platform.
    ///
    /// `more` are members that the config gets besides the required ones.
    ///
    /// # Panics
    /// If the layout cannot be written.
    pub fn add_image(&self, platform: &str, texts: &[&str], more: Value) -> Value {
        let (os, architecture) = platform.split_once('/').expect("platforms have a slash");
        let names: Vec<_> = (0..texts.len()).map(|place| place.to_string()).collect();
        let files: Vec<_> =
            names.iter().zip(texts).map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
        let mut image = Image::of_files(&files)
            .gzipped()
            .with("os", os.into())
            .with("architecture", architecture.into())
            .with("config", json!({ "Env": ["PATH=/bin"] }));
        for (member, value) in more.as_object().into_iter().flatten() {
            image = image.with(member, value.clone());
        }
        let mut descriptor = image.add_to(self);
        descriptor["platform"] = json!({ "os": os, "architecture": architecture });
        descriptor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_texts_has_its_platform_and_what_else_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(folder.path().to_owned());
        let more = json!({ "created": "now" });
        layout.name(&layout.add_image("linux/arm64", &["one", "two"], more));
        assert_eq!(layout.root()["platform"], json!({ "os": "linux", "architecture": "arm64" }));
        let config = layout.json(&layout.json(&layout.root())["config"]);
        assert_eq!((&config["architecture"], &config["created"]), (&json!("arm64"), &json!("now")));
        assert_eq!(config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(2));
    }
}
