//! `push`: an image out of the engine, or from elsewhere, encrypted into a registry.

mod dry_run;
mod index;

use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::pushed::Pushed;
use sealcrate_crypt::select::choose;
use sealcrate_image::engine::{ExportForm, Spared};
use sealcrate_image::{
    ATTESTED, Artifact, Config, Descriptor, EngineName, Image, Index, Location, Packing, Platform,
    Prefetch, Sink, Source,
};

use super::{children, name_beside, print_index, print_written};
use crate::args::{CompressionKind, Protection, PushArgs};
use crate::encryption::{Encryption, Wishes};
use crate::failure::Usage;
use crate::pushed::{Earlier, Search, spared};
use crate::session::Session;
use crate::{keys, left_behind, talk};
use index::Indexed;

pub(crate) fn run(args: &PushArgs, session: &Session) -> Result<()> {
    refuse_contradictions(args)?;
    let from = args
        .from
        .clone()
        .unwrap_or_else(|| Location::DockerDaemon(EngineName::Named(args.name.clone())));
    let to = Location::Registry(args.name.clone());
    let wishes = Wishes {
        recipients: &args.recipients,
        encryption: &args.encryption,
        compression: &args.compression,
    };
    let encryption = match args.protection {
        Protection::Passphrase if args.dry_run => {
            wishes.format()?;
            keys::recipients(&args.recipients.recipient)?;
            None
        }
        Protection::Passphrase => {
            let ask = || session.keys.to_encrypt(&args.passphrase);
            Some(Encryption::begin(wishes, keys::named(&args.passphrase)?, ask)?)
        }
        Protection::None => None,
    };
    let selection = match args.protection {
        Protection::Passphrase => {
            Some(session.selection(&args.selection, |base| name_beside(base, &from))?)
        }
        Protection::None => None,
    };
    if args.dry_run {
        let source = session.places.source(&from, ExportForm::AsTheyCome)?;
        let all = Chosen::all(&source, args, &to)?;
        return all.iter().try_for_each(|it| dry_run::say(args, wishes, it, selection.as_ref()));
    }
    let open = |spared: &Spared| -> Result<_> {
        let form = match &encryption {
            Some(encryption) => encryption.export_form(&session.transfer, spared),
            None => {
                let packing = Packing::gzip(&session.transfer.compressor);
                ExportForm::Packed { packing, spared }
            }
        };
        let source = session.places.source(&from, form)?;
        let artifact = Artifact::read(&source)?;
        Ok((source, artifact))
    };
    let platform = args.platform.as_ref();
    let read = |spared: &Spared| -> Result<_> {
        let (source, artifact) = open(spared)?;
        let chosen = Chosen::of(artifact, &source, platform)?;
        Ok((source, chosen))
    };
    let earlier = match &encryption {
        Some(encryption) if !args.no_cache => {
            Some(Earlier::read(session, encryption, &args.name, args.doubts())?)
        }
        _ => None,
    };
    // What an engine need not export, is better known before; of all else, mistakes are told first.
    let (early, diff_ids) = match (&earlier, &from) {
        (Some(_), Location::DockerDaemon(_)) => (None, session.places.diff_ids(&from)?),
        _ => {
            let (source, artifact) = open(&Spared::default())?;
            if let Some(index) = children::whole(&artifact, platform, &to) {
                let (encryption, selection) = (encryption.as_ref(), selection.as_ref());
                let push = Indexed { args, session, encryption, selection, earlier };
                let written = push.run(&source, index, &to)?;
                if encryption.is_some() {
                    left_behind::tell(&from, &to);
                }
                return print_index(args.output, &to, &written);
            }
            let chosen = Chosen::of(artifact, &source, platform)?;
            let diff_ids = Config::parse(&chosen.image.config)?.diff_ids().to_vec();
            (Some((source, chosen)), diff_ids)
        }
    };
    if let (Some((_, chosen)), Some(selection)) = (&early, &selection) {
        choose(&chosen.image, selection)?;
    }
    let sink = session.places.sink(&to)?;
    let mut pushed = match &earlier {
        Some(earlier) => {
            let images = [&args.name].into_iter().chain(&args.cache_from).collect();
            earlier.find(&Search { images, platform, diff_ids: &diff_ids }, &*sink)?
        }
        None => Pushed::default(),
    };
    let (mut source, mut chosen) = match early {
        Some(early) => early,
        None => read(&spared(&pushed))?,
    };
    let encryptor = match (&selection, &encryption) {
        (Some(selection), Some(encryption)) => {
            let encryptor = encryption.encryptor(&chosen.image, selection)?;
            let changed = encryptor.changed(&pushed, &chosen.image);
            if !changed.is_empty() {
                pushed.forget(&changed);
                (source, chosen) = read(&spared(&pushed))?;
            }
            Some(encryptor.reuse(pushed))
        }
        _ => None,
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
    if encryption.is_some() {
        left_behind::tell(&from, &to);
    }
    if let (Some(earlier), Some(encryptor)) = (earlier, &encryptor) {
        let layers = encryptor.pushed(&chosen.image, &image);
        earlier.remember(&layers, &chosen.image.config, written.digest);
    }
    print_written(args.output, &to, &written, &image)
}

/// Refuses options that contradict each other, and names that cannot be pushed to.
fn refuse_contradictions(args: &PushArgs) -> Result<()> {
    if args.name.digest().is_some() {
        let text = "a digest cannot be pushed to: give a name and a tag";
        return Err(Usage(text.to_owned()).into());
    }
    if args.protection == Protection::None && !args.selection.is_none() {
        let text = "layers are chosen for encryption, but --type NONE encrypts none";
        return Err(Usage(text.to_owned()).into());
    }
    let is_zstd = args.compression.compression == CompressionKind::Zstd;
    if args.protection == Protection::None && (!args.recipients.is_none() || is_zstd) {
        let text = "--type NONE encrypts nothing: --recipient, --format, --keep-history and \
                    --compression zstd are for encrypted images";
        return Err(Usage(text.to_owned()).into());
    }
    Ok(())
}

/// What is pushed out of a source that may hold several images.
struct Chosen {
    image: Image,
    /// What the source's index says of the image.
    child: Option<Descriptor>,
    attestations: Vec<Descriptor>,
}

impl Chosen {
    /// Reads every image that would be pushed.
    fn all(source: &Arc<dyn Source>, args: &PushArgs, to: &Location) -> Result<Vec<Self>> {
        let artifact = Artifact::read(source)?;
        let platform = args.platform.as_ref();
        let Some(index) = children::whole(&artifact, platform, to) else {
            return Ok(vec![Self::of(artifact, source, platform)?]);
        };
        let read = |child: &Descriptor| {
            let image = Artifact::child(source, child)?.into_image(source, None)?;
            let attestations = index.attestations_of(child.digest).cloned().collect();
            Ok(Self { image, child: Some(child.clone()), attestations })
        };
        index.images().map(read).collect()
    }

    fn of(
        artifact: Artifact,
        source: &Arc<dyn Source>,
        platform: Option<&Platform>,
    ) -> Result<Self> {
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
    let raw = children::put_image(image, sink)?;
    let mut first = raw.descriptor();
    first.platform = match &chosen.child {
        Some(child) => child.platform.clone(),
        None => Config::parse(&chosen.image.config)?.platform(),
    };
    let mut manifests = vec![first];
    for attestation in &chosen.attestations {
        let mut attestation = children::put_attestation(session, source, attestation, sink)?;
        attestation.annotations.insert(ATTESTED.to_owned(), raw.digest().to_string());
        manifests.push(attestation);
    }
    Ok(Index::new(manifests))
}
