//! `inspect`: which parts of an image are encrypted, how, and which parts a stranger can read.

use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::format::{EncryptedImage, KeyFacts, Keys, Terms};
use sealcrate_crypt::formats::{OpenError, recognise};
use sealcrate_crypt::sealed::{Binding, SealedRecord, Unbound};
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Artifact, Config, Layer, Location, Source};
use serde_json::{Value, json};

use super::chosen::Chosen;
use super::print;
use crate::args::{ImageName, InspectArgs};
use crate::opening;
use crate::report::{self, Clear, printable};
use crate::session::Session;
use crate::visible::Visible;

pub(crate) fn run(args: &InspectArgs, session: &Session) -> Result<()> {
    let location = match &args.image {
        ImageName::Location(location) => location.clone(),
        ImageName::Name(name) => Location::Registry(name.clone()),
    };
    let source = session.places.source(&location, ExportForm::AsTheyCome)?;
    let artifact = Artifact::read(&source)?;
    let chosen = Chosen::of(artifact, &source, args.platform.as_ref())?;
    let keys = opening::keys(session.keys.given(&args.passphrase)?, &args.keys)?;
    let terms = opening::terms_anywhere(Unencrypted::Accept, &args.keys);
    let encrypted = recognise(&chosen.image)?;
    let inside = look_inside(&chosen, encrypted.as_deref(), &keys, &terms, session, &source)?;
    let facts = Facts { location: &location, chosen: &chosen, encrypted, inside };
    print(args.output, &facts.text()?, &facts.json()?)
}

/// Opens the parts that the keys open; `None` if there are no keys for the image.
fn look_inside(
    chosen: &Chosen,
    encrypted: Option<&dyn EncryptedImage>,
    keys: &Keys,
    terms: &Terms,
    session: &Session,
    source: &Arc<dyn Source>,
) -> Result<Option<Inside>> {
    let Some(encrypted) = encrypted else {
        return match terms.unbound {
            Unbound::Accept => Ok(None),
            Unbound::Refuse | Unbound::RefuseVersion1 => Err(OpenError::NotEncrypted.into()),
        };
    };
    if !encrypted.is_for(keys) {
        return Ok(None);
    }
    let opened = chosen.open(session, source, keys, terms)?;
    let config = match encrypted.has_config() {
        true => Some(Config::parse(&opened.image.config)?),
        false => None,
    };
    let lists_all_readers =
        opened.record.as_ref().is_none_or(|record| encrypted.lists_all_readers(record));
    Ok(Some(Inside { binding: opened.binding, config, record: opened.record, lists_all_readers }))
}

/// The parts that a key opens, beside layers.
struct Inside {
    binding: Binding,
    /// The config, where it is encrypted.
    config: Option<Config>,
    record: Option<Box<SealedRecord>>,
    /// Whether the record lists all wrapped keys, and no others.
    lists_all_readers: bool,
}

impl Inside {
    fn lines(&self) -> Vec<String> {
        let key = if self.config.is_some() { "passphrase" } else { "key" };
        let mut lines = vec![format!("with the {key}: {}", binding_words(self.binding))];
        if let Some(record) = &self.record {
            if let Some(home) = &record.home {
                lines.push(format!("  home: {}", printable(&home.to_string())));
            }
            if let Some(table) = &record.index {
                lines.push(format!("  sealed in an index of {} children", table.rows.len()));
            }
            let readers = record.readers.iter().map(|reader| printable(&reader.hint));
            lines.extend(readers.map(|reader| format!("  reader: {reader}")));
            if !self.lists_all_readers {
                lines.push(
                    "  wrapped keys are not those of these readers: somebody added or removed some"
                        .to_owned(),
                );
            }
            for (key, value) in &record.remarks.annotations {
                lines.push(printable(&format!("  sealed annotation: {key}={value}")));
            }
        }
        if let Some(config) = &self.config {
            lines.extend(report::details(config).into_iter().map(|line| format!("  {line}")));
        }
        lines
    }

    fn json(&self) -> Value {
        let version = match self.binding {
            Binding::None => Value::Null,
            Binding::Version1 => 1.into(),
            Binding::Version2 => 2.into(),
        };
        let record = self.record.as_deref();
        json!({
            "version": version,
            "home": record.and_then(|record| record.home.as_ref()).map(ToString::to_string),
            "readers": record.map(|record| record.readers.iter().map(|of| &of.hint).collect::<Vec<_>>()),
            "readersAgree": self.lists_all_readers,
            "annotations": record.map(|record| &record.remarks.annotations),
            "index": record.and_then(|record| record.index.as_ref()),
        })
    }
}

/// The facts about an image.
struct Facts<'a> {
    location: &'a Location,
    chosen: &'a Chosen,
    encrypted: Option<Box<dyn EncryptedImage>>,
    inside: Option<Inside>,
}

