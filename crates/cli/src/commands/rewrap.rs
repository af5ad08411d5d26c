//! `rewrap`: changes the readers of an image where it lies.

use anyhow::Result;
use sealcrate_core::{DataKeys, RewrapOptions};
use sealcrate_crypt::format::NewReaders;
use sealcrate_image::Location;

use super::print_result;
use crate::args::{ImageName, RewrapArgs};
use crate::keys;
use crate::opening;
use crate::output::failure::Usage;
use crate::session::Session;

pub(crate) fn run(args: &RewrapArgs, session: &Session) -> Result<()> {
    let from = match &args.image {
        ImageName::Location(location) => location.clone(),
        ImageName::Name(name) => Location::Registry(name.clone()),
    };
    let to = destination(&from, args.to.as_deref())?;
    let new_passphrase = keys::new_passphrase(&args.new_passphrase)?;
    let add = keys::recipients(&args.add, &session.runtime)?;
    let remove = keys::former_recipients(&args.remove, &session.runtime)?;
    let new = NewReaders::new(add, remove, new_passphrase, args.iterations);
    if new.adds_nobody() && (args.remove.is_empty() || args.reencrypt) {
        let text = "nothing says who is to open the image: --add RECIPIENT, --remove RECIPIENT, \
                    --new-pass-file FILE";
        return Err(Usage(text.to_owned()).into());
    }
    let mut keys =
        opening::keys(session.keys.given(&args.passphrase)?, &args.keys, &session.runtime)?;
    let options = RewrapOptions {
        from: &from,
        to: &to,
        ask: &opening::ask(session, &args.passphrase),
        unbound: opening::unbound(&args.keys),
        home: args.home.as_ref(),
        new: &new,
        data_keys: if args.reencrypt { DataKeys::Renew } else { DataKeys::Keep },
        attestations: args.attestations(),
    };
    print_result(args.output, &to, &sealcrate_core::rewrap(&session.core, &options, &mut keys)?)
}

/// Returns where the result goes: the same place, or another tag beside it.
fn destination(from: &Location, tag: Option<&str>) -> Result<Location> {
    match (from, tag) {
        (Location::Registry(reference), Some(tag)) => {
            let name = format!("{}:{tag}", reference.repository().familiar());
            let reference = name.parse().map_err(|error| Usage(format!("--to: {error}")))?;
            Ok(Location::Registry(reference))
        }
        (Location::Registry(reference), None) if reference.digest().is_some() => {
            let text =
                "what is named by a digest cannot be changed: give the result a tag with --to";
            Err(Usage(text.to_owned()).into())
        }
        (Location::Registry(_), None) => Ok(from.clone()),
        (Location::OciLayout { folder, .. }, Some(tag)) => {
            Ok(Location::OciLayout { folder: folder.clone(), name: Some(tag.to_owned()) })
        }
        (Location::OciLayout { name: Some(_), .. }, None) => Ok(from.clone()),
        (Location::OciLayout { .. }, None) => {
            let text =
                "say which image of the layout is meant, oci:DIR:TAG, or name the result with --to";
            Err(Usage(text.to_owned()).into())
        }
        _ => {
            let text = "images can be rewrapped in a registry and in an OCI layout only";
            Err(Usage(text.to_owned()).into())
        }
    }
}
