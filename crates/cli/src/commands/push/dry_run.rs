//! The dry run: which parts a push would encrypt, and which would stay visible.

use std::collections::BTreeSet;

use anyhow::Result;
use sealcrate_crypt::formats::choose;
use sealcrate_crypt::select::Selection;
use sealcrate_image::Config;
use serde_json::json;

use super::Chosen;
use crate::args::PushArgs;
use crate::commands::print;
use crate::encryption::Wishes;
use crate::exposure;
use crate::private::Private;
use crate::report::{self, Clear, printable};
use crate::session::Session;
use crate::visible::Visible;

/// Says what the push would do with `chosen`, whose private layers are `selection`, if there are
/// any.
pub(super) fn say(
    args: &PushArgs,
    session: &Session,
    wishes: Wishes<'_>,
    chosen: &Chosen,
    selection: Option<&Selection>,
) -> Result<()> {
    let encrypted = match selection {
        Some(selection) => choose(&chosen.image, selection)?.places().clone(),
        None => BTreeSet::new(),
    };
    if !args.encryption.allow_exposing {
        // It does not ask the registry, since no other part of a dry run needs one.
        let known = Private::known(session, None, None, None)?;
        known.refuse_to_expose(&chosen.image, |place| encrypted.contains(&place))?;
    }
    let config = Config::parse(&chosen.image.config)?;
    let clear_config = match selection {
        Some(_) => wishes.clear_config(&chosen.image, &encrypted)?,
        None => Some(config.clone()),
    };
    let platform = chosen.platform();
    let of = platform.map(|platform| printable(&format!(" ({platform})"))).unwrap_or_default();
    let mut lines = vec![format!("would push to {}{of}", args.name.familiar())];
    let mut layers = Vec::new();
    for (place, layer) in chosen.image.layers.iter().enumerate() {
        let state = if encrypted.contains(&place) { "encrypted" } else { "visible" };
        lines.push(format!("layer {place:>3}  {state:<9}  {}", report::bytes(layer.size())));
        layers.push(json!({ "encrypted": encrypted.contains(&place), "size": layer.size() }));
    }
    let clear = if clear_config.is_none() { Clear::BesideEncryption } else { Clear::Everything };
    lines.push(format!("visible in the config: {}", report::visible(&config, clear)));
    // Where the config is encrypted, layers in clear have no annotations.
    let in_clear = (0..chosen.image.layers.len())
        .filter(|place| !encrypted.contains(place) && clear_config.is_some());
    let shown = match selection {
        Some(_) => Visible::after_encryption(&chosen.image, in_clear, clear_config.as_ref()),
        None => {
            let listed = chosen.listed.as_ref().map(|of| (&of.index, &of.child));
            Visible::of(&chosen.image, listed, &config)
        }
    };
    lines.extend(shown.lines().into_iter().map(|line| format!("visible: {line}")));
    let exposed = clear_config.as_ref().map(exposure::of).unwrap_or_default();
    lines.extend(exposed.iter().map(|what| format!("anybody could read {what}")));
    for attestation in &chosen.attestations {
        let state = if args.keep_attestations { "visible" } else { "left out" };
        lines.push(format!("attestation {}: {state}", attestation.digest.short()));
    }
    let object = json!({
        "reference": args.name.familiar(),
        "platform": platform,
        "configEncrypted": clear_config.is_none(),
        "layers": layers,
        "visible": shown.json(),
        "attestations": chosen.attestations.iter().map(|child| child.digest).collect::<Vec<_>>(),
    });
    print(args.output, &lines.join("\n"), &object)
}
