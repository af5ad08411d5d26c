//! Children of an index that is not encrypted: every image is changed in the same way, and a new index names
//! the results.

use std::collections::HashMap;
use std::sync::Arc;

use sealcrate_image::{
    ATTESTED, Artifact, Descriptor, Digest, Family, Image, Index, LayerForm, Location, Outgoing,
    Platform, Prefetch, RawManifest, Sink, Source,
};

use super::{Attestations, WhyDropped};
use crate::Result;
use crate::error::Refusal;
use crate::listener::Notice;
use crate::session::Session;

/// Returns the index, if the command changes it as a whole: the user chose no platform, and the destination
/// can hold an index. An index with a single image counts as that image.
pub(crate) fn whole<'a>(
    artifact: &'a Artifact,
    platform: Option<&Platform>,
    to: &Location,
) -> Option<&'a Index> {
    match (artifact, platform) {
        (Artifact::Index { index, .. }, None)
            if holds_indexes(to) && index.images().nth(1).is_some() =>
        {
            Some(index)
        }
        _ => None,
    }
}

/// Tells whether an index can be written to a location.
pub(crate) fn holds_indexes(location: &Location) -> bool {
    matches!(
        location,
        Location::Registry(_) | Location::OciLayout { .. } | Location::OciArchive { .. }
    )
}

/// Puts every image of `index` into `sink` as `change` makes it, and returns an index of the results.
/// `change` puts the layers. An image that it leaves as it was keeps its descriptor, and with it its digest.
///
/// # Errors
/// Errors of reading, of `change`, and of the sink; an index within the index.
pub(crate) fn put(
    session: &Session,
    source: &Arc<dyn Source>,
    index: &Index,
    sink: &dyn Sink,
    attestations: Attestations,
    mut change: impl FnMut(Image) -> Result<Outgoing>,
) -> Result<Index> {
    let mut became: HashMap<Digest, Descriptor> = HashMap::new();
    for child in index.images() {
        let Artifact::Image(image) = Artifact::child(source, child)? else {
            return Err(Refusal::NestedIndex.into());
        };
        let raw = put_image(change(image)?, sink)?;
        let mut descriptor = child.clone();
        if raw.digest() != child.digest {
            descriptor = raw.descriptor();
            descriptor.platform.clone_from(&child.platform);
            descriptor.annotations.clone_from(&child.annotations);
        }
        became.insert(child.digest, descriptor);
    }
    let mut manifests = Vec::with_capacity(index.manifests.len());
    let mut dropped = Vec::new();
    for child in &index.manifests {
        if let Some(descriptor) = became.get(&child.digest) {
            manifests.push(descriptor.clone());
            continue;
        }
        if attestations == Attestations::Drop {
            dropped.push(child.digest.short());
            continue;
        }
        let mut descriptor = put_attestation(session, source, child, sink)?;
        if let Some(attested) = descriptor.annotations.get_mut(ATTESTED)
            && let Some(image) = attested.parse().ok().and_then(|digest| became.get(&digest))
        {
            *attested = image.digest.to_string();
        }
        manifests.push(descriptor);
    }
    if !dropped.is_empty() {
        let why = WhyDropped::NeverKept;
        session.notice(Notice::AttestationsDropped { digests: dropped, why });
    }
    let mut changed = Index::new(manifests);
    changed.remarks.clone_from(&index.remarks);
    Ok(changed)
}

/// Puts an image whose layers are in `sink`, and returns its manifest. An image without one gets a manifest
/// of the kind that the sink takes.
///
/// # Errors
/// Errors of the sink.
pub(crate) fn put_image(image: Outgoing, sink: &dyn Sink) -> Result<RawManifest> {
    let family = match sink.layer_form() {
        LayerForm::Packed(family) => family,
        LayerForm::AsItComes => Family::Docker,
    };
    let image = match image.manifest {
        Some(_) => image,
        None => image.with_manifest(family)?,
    };
    sink.put_child(&image)?;
    Ok(image.into_image().manifest.expect("it was made where there was none"))
}

/// Puts the attestation that `child` names, and returns its descriptor for an index. The descriptor takes
/// only the platform and annotations of `child`, since nothing vouches for the rest.
///
/// # Errors
/// Errors of reading, and of the sink.
pub(crate) fn put_attestation(
    session: &Session,
    source: &Arc<dyn Source>,
    child: &Descriptor,
    sink: &dyn Sink,
) -> Result<Descriptor> {
    let attestation = Artifact::child(source, child)?.into_image(source, None)?;
    let attestation = Outgoing::built(attestation);
    let attestation = session.put_plain(&attestation, Prefetch::default(), sink)?;
    let mut descriptor = put_image(attestation, sink)?.descriptor();
    descriptor.platform.clone_from(&child.platform);
    descriptor.annotations.clone_from(&child.annotations);
    Ok(descriptor)
}
