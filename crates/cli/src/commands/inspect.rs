//! `inspect`: which parts of an image are encrypted, how, and which parts a stranger can read.

use anyhow::Result;
use sealcrate_core::{Inside, InspectOptions, Inspected, inspect};
use sealcrate_crypt::format::KeyFacts;
use sealcrate_crypt::sealed::Binding;
use sealcrate_image::{Config, Layer, Location};
use serde_json::{Value, json};

use super::print;
use crate::args::{ImageName, InspectArgs};
use crate::opening;
use crate::output::report::{self, Clear, printable};
use crate::output::visible::Visible;
use crate::session::Session;

pub(crate) fn run(args: &InspectArgs, session: &Session) -> Result<()> {
    let location = match &args.image {
        ImageName::Location(location) => location.clone(),
        ImageName::Name(name) => Location::Registry(name.clone()),
    };
    let keys = opening::keys(session.keys.given(&args.passphrase)?, &args.keys, &session.runtime)?;
    let options = InspectOptions {
        location: &location,
        platform: args.platform.as_ref(),
        unbound: opening::unbound(&args.keys),
    };
    let inspected = inspect(&session.core, &options, &keys)?;
    let facts = Facts { location: &location, inspected };
    print(args.output, &facts.text()?, &facts.json()?)
}

/// Says what the key shows, for people.
fn inside_lines(inside: &Inside) -> Vec<String> {
    let key = if inside.config.is_some() { "passphrase" } else { "key" };
    let mut lines = vec![format!("with the {key}: {}", binding_words(inside.binding))];
    if let Some(record) = &inside.record {
        if let Some(home) = &record.home {
            lines.push(format!("  home: {}", printable(&home.to_string())));
        }
        if let Some(table) = &record.index {
            lines.push(format!("  sealed in an index of {} children", table.rows.len()));
        }
        let readers = record.readers.iter().map(|reader| printable(&reader.hint));
        lines.extend(readers.map(|reader| format!("  reader: {reader}")));
        if !inside.lists_all_readers {
            lines.push(
                "  wrapped keys are not those of these readers: somebody added or removed some"
                    .to_owned(),
            );
        }
        for (key, value) in &record.remarks.annotations {
            lines.push(printable(&format!("  sealed annotation: {key}={value}")));
        }
    }
    if let Some(config) = &inside.config {
        lines.extend(report::details(config).into_iter().map(|line| format!("  {line}")));
    }
    lines
}

/// Returns what the key shows, for programs.
fn inside_json(inside: &Inside) -> Value {
    let version = match inside.binding {
        Binding::None => Value::Null,
        Binding::Version1 => 1.into(),
        Binding::Version2 => 2.into(),
    };
    let record = inside.record.as_deref();
    json!({
        "version": version,
        "home": record.and_then(|record| record.home.as_ref()).map(ToString::to_string),
        "readers": record.map(|record| record.readers.iter().map(|of| &of.hint).collect::<Vec<_>>()),
        "readersAgree": inside.lists_all_readers,
        "annotations": record.map(|record| &record.remarks.annotations),
        "index": record.and_then(|record| record.index.as_ref()),
    })
}

/// The facts about an image.
struct Facts<'a> {
    location: &'a Location,
    inspected: Inspected,
}

impl Facts<'_> {
    fn text(&self) -> Result<String> {
        let mut lines = vec![printable(&self.location.to_string())];
        if let Some(manifest) = &self.inspected.image.manifest {
            lines.push(format!("manifest  {}", manifest.digest()));
            lines.push(format!("type      {}", printable(manifest.media_type().as_str())));
        }
        lines.push(format!("config    {}, {}", self.inspected.image.id(), self.config_state()));
        lines.push(format!("format    {}", self.format()));
        lines.extend(self.key_facts().as_ref().map(key_line));
        lines.push("layers".to_owned());
        for (place, layer) in self.inspected.image.layers.iter().enumerate() {
            let state = if self.is_encrypted(place) { "encrypted" } else { "plain" };
            let size = report::bytes(layer.size());
            lines.push(format!("  {place:>3}  {state:<9}  {size:>10}  {}", layer.name()));
        }
        let stored = Config::parse(&self.inspected.image.config)?;
        lines.push(format!("a stranger can read: {}", self.readable(&stored)));
        if self.clear() == Clear::Everything {
            lines.extend(report::details(&stored).into_iter().map(|line| format!("  {line}")));
        }
        lines.extend(self.visible(&stored).lines().into_iter().map(|line| format!("  {line}")));
        lines.extend(self.inspected.inside.iter().flat_map(inside_lines));
        if self.inspected.encrypted.is_some() {
            lines.push(NOT_TOLD.to_owned());
        }
        Ok(lines.join("\n"))
    }

    fn json(&self) -> Result<Value> {
        let layers: Vec<Value> = self
            .inspected
            .image
            .layers
            .iter()
            .enumerate()
            .map(|(place, layer)| self.layer_json(place, layer))
            .collect();
        let stored: Value = serde_json::from_slice(&self.inspected.image.config)?;
        let mut object = json!({
            "location": self.location.to_string(),
            "manifest": self.inspected.image.manifest.as_ref().map(|raw| raw.digest()),
            "mediaType": self.inspected.image.manifest.as_ref().map(|raw| raw.media_type()),
            "config": self.inspected.image.id(),
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
        object["visible"] = self.visible(&Config::parse(&self.inspected.image.config)?).json();
        if let Some(inside) = &self.inspected.inside {
            object["bound"] = (inside.binding != Binding::None).into();
            object["sealed"] = (inside.binding != Binding::None).into();
            object["record"] = inside_json(inside);
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
        let listed = self.inspected.listed.as_ref().map(|of| (&of.index, &of.child));
        Visible::of(&self.inspected.image, listed, stored)
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
        self.inspected.encrypted.as_ref().is_some_and(|encrypted| encrypted.has_layer(place))
    }

    fn clear(&self) -> Clear {
        match self.inspected.encrypted.as_ref().is_some_and(|encrypted| encrypted.has_config()) {
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
        self.inspected
            .encrypted
            .as_ref()
            .map_or("not encrypted", |encrypted| encrypted.description())
    }

    fn key_facts(&self) -> Option<KeyFacts> {
        self.inspected.encrypted.as_ref().map(|encrypted| encrypted.key_facts())
    }

    fn readable(&self, stored: &Config) -> String {
        let plain = (0..self.inspected.image.layers.len())
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
