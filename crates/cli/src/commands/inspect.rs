//! `inspect`: what of an image is encrypted, how, and what a stranger can read.

use std::collections::BTreeSet;

use anyhow::Result;
use sealcrate_crypt::senetas::{
    self, KeyData, KeyDataShape, KeyDerivation, Protection, Seal, Unencrypted,
};
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Artifact, Config, Image, Layer, Location};
use serde_json::{Value, json};

use super::print;
use crate::args::{ImageName, InspectArgs};
use crate::report::{self, Clear, printable};
use crate::session::{Session, protection};

pub(crate) fn run(args: &InspectArgs, session: &Session) -> Result<()> {
    let location = match &args.image {
        ImageName::Location(location) => location.clone(),
        ImageName::Name(name) => Location::Registry(name.clone()),
    };
    let source = session.places.source(&location, ExportForm::AsTheyCome)?;
    let artifact = Artifact::read(&source)?;
    let image = artifact.into_image(&source, args.platform.as_ref())?;
    let protection = protection(&image)?;
    let passphrase = session.keys.given(&args.passphrase)?;
    let opened = match (&protection, passphrase) {
        (Some(_), Some(passphrase)) => {
            let mut kdf = KeyDerivation::new(passphrase);
            let opened = senetas::decrypt(&image, &mut kdf, Unencrypted::Accept)?;
            Some((Config::parse(&opened.image.config)?, opened.seal))
        }
        _ => None,
    };
    let facts = Facts { location: &location, image: &image, protection, opened };
    print(args.output, &facts.text()?, &facts.json()?)
}

/// What there is to say.
struct Facts<'a> {
    location: &'a Location,
    image: &'a Image,
    protection: Option<Protection>,
    opened: Option<(Config, Seal)>,
}

