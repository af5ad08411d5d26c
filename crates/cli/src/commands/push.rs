//! `push`: an image out of the engine, or from elsewhere, encrypted into a registry.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::senetas::{Encryptor, Pushed};
use sealcrate_image::engine::{ExportForm, Spared};
use sealcrate_image::{
    ATTESTED, Artifact, Config, Descriptor, EngineName, Family, Image, Index, Location, Platform,
    Prefetch, Reference, Sink, Source,
};
use serde_json::json;

use super::{name_beside, print, print_written};
use crate::args::{Protection, PushArgs};
use crate::failure::Usage;
use crate::pushed;
use crate::report::{self, Clear};
use crate::session::{self, Session};
use crate::talk;

pub(crate) fn run(args: &PushArgs, session: &Session) -> Result<()> {
    if args.name.digest().is_some() {
        let text = "a digest cannot be pushed to: give a name and a tag";
        return Err(Usage(text.to_owned()).into());
    }
    if args.protection == Protection::None && !args.selection.is_none() {
        let text = "layers are chosen for encryption, but --type NONE encrypts none";
        return Err(Usage(text.to_owned()).into());
    }
    let from = args
        .from
        .clone()
        .unwrap_or_else(|| Location::DockerDaemon(EngineName::Named(args.name.clone())));
    let to = Location::Registry(args.name.clone());
    if args.dry_run {
        return dry_run(args, session, &from);
    }
    let read = |spared: &Spared| -> Result<_> {
        let source = session.source(&from, &to, spared)?;
        let chosen = Chosen::read(&source, args.platform.as_ref())?;
        Ok((source, chosen))
    };
    let (source, chosen, encryptor, sink) = match args.protection {
        Protection::None => {
            let (source, chosen) = read(&Spared::default())?;
            (source, chosen, None, session.places.sink(&to)?)
        }
        Protection::Passphrase => {
            let passphrase = session.keys.to_encrypt(&args.passphrase)?;
            let key = session::begin_key(passphrase.clone(), &args.encryption);
            let selection = session.selection(&args.selection, |base| name_beside(base, &from))?;
            // Mistakes are told before a registry is asked for anything, as far as they can be seen.
            let early = match &from {
                Location::DockerDaemon(_) => session.places.diff_ids(&from).map(|_| None)?,
                _ => Some(read(&Spared::default())?),
            };
            if let Some((_, chosen)) = &early {
                Encryptor::choose(&chosen.image, &selection)?;
            }
            let sink = session.places.sink(&to)?;
            let mut pushed = pushed_before(args, session, &passphrase, &*sink)?;
            let (mut source, mut chosen) = match early {
                Some(early) => early,
                None => read(&pushed::spared(&pushed))?,
            };
            let encryptor = key.encryptor(&chosen.image, &selection, &args.encryption)?;
            let changed = encryptor.changed(&pushed, &chosen.image);
            if !changed.is_empty() {
                pushed.forget(&changed);
                (source, chosen) = read(&pushed::spared(&pushed))?;
            }
            (source, chosen, Some(encryptor.reuse(pushed)), sink)
        }
    };
    chosen.tell_what_is_dropped(args);
    let image = match &encryptor {
        Some(encryptor) => session.put_encrypted(&chosen.image, encryptor, &*sink)?,
        None => session.put_plain(&chosen.image, Prefetch::default(), &*sink)?,
    };
    let written = if args.keep_attestations && !chosen.attestations.is_empty() {
        let index = put_beside_attestations(session, &source, &chosen, image.clone(), &*sink)?;
        session.interrupt.hold(|| sink.commit_index(&index.to_raw()))?
    } else {
        session.commit(&image, &*sink)?
    };
    print_written(args.output, &to, &written, &image)
}

/// Returns what was pushed before and need not be sent again.
fn pushed_before(
    args: &PushArgs,
    session: &Session,
    passphrase: &Passphrase,
    sink: &dyn Sink,
) -> Result<Pushed> {
    if args.no_cache {
        return Ok(Pushed::default());
    }
    let images: Vec<&Reference> = [&args.name].into_iter().chain(&args.cache_from).collect();
    pushed::find(session, &images, args.platform.as_ref(), passphrase, sink)
}