impl Facts<'_> {
    fn text(&self) -> Result<String> {
        let mut lines = vec![printable(&self.location.to_string())];
        if let Some(manifest) = &self.chosen.image.manifest {
            lines.push(format!("manifest  {}", manifest.digest()));
            lines.push(format!("type      {}", printable(manifest.media_type().as_str())));
        }
        lines.push(format!("config    {}, {}", self.chosen.image.id(), self.config_state()));
        lines.push(format!("format    {}", self.format()));
        lines.extend(self.key_facts().as_ref().map(key_line));
        lines.push("layers".to_owned());
        for (place, layer) in self.chosen.image.layers.iter().enumerate() {
            let state = if self.is_encrypted(place) { "encrypted" } else { "plain" };
            let size = report::bytes(layer.size());
            lines.push(format!("  {place:>3}  {state:<9}  {size:>10}  {}", layer.name()));
        }
        let stored = Config::parse(&self.chosen.image.config)?;
        lines.push(format!("a stranger can read: {}", self.readable(&stored)));
        if self.clear() == Clear::Everything {
            lines.extend(report::details(&stored).into_iter().map(|line| format!("  {line}")));
        }
        lines.extend(self.visible(&stored).lines().into_iter().map(|line| format!("  {line}")));
        lines.extend(self.inside.iter().flat_map(Inside::lines));
        if self.encrypted.is_some() {
            lines.push(NOT_TOLD.to_owned());
        }
        Ok(lines.join("\n"))
    }

    fn json(&self) -> Result<Value> {
        let layers: Vec<Value> = self
            .chosen
            .image
            .layers
            .iter()
            .enumerate()
            .map(|(place, layer)| self.layer_json(place, layer))
            .collect();
        let stored: Value = serde_json::from_slice(&self.chosen.image.config)?;
        let mut object = json!({
            "location": self.location.to_string(),
            "manifest": self.chosen.image.manifest.as_ref().map(|raw| raw.digest()),
            "mediaType": self.chosen.image.manifest.as_ref().map(|raw| raw.media_type()),
            "config": self.chosen.image.id(),
            "configEncrypted": self.clear() == Clear::BesideEncryption,
            "format": self.format(),
            "kdf": self.key_facts().as_ref().and_then(derivation_json),
            "wrappedBy": self.key_facts().and_then(|facts| match facts {
                KeyFacts::Wrapped(schemes) => {
                    Some(schemes.iter().map(|scheme| printable(scheme)).collect::<Vec<_>>())
                }
                KeyFacts::Derived { .. } => None,
            }),
            "layers": layers,
            "readableByAnyone": without_ciphertext(stored),
        });
        object["visible"] = self.visible(&Config::parse(&self.chosen.image.config)?).json();
        if let Some(inside) = &self.inside {
            object["bound"] = (inside.binding != Binding::None).into();
            object["sealed"] = (inside.binding != Binding::None).into();
            object["record"] = inside.json();
            if let Some(config) = &inside.config {
                object["secret"] = json!({
                    "config": config.runtime,
                    "diffIds": config.diff_ids(),
                    "history": config.history.iter().map(|e| &e.created_by).collect::<Vec<_>>(),
                });
            }
        }
        Ok(object)
    }

    fn visible(&self, stored: &Config) -> Visible {
        let listed = self.chosen.listed.as_ref().map(|of| (&of.index, &of.child));
        Visible::of(&self.chosen.image, listed, stored)
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
        self.encrypted.as_ref().is_some_and(|encrypted| encrypted.has_layer(place))
    }

    fn clear(&self) -> Clear {
        match self.encrypted.as_ref().is_some_and(|encrypted| encrypted.has_config()) {
            true => Clear::BesideEncryption,
            false => Clear::Everything,
        }
    }

    fn config_state(&self) -> &'static str {
        match self.clear() {
            Clear::BesideEncryption => "encrypted",
            Clear::Everything => "plain",
        }
    }

    fn format(&self) -> &'static str {
        self.encrypted.as_ref().map_or("not encrypted", |encrypted| encrypted.description())
    }

    fn key_facts(&self) -> Option<KeyFacts> {
        self.encrypted.as_ref().map(|encrypted| encrypted.key_facts())
    }

    fn readable(&self, stored: &Config) -> String {
        let plain = (0..self.chosen.image.layers.len())
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

/// Says how the keys of an image are derived or wrapped.
fn key_line(facts: &KeyFacts) -> String {
    match facts {
        KeyFacts::Derived { function, derivations, iterations } => format!(
            "KDF       {function}, {iterations} iterations in all, for {derivations} salt(s)"
        ),
        KeyFacts::Wrapped(schemes) => {
            let schemes: Vec<String> = schemes.iter().map(|scheme| printable(scheme)).collect();
            format!("keys      wrapped by {}", schemes.join(", "))
        }
    }
}

/// Returns the derivation of keys for programs, if keys are derived.
fn derivation_json(facts: &KeyFacts) -> Option<Value> {
    match facts {
        KeyFacts::Derived { function, derivations, iterations } => Some(json!({
            "algorithm": function,
            "salts": derivations,
            "iterations": iterations,
        })),
        KeyFacts::Wrapped(_) => None,
    }
}

/// Facts that no key shows.
const NOT_TOLD: &str = "nothing tells whether an older image was put back under the tag (a digest names one image), \
                        or whether a reader handed the image on under another name";

fn binding_words(binding: Binding) -> &'static str {
    match binding {
        Binding::Version2 => {
            "sealed whole (version 2): config, layers, annotations and readers, so that a change of any is \
             noticed"
        }
        Binding::Version1 => {
            "sealed in version 1: layers and config are bound to each other, annotations and readers are not"
        }
        Binding::None => {
            "written by another tool: nothing binds the layers to each other and to the config, and members \
             in clear are not authenticated"
        }
    }
}

/// Leaves out the encrypted part of a config, which tells nobody anything.
fn without_ciphertext(mut stored: Value) -> Value {
    if let Some(members) = stored.as_object_mut() {
        members.remove("enc");
    }
    stored
}
