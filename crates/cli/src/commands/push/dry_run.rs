//! The dry run: which parts a push would encrypt, and which would stay visible.

use anyhow::Result;
use sealcrate_core::{Preview, exposed, preview};
use sealcrate_crypt::select::Selection;
use sealcrate_image::{Config, Location};
use serde_json::json;

use crate::args::PushArgs;
use crate::commands::print;
use crate::encryption::Wishes;
use crate::output::report::{self, Clear, printable};
use crate::output::visible::Visible;
use crate::session::Session;

/// Says what the push would do with every image of `from`, whose private layers are `selection`, if there
/// are any.
pub(super) fn run(
    args: &PushArgs,
    session: &Session,
    wishes: Wishes<'_>,
    from: &Location,
    selection: Option<&Selection>,
) -> Result<()> {
    let to = Location::Registry(args.name.clone());
    let (platform, exposure) = (args.platform.as_ref(), args.encryption.exposure());
    let previews = preview(&session.core, (from, &to), platform, selection, exposure)?;
    previews.iter().try_for_each(|preview| say(args, wishes, preview, selection))
}

/// Says what the push would do with one image.
fn say(
    args: &PushArgs,
    wishes: Wishes<'_>,
    chosen: &Preview,
    selection: Option<&Selection>,
) -> Result<()> {
    let encrypted = &chosen.encrypted;
    let config = Config::parse(&chosen.image.config)?;
    let clear_config = match selection {
        Some(_) => wishes.clear_config(&chosen.image, encrypted)?,
        None => Some(config.clone()),
    };
    let listed = chosen.listed.as_ref();
    let platform = listed.and_then(|listed| listed.child.platform.as_ref());
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
    let shown_secrets = clear_config.as_ref().map(exposed).unwrap_or_default();
    lines.extend(shown_secrets.iter().map(|what| format!("anybody could read {what}")));
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