fn dry_run(args: &PushArgs, session: &Session, from: &Location) -> Result<()> {
    let source = session.places.source(from, ExportForm::AsTheyCome)?;
    let chosen = Chosen::read(&source, args.platform.as_ref())?;
    let encrypted = match args.protection {
        Protection::Passphrase => {
            let selection = session.selection(&args.selection, |base| name_beside(base, from))?;
            Encryptor::choose(&chosen.image, &selection)?
        }
        Protection::None => BTreeSet::new(),
    };
    say_what_would_happen(args, &chosen, &encrypted)
}

/// What is pushed out of a source that may hold several images.
struct Chosen {
    image: Image,
    /// What the source's index says of the image.
    child: Option<Descriptor>,
    attestations: Vec<Descriptor>,
}

impl Chosen {
    fn read(source: &Arc<dyn Source>, platform: Option<&Platform>) -> Result<Self> {
        let artifact = Artifact::read(source)?;
        let (mut child, mut attestations) = (None, Vec::new());
        if let Artifact::Index { index, .. } = &artifact {
            let found = index.child(platform)?;
            attestations = index.attestations_of(found.digest).cloned().collect();
            child = Some(found.clone());
        }
        let image = artifact.into_image(source, platform)?;
        Ok(Self { image, child, attestations })
    }

    fn tell_what_is_dropped(&self, args: &PushArgs) {
        if !self.attestations.is_empty() && !args.keep_attestations {
            let digests: Vec<String> =
                self.attestations.iter().map(|child| child.digest.short()).collect();
            let reason = match args.protection {
                Protection::Passphrase => ", since they tell of the build in clear",
                Protection::None => "",
            };
            talk::note(format!(
                "attestations are left out{reason}: {} (--keep-attestations keeps them)",
                digests.join(", ")
            ));
        }
    }
}

/// Puts `image` and the attestations of the one that it was made from, and returns an index of both.
fn put_beside_attestations(
    session: &Session,
    source: &Arc<dyn Source>,
    chosen: &Chosen,
    image: Image,
    sink: &dyn Sink,
) -> Result<Index> {
    let image = match image.manifest {
        Some(_) => image,
        None => image.with_manifest(Family::Docker)?,
    };
    sink.put_child(&image)?;
    let raw = image.manifest.as_ref().expect("it was made where there was none");
    let mut first = raw.descriptor();
    first.platform = match &chosen.child {
        Some(child) => child.platform.clone(),
        None => Config::parse(&chosen.image.config)?.platform(),
    };
    let mut manifests = vec![first];
    for attestation in &chosen.attestations {
        let about = Artifact::child(source, attestation)?.into_image(source, None)?;
        sink.put_child(&session.put_plain(&about, Prefetch::default(), sink)?)?;
        let mut attestation = attestation.clone();
        attestation.annotations.insert(ATTESTED.to_owned(), raw.digest().to_string());
        manifests.push(attestation);
    }
    Ok(Index::new(manifests))
}

fn say_what_would_happen(
    args: &PushArgs,
    chosen: &Chosen,
    encrypted: &BTreeSet<usize>,
) -> Result<()> {
    let config = Config::parse(&chosen.image.config)?;
    let is_encrypted = args.protection == Protection::Passphrase;
    let mut lines = vec![format!("would push to {}", args.name.familiar())];
    let mut layers = Vec::new();
    for (place, layer) in chosen.image.layers.iter().enumerate() {
        let state = if encrypted.contains(&place) { "encrypted" } else { "visible" };
        lines.push(format!("layer {place:>3}  {state:<9}  {}", report::bytes(layer.size())));
        layers.push(json!({ "encrypted": encrypted.contains(&place), "size": layer.size() }));
    }
    let clear = if is_encrypted { Clear::BesideEncryption } else { Clear::Everything };
    lines.push(format!("visible in the config: {}", report::visible(&config, clear)));
    for attestation in &chosen.attestations {
        let state = if args.keep_attestations { "visible" } else { "left out" };
        lines.push(format!("attestation {}: {state}", attestation.digest.short()));
    }
    let object = json!({
        "reference": args.name.familiar(),
        "configEncrypted": is_encrypted,
        "layers": layers,
        "attestations": chosen.attestations.iter().map(|child| child.digest).collect::<Vec<_>>(),
    });
    print(args.output, &lines.join("\n"), &object)
}