impl Facts<'_> {
    fn text(&self) -> Result<String> {
        let mut lines = vec![printable(&self.location.to_string())];
        if let Some(manifest) = &self.image.manifest {
            lines.push(format!("manifest  {}", manifest.digest()));
            lines.push(format!("type      {}", printable(manifest.media_type().as_str())));
        }
        lines.push(format!("config    {}, {}", self.image.id(), self.config_state()));
        lines.push(format!("format    {}", self.format()));
        if self.protection.is_some() {
            lines.push(format!("KDF       {}", self.kdf_cost()));
        }
        lines.push("layers".to_owned());
        for (place, layer) in self.image.layers.iter().enumerate() {
            let state = if self.key_data(place).is_some() { "encrypted" } else { "plain" };
            let size = report::bytes(layer.size());
            lines.push(format!("  {place:>3}  {state:<9}  {size:>10}  {}", layer.name()));
        }
        let stored = Config::parse(&self.image.config)?;
        lines.push(format!("a stranger can read: {}", self.readable(&stored)));
        if self.clear() == Clear::Everything {
            lines.extend(report::details(&stored).into_iter().map(|line| format!("  {line}")));
        }
        if let Some((config, seal)) = &self.opened {
            lines.push(format!("with the passphrase ({})", seal_words(*seal)));
            lines.extend(report::details(config).into_iter().map(|line| format!("  {line}")));
        }
        Ok(lines.join("\n"))
    }

    fn json(&self) -> Result<Value> {
        let layers: Vec<Value> = self
            .image
            .layers
            .iter()
            .enumerate()
            .map(|(place, layer)| self.layer_json(place, layer))
            .collect();
        let stored: Value = serde_json::from_slice(&self.image.config)?;
        let mut object = json!({
            "location": self.location.to_string(),
            "manifest": self.image.manifest.as_ref().map(|raw| raw.digest()),
            "mediaType": self.image.manifest.as_ref().map(|raw| raw.media_type()),
            "config": self.image.id(),
            "configEncrypted": self.clear() == Clear::BesideEncryption,
            "format": self.format(),
            "kdf": self.protection.as_ref().map(|_| self.kdf_json()),
            "layers": layers,
            "readableByAnyone": without_ciphertext(stored),
        });
        if let Some((config, seal)) = &self.opened {
            object["sealed"] = (*seal == Seal::Sealed).into();
            object["secret"] = json!({
                "config": config.runtime,
                "diffIds": config.diff_ids(),
                "history": config.history.iter().map(|e| &e.created_by).collect::<Vec<_>>(),
            });
        }
        Ok(object)
    }

    fn layer_json(&self, place: usize, layer: &Layer) -> Value {
        json!({
            "digest": layer.digest(),
            "mediaType": layer.media_type(),
            "size": layer.size(),
            "encrypted": self.key_data(place).is_some(),
        })
    }

    fn key_data(&self, place: usize) -> Option<&KeyData> {
        self.protection.as_ref()?.layers.get(place)?.as_ref()
    }

    fn config_data(&self) -> Option<&KeyData> {
        self.protection.as_ref()?.config.as_ref()
    }

    fn clear(&self) -> Clear {
        match self.config_data() {
            Some(_) => Clear::BesideEncryption,
            None => Clear::Everything,
        }
    }

    fn config_state(&self) -> &'static str {
        match self.clear() {
            Clear::BesideEncryption => "encrypted",
            Clear::Everything => "plain",
        }
    }

    fn format(&self) -> &'static str {
        match self.protection.as_ref().and_then(|protection| protection.shape) {
            Some(KeyDataShape::Member) => "crypto-cli, key data in the member \"crypto\"",
            Some(KeyDataShape::Url) => "crypto-cli, key data in the member \"urls\" (compat)",
            None => {
                let encrypted = |layer: &Layer| layer.media_type().as_str().ends_with("+encrypted");
                if self.image.layers.iter().any(encrypted) {
                    "OCI image encryption"
                } else {
                    "not encrypted"
                }
            }
        }
    }

    /// The derivations that opening the image takes: salts with their rounds.
    fn derivations(&self) -> BTreeSet<([u8; 16], u32)> {
        let Some(protection) = &self.protection else { return BTreeSet::new() };
        let all = protection.config.iter().chain(protection.layers.iter().flatten());
        all.map(|data| (data.salt, data.iterations)).collect()
    }

    fn total_iterations(&self) -> u64 {
        self.derivations().iter().map(|(_, rounds)| u64::from(*rounds)).sum()
    }

    fn kdf_cost(&self) -> String {
        format!(
            "PBKDF2-HMAC-SHA256, {} iterations in all, for {} salt(s)",
            self.total_iterations(),
            self.derivations().len()
        )
    }

    fn kdf_json(&self) -> Value {
        json!({
            "algorithm": "PBKDF2-HMAC-SHA256",
            "salts": self.derivations().len(),
            "iterations": self.total_iterations(),
        })
    }

    fn readable(&self, stored: &Config) -> String {
        let plain = (0..self.image.layers.len())
            .filter(|&place| self.key_data(place).is_none())
            .map(|place| place.to_string())
            .collect::<Vec<_>>();
        let layers = match plain.len() {
            0 => "no layer".to_owned(),
            1 => format!("layer {}", plain.join(", ")),
            _ => format!("layers {}", plain.join(", ")),
        };
        let config = report::visible(stored, self.clear());
        format!("{layers}; the number of layers and their sizes; of the config {config}")
    }
}

fn seal_words(seal: Seal) -> &'static str {
    match seal {
        Seal::Sealed => "the config is sealed whole, so that a change of it is noticed",
        Seal::Unsealed => {
            "written by another tool: platform, author and creation time are not authenticated"
        }
    }
}

/// The encrypted part of a config says nothing to anyone.
fn without_ciphertext(mut stored: Value) -> Value {
    if let Some(members) = stored.as_object_mut() {
        members.remove("enc");
    }
    stored
}
