//! Hints for the errors of media: engines, registries, disks.

use std::error::Error;

use sealcrate_image::engine::EngineError;
use sealcrate_image::registry::RegistryError;
use sealcrate_image::{ExpansionError, NoRoom};

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<EngineError>() {
        return match error {
            EngineError::NoSocket { .. } | EngineError::NotListening { .. } => Some(
                "start the engine, say where it is with DOCKER_HOST, or work without one: --from \
                 and --to take archives, layouts and registries",
            ),
            EngineError::NoPermission { .. } => {
                Some("run it as root, or as a member of the group that owns the socket")
            }
            EngineError::LayerGone { .. } => {
                Some("somebody removed a layer from the engine meanwhile: run it again")
            }
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<RegistryError>() {
        return registry_hint(error);
    }
    if error.is::<ExpansionError>() {
        return Some("--max-ratio N lets it: check first that you trust whoever made the image");
    }
    if error.is::<NoRoom>() {
        return Some(
            "another disk may have it: TMPDIR=FOLDER says where things wait, --to where the image goes",
        );
    }
    None
}

fn registry_hint(error: &RegistryError) -> Option<&'static str> {
    match error {
        RegistryError::Denied { .. } => {
            Some("log in with `docker login` or `podman login`; sealcrate uses what they store")
        }
        RegistryError::InsecureLogin { .. } => Some(
            "any program on this machine may be the one that listens there; --plain-http=HOST:PORT sends \
             the login in clear, and so do insecure-registries in Docker's daemon.json and insecure in \
             registries.conf",
        ),
        RegistryError::NotStored { .. } | RegistryError::Protocol { .. } => {
            Some("a proxy or a portal may stand between, and answer for the registry")
        }
        RegistryError::TooLate { .. } => Some("--timeout SECONDS gives a slow registry more time"),
        RegistryError::TooSlow { .. } => {
            Some("--min-rate BYTES lets a slower connection go on; 0 lets any")
        }
        RegistryError::Transport { .. } => Some(
            "check the name and the network; --ca FILE trusts a further authority, --plain-http \
             speaks to a registry without TLS",
        ),
        _ => None,
    }
}
