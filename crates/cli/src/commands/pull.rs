//! `pull`: an image out of a registry, decrypted into the engine or elsewhere.

use anyhow::Result;
use sealcrate_crypt::Unencrypted;
use sealcrate_crypt::format::{Keys, Terms};
use sealcrate_crypt::formats::recognise;
use sealcrate_image::{Artifact, Config, EngineName, Image, Location, Reference};

use super::chosen::Chosen;
use super::copy::{self, Reading};
use super::{children, print_index, print_written};
use crate::args::{PullArgs, ReadingArgs};
use crate::failure::{MissingImageIdentity, PlainImage};
use crate::session::Session;
use crate::{opening, talk};

pub(crate) fn run(args: &PullArgs, session: &Session) -> Result<()> {
    let from = Location::Registry(args.name.clone());
    let to = args.to.clone().unwrap_or_else(|| engine_name(args));
    let mut keys = opening::keys(session.keys.given(&args.passphrase)?, &args.keys)?;
    if keys.is_any() {
        copy::refuse_to_publish(&to, &args.reading)?;
    }
    let source = session.source(&from, &to)?;
    let artifact = Artifact::read(&source)?;
    let platform = args.reading.platform.as_ref();
    let terms = Terms {
        expected: args.reading.home.clone(),
        ..opening::terms(args.reading.unencrypted(), &args.keys, &from)
    };
    let reading = Reading { from: &from, to: &to, terms: &terms };
    if let (Some(index), Artifact::Index { raw, .. }) =
        (children::whole(&artifact, platform, &to), &artifact)
    {
        for child in index.images() {
            if keys.is_any() {
                break;
            }
            let image = Artifact::child(&source, child)?.into_image(&source, None)?;
            find_keys(args, session, &image, &to, &mut keys)?;
        }
        opening::refuse_unmet(&keys, &args.keys)?;
        let written = match keys.absent() {
            None => {
                let attestations = args.reading.attestations();
                copy::decrypt_index(session, &source, index, &reading, &keys, attestations)?
            }
            Some(no_keys) => {
                let first = index.images().next().map(|child| Artifact::child(&source, child));
                if let Some(Artifact::Image(image)) = first.transpose()? {
                    refuse_plain(&image, &args.reading)?;
                }
                copy::copy_index(session, &source, raw, index, &to, no_keys)?
            }
        };
        return print_index(args.output, &to, &written);
    }
    let chosen = Chosen::to_open(artifact, &source, platform, &keys, &terms)?;
    find_keys(args, session, &chosen.image, &to, &mut keys)?;
    if !keys.is_any() {
        refuse_plain(&chosen.image, &args.reading)?;
        opening::refuse_unmet(&keys, &args.keys)?;
    }
    let is_decrypted = keys.is_any();
    let (written, image) = copy::read_into(session, &source, &reading, chosen, &keys)?;
    if let (true, Location::DockerDaemon(EngineName::Named(name))) = (is_decrypted, &to)
        && args.new_name.is_none()
    {
        let name = name.familiar();
        talk::note(format!("{name} is decrypted now: `docker push {name}` would publish it"));
    }
    print_written(args.output, &to, &written, &image)
}

/// Finds the keys of an image that is encrypted, if none are named.
fn find_keys(
    args: &PullArgs,
    session: &Session,
    image: &Image,
    to: &Location,
    keys: &mut Keys,
) -> Result<()> {
    if keys.is_any() {
        return Ok(());
    }
    match recognise(image)? {
        Some(encrypted) if encrypted.takes_passphrase() => {
            copy::refuse_to_publish(to, &args.reading)?;
            keys.take(session.keys.to_decrypt(&args.passphrase)?);
            Ok(())
        }
        Some(_) => Err(MissingImageIdentity.into()),
        None => Ok(()),
    }
}

/// Refuses an image that is not encrypted, before any layer of it is fetched. A stranger may have put it in
/// the place of an encrypted one, for which the user would have been asked for a key.
fn refuse_plain(image: &Image, args: &ReadingArgs) -> Result<()> {
    if args.unencrypted() == Unencrypted::Accept {
        return Ok(());
    }
    match sealcrate_lock::is_locked(&Config::parse(&image.config)?) {
        true => Err(PlainImage::Locked.into()),
        false => Err(PlainImage::Plain.into()),
    }
}

/// Returns the name in the engine: the one that the user asked for, or the public one. An image that is
/// pulled by digest alone has no name there but its ID.
fn engine_name(args: &PullArgs) -> Location {
    let name: &Reference = args.new_name.as_ref().unwrap_or(&args.name);
    Location::DockerDaemon(EngineName::Named(name.clone()))
}
