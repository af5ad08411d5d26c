//! `inspect`: what of an image is encrypted, how, and what a stranger can read.

mod keys;

use anyhow::Result;
use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::ocicrypt::{self, Binding, DecryptError, Unbound};
use sealcrate_crypt::senetas::{self, KeyDataShape, Seal};
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Artifact, Config, Image, Layer, Location};
use serde_json::{Value, json};

use self::keys::{KeyCost, schemes};
use super::print;
use crate::args::{ImageName, InspectArgs};
use crate::opening::{Keys, Protection, Terms};
use crate::report::{self, Clear, printable};
use crate::session::Session;

pub(crate) fn run(args: &InspectArgs, session: &Session) -> Result<()> {
    let location = match &args.image {
        ImageName::Location(location) => location.clone(),
        ImageName::Name(name) => Location::Registry(name.clone()),
    };
    let source = session.places.source(&location, ExportForm::AsTheyCome)?;
    let artifact = Artifact::read(&source)?;
    let image = artifact.into_image(&source, args.platform.as_ref())?;
    let keys = Keys::new(session.keys.given(&args.passphrase)?, &args.keys)?;
    let terms = Terms::new(Unencrypted::Accept, &args.keys);
    let protection = Protection::of(&image)?;
    let inside = look_inside(&image, protection.as_ref(), &keys, terms, session)?;
    let facts = Facts { location: &location, image: &image, protection, inside };
    print(args.output, &facts.text()?, &facts.json()?)
}

/// Opens what the keys open; `None` if there are none for the image.
fn look_inside(
    image: &Image,
    protection: Option<&Protection>,
    keys: &Keys,
    terms: Terms,
    session: &Session,
) -> Result<Option<Inside>> {
    match protection {
        Some(Protection::CryptoCli(_)) if keys.has_passphrase() => {
            let opened = senetas::decrypt(image, &mut keys.derivation()?, terms.unencrypted)?;
            Ok(Some(Inside::Config(Config::parse(&opened.image.config)?, opened.seal)))
        }
        // A passphrase in the environment need not be for this image.
        Some(Protection::Oci(of))
            if of.takes_passphrase() && keys.is_any() || keys.has_identity() =>
        {
            let identities = keys.identities(of)?;
            let Terms { unencrypted, unbound } = terms;
            let spool = session.places.spool();
            let opened = ocicrypt::decrypt(image, &identities, unencrypted, unbound, spool)?;
            Ok(Some(Inside::Binding(opened.binding)))
        }
        None if terms.unbound == Unbound::Refuse => Err(DecryptError::NotEncrypted.into()),
        _ => Ok(None),
    }
}

/// What a key opens, beside layers.
enum Inside {
    /// The config.
    Config(Config, Seal),
    /// What holds layers and config together.
    Binding(Binding),
}

/// What there is to say.
struct Facts<'a> {
    location: &'a Location,
    image: &'a Image,
    protection: Option<Protection>,
    inside: Option<Inside>,
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
        match &self.protection {
            Some(Protection::CryptoCli(of)) => lines.push(format!("KDF       {}", KeyCost::of(of))),
            Some(Protection::Oci(of)) => {
                lines.push(format!("keys      wrapped by {}", schemes(of).join(", ")));
            }
            None => {}
        }
        lines.push("layers".to_owned());
        for (place, layer) in self.image.layers.iter().enumerate() {
            let state = if self.is_encrypted(place) { "encrypted" } else { "plain" };
            let size = report::bytes(layer.size());
            lines.push(format!("  {place:>3}  {state:<9}  {size:>10}  {}", layer.name()));
        }
        let stored = Config::parse(&self.image.config)?;
        lines.push(format!("a stranger can read: {}", self.readable(&stored)));
        if self.clear() == Clear::Everything {
            lines.extend(report::details(&stored).into_iter().map(|line| format!("  {line}")));
        }
        match &self.inside {
            Some(Inside::Config(config, seal)) => {
                lines.push(format!("with the passphrase ({})", seal_words(*seal)));
                lines.extend(report::details(config).into_iter().map(|line| format!("  {line}")));
            }
            Some(Inside::Binding(binding)) => {
                lines.push(format!("with the key: {}", binding_words(*binding)));
            }
            None => {}
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
            "kdf": self.key_cost().map(|cost| cost.json()),
            "wrappedBy": self.schemes(),
            "layers": layers,
            "readableByAnyone": without_ciphertext(stored),
        });
        match &self.inside {
            Some(Inside::Config(config, seal)) => {
                object["sealed"] = (*seal == Seal::Sealed).into();
                object["secret"] = json!({
                    "config": config.runtime,
                    "diffIds": config.diff_ids(),
                    "history": config.history.iter().map(|e| &e.created_by).collect::<Vec<_>>(),
                });
            }
            Some(Inside::Binding(binding)) => {
                object["bound"] = (*binding == Binding::Sealed).into();
            }
            None => {}
        }
        Ok(object)
    }

    fn layer_json(&self, place: usize, layer: &Layer) -> Value {
        json!({
            "digest": layer.digest(),
            "mediaType": layer.media_type(),
            "size": layer.size(),
            "encrypted": self.is_encrypted(place),
        })
    }

    fn is_encrypted(&self, place: usize) -> bool {
        self.protection.as_ref().is_some_and(|protection| protection.has_layer(place))
    }

    fn clear(&self) -> Clear {
        match &self.protection {
            Some(Protection::CryptoCli(of)) if of.config.is_some() => Clear::BesideEncryption,
            _ => Clear::Everything,
        }
    }

    fn config_state(&self) -> &'static str {
        match self.clear() {
            Clear::BesideEncryption => "encrypted",
            Clear::Everything => "plain",
        }
    }

    fn format(&self) -> &'static str {
        match &self.protection {
            Some(Protection::CryptoCli(of)) => match of.shape {
                Some(KeyDataShape::Url) => "crypto-cli, key data in the member \"urls\" (compat)",
                _ => "crypto-cli, key data in the member \"crypto\"",
            },
            Some(Protection::Oci(_)) => "OCI image encryption",
            None => "not encrypted",
        }
    }

    fn key_cost(&self) -> Option<KeyCost> {
        match &self.protection {
            Some(Protection::CryptoCli(of)) => Some(KeyCost::of(of)),
            _ => None,
        }
    }

    fn schemes(&self) -> Option<Vec<String>> {
        match &self.protection {
            Some(Protection::Oci(of)) => Some(schemes(of)),
            _ => None,
        }
    }

    fn readable(&self, stored: &Config) -> String {
        let plain = (0..self.image.layers.len())
            .filter(|&place| !self.is_encrypted(place))
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

fn binding_words(binding: Binding) -> &'static str {
    match binding {
        Binding::Sealed => {
            "layers and config are bound to each other, so that a change of either is noticed"
        }
        Binding::None => {
            "written by another tool: nothing binds the layers to each other and to the config"
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
