//! `push`: an image out of the engine, or from elsewhere, encrypted into a registry.

mod dry_run;
mod index;

use std::sync::Arc;

use anyhow::Result;
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::format::ImageEncryptor;
use sealcrate_crypt::formats::choose;
use sealcrate_crypt::pushed::Pushed;
use sealcrate_crypt::sealed::Sealing;
use sealcrate_image::engine::{ExportForm, Spared};
use sealcrate_image::{
    ATTESTED, Artifact, Config, Descriptor, EngineName, Image, Index, Location, MediaType, NoKeys,
    Outgoing, Packing, Platform, Prefetch, Remarks, Sink, Source,
};

use super::chosen::{self, Listed};
use super::sealed_index::{IndexSealing, Part, Unsealed};
use super::{children, name_beside, print_index, print_written};
use crate::args::{CompressionKind, Protection, PushArgs};
use crate::encryption::{self, Wishes};
use crate::failure::Usage;
use crate::private::Private;
use crate::pushed::{Earlier, Search, spared};
use crate::session::Session;
use crate::{keys, left_behind, opening, talk};
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
            Some(wishes.encryption(keys::named(&args.passphrase)?, ask)?)
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
        return all
            .iter()
            .try_for_each(|it| dry_run::say(args, session, wishes, it, selection.as_ref()));
    }
    let open = |spared: &Spared| -> Result<_> {
        let form = match &encryption {
            Some(encryption) => encryption::export_form(&**encryption, &session.transfer, spared),
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
            Some(Earlier::read(session, &**encryption, &args.name, args.doubts())?)
        }
        _ => None,
    };
    // Find out which layers the engine can skip before exporting. Other sources are read now, so that
    // mistakes in the options show first.
    let (early, diff_ids) = match (&earlier, &from) {
        (Some(_), Location::DockerDaemon(_)) => (None, session.places.diff_ids(&from)?),
        _ => {
            let (source, artifact) = open(&Spared::default())?;
            if let Some(index) = children::whole(&artifact, platform, &to) {
                let (encryption, selection) = (encryption.as_deref(), selection.as_ref());
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
            let mut encryptor = encryption::encryptor(&**encryption, &chosen.image, selection)?;
            let changed = encryptor.changed(&pushed, &chosen.image);
            if !changed.is_empty() {
                pushed.forget(&changed);
                (source, chosen) = read(&spared(&pushed))?;
            }
            encryptor.reuse(pushed);
            Some(encryptor)
        }
        _ => None,
    };
    chosen.tell_what_is_dropped(args);
    let home = opening::home_of(&to);
    let passphrase = encryption.as_ref().and_then(|encryption| encryption.passphrase());
    refuse_to_expose(args, session, &chosen.image, platform, encryptor.as_deref(), passphrase)?;
    let Some(encryptor) = encryptor else {
        let image = Outgoing::as_read(chosen.image.clone(), NoKeys::given());
        let image = session.put_plain(&image, Prefetch::default(), &*sink)?;
        let written = if args.keep_attestations && !chosen.attestations.is_empty() {
            let index = put_beside_attestations(session, &source, &chosen, image.clone(), &*sink)?;
            session.interrupt.hold(|| sink.commit_index(&index.to_raw()))?
        } else {
            session.commit(&image, &*sink)?
        };
        return print_written(args.output, &to, &written, &image);
    };
    let layers = session.put_encrypted(&chosen.image, &*encryptor, &*sink)?;
    let unsealed = Unsealed { encryptor, image: chosen.image.clone(), layers };
    let (written, unsealed, image) = if args.keep_attestations && !chosen.attestations.is_empty() {
        let sealing = IndexSealing { session, source: &source, sink: &*sink, home };
        let (index, mut unsealed) = (chosen.with_attestations()?, Some(unsealed));
        let sealed = sealing.put(&index, index.media_type(), Remarks::default(), |_, _| {
            Ok(match unsealed.take() {
                Some(unsealed) => Part::Unsealed(Box::new(unsealed)),
                None => Part::Attestation,
            })
        })?;
        let written = session.interrupt.hold(|| sink.commit_index(&sealed.index.to_raw()))?;
        let (unsealed, image) = sealed.images.into_iter().next().expect("one was put");
        (written, unsealed, image)
    } else {
        let image = unsealed.seal(&Sealing { table: None, home })?;
        (session.commit(&image, &*sink)?, unsealed, image.into_image())
    };
    left_behind::tell(&from, &to);
    if let Some(earlier) = earlier {
        let layers = unsealed.encryptor.pushed(&image);
        earlier.remember(&layers, &unsealed.image.config, written.digest);
    }
    print_written(args.output, &to, &written, &image)
}

/// Refuses to push a layer in clear that is known to be private.
fn refuse_to_expose(
    args: &PushArgs,
    session: &Session,
    image: &Image,
    platform: Option<&Platform>,
    encryptor: Option<&dyn ImageEncryptor>,
    passphrase: Option<&Passphrase>,
) -> Result<()> {
    let encrypts = |place| encryptor.is_some_and(|encryptor| encryptor.encrypts(place));
    if args.encryption.allow_exposing || (0..image.layers.len()).all(encrypts) {
        return Ok(());
    }
    let private = match encryptor {
        // Only the passphrase shows which layers of such an image are private: the search has opened it.
        Some(encryptor) if encryptor.encrypts_config() && !args.no_cache => {
            let mut private = Private::known(session, None, platform, None)?;
            private.add(encryptor.reusable().private());
            private
        }
        _ => Private::known(session, Some(&args.name), platform, passphrase)?,
    };
    private.refuse_to_expose(image, encrypts)
}

/// Refuses options that contradict each other, and names that nobody can push to.
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

/// An image that is pushed out of a source, which may hold several.
struct Chosen {
    image: Image,
    /// The index of the source, and its entry for the image.
    listed: Option<Listed>,
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
            let listed = Some(Listed::new(index.clone(), child.clone()));
            Ok(Self { image, listed, attestations })
        };
        index.images().map(read).collect()
    }

    fn of(
        artifact: Artifact,
        source: &Arc<dyn Source>,
        platform: Option<&Platform>,
    ) -> Result<Self> {
        let chosen::Chosen { image, listed } = chosen::Chosen::of(artifact, source, platform)?;
        let attestations = listed.as_ref().map(|Listed { index, child, .. }| {
            index.attestations_of(child.digest).cloned().collect()
        });
        Ok(Self { image, listed, attestations: attestations.unwrap_or_default() })
    }

    /// Returns the platform that the index of the source states.
    fn platform(&self) -> Option<&Platform> {
        self.listed.as_ref().and_then(|listed| listed.child.platform.as_ref())
    }

    /// Returns an index of the image and its attestations, as they are in the source.
    fn with_attestations(&self) -> Result<Index> {
        let mut first = match &self.listed {
            Some(listed) => listed.child.clone(),
            None => Descriptor::of(MediaType::OCI_MANIFEST, &self.image.config),
        };
        first.platform = match first.platform {
            Some(platform) => Some(platform),
            None => Config::parse(&self.image.config)?.platform(),
        };
        Ok(Index::new(std::iter::once(first).chain(self.attestations.iter().cloned()).collect()))
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

/// Puts `image` and the attestations of the original, and returns an index of both.
fn put_beside_attestations(
    session: &Session,
    source: &Arc<dyn Source>,
    chosen: &Chosen,
    image: Outgoing,
    sink: &dyn Sink,
) -> Result<Index> {
    let raw = children::put_image(image, sink)?;
    let mut first = raw.descriptor();
    first.platform = match &chosen.listed {
        Some(listed) => listed.child.platform.clone(),
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
