//! From errors to exit codes and hints.
//!
//! Libraries say what happened. This module decides what that means to the user: which of the documented
//! exit codes it has, and how to go on.

mod core;
mod decoder;
mod keyprovider;
mod kind;
mod locked;
mod ocicrypt;
mod packed;
mod sealed;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use sealcrate_core::ErrorSource;
use sealcrate_crypt::PassphraseError;
use sealcrate_crypt::crypto_cli::dare::DareError;
use sealcrate_crypt::crypto_cli::{
    DecryptError, EncryptError, KdfError, KeyDataError, RewrapError, SealedConfigError,
};
use sealcrate_crypt::formats::{ChooseError, OpenError};
use sealcrate_crypt::select::SelectError;
use sealcrate_image::engine::EngineError;
use sealcrate_image::registry::RegistryError;
use sealcrate_image::{
    ConfigError, Damage, ExpansionError, Fault, ManifestError, NoRoom, ReadError, ReferenceError,
    WriteError, printable,
};
use thiserror::Error;

use crate::output::talk;

use kind::{Kind, NO_PASSPHRASE, NOT_BOUND, ONE_PLATFORM, UNENCRYPTED};

pub(crate) use decoder::{NoLayerKey, NoPayload};
pub(crate) use ocicrypt::NoOpenPgpFile;
pub(crate) use packed::MissingIdentity;

/// Longer errors are cut: a stranger may have written names and types in them.
const MAX_LINE: usize = 2000;

/// Tells that a key is needed and there is none.
#[derive(Debug, Error)]
#[error("a passphrase is needed, and none was given")]
pub(crate) struct MissingKey;

/// Tells that options contradict each other, or ask for the impossible.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Prints an error with its causes and a hint, and returns the exit code that it means.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    talk::line(&format!("error: {}", one_line(error)));
    if let Some(hint) = causes(error.as_ref()).find_map(hint) {
        talk::line(&format!("hint: {hint}"));
    }
    ExitCode::from(kind(error.as_ref()) as u8)
}

/// Prints an error with its causes for a program that started this one, and returns the exit code. The line
/// names sealcrate, since it will stand among the lines of other programs.
pub(crate) fn report_to_program(error: &anyhow::Error) -> ExitCode {
    talk::line(&format!("sealcrate: {}", one_line(error)));
    ExitCode::from(kind(error.as_ref()) as u8)
}

/// Returns an error as libraries take it, with its causes at hand.
pub(crate) fn boxed(error: anyhow::Error) -> ErrorSource {
    error.reallocate_into_boxed_dyn_error_without_backtrace()
}

/// Joins an error and its causes. It leaves out a cause that an outer error has shown already.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    one_line_of(error.as_ref())
}

/// Joins an error and its causes, as [`one_line`] does.
pub(crate) fn one_line_of(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for cause in std::iter::successors(Some(error), |&error| error.source()) {
        let text = cause.to_string();
        if line.contains(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    printable(&line, MAX_LINE)
}

/// Walks an error and its causes, and the errors inside I/O errors.
fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> + 'e {
    std::iter::successors(Some(error), |&error| {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

fn kind(error: &(dyn Error + 'static)) -> Kind {
    causes(error).find_map(kind_of).unwrap_or(Kind::Failure)
}

fn kind_of(error: &(dyn Error + 'static)) -> Option<Kind> {
    if let Some(kind) = core::kind_of(error).or_else(|| sealed::kind_of(error)) {
        return Some(kind);
    }
    if let Some(error) = error.downcast_ref::<DecryptError>() {
        return match error {
            DecryptError::NotEncrypted | DecryptError::ConfigNotEncrypted => {
                Some(Kind::Unencrypted)
            }
            DecryptError::WrongPassphrase => Some(Kind::Key),
            DecryptError::LayerCount { .. }
            | DecryptError::LayerKey(_)
            | DecryptError::LayerNotEncrypted(_)
            | DecryptError::OtherBlobs => Some(Kind::Damaged),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<OpenError>() {
        return match error {
            OpenError::NotEncrypted => Some(Kind::Unencrypted),
            OpenError::NotBound => Some(Kind::Damaged),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<DareError>() {
        return (!matches!(error, DareError::Empty)).then_some(Kind::Damaged);
    }
    let is_damage = error.is::<Damage>()
        || error.is::<SealedConfigError>()
        || error.is::<KdfError>()
        || error.is::<KeyDataError>()
        || error.is::<ManifestError>()
        || error.is::<ConfigError>()
        || fault(error) == Some(Fault::Damaged);
    if is_damage {
        return Some(Kind::Damaged);
    }
    if error.is::<MissingKey>() || error.is::<PassphraseError>() {
        return Some(Kind::Key);
    }
    let is_usage = error.is::<Usage>()
        || error.is::<RewrapError>()
        || error.is::<ReferenceError>()
        || matches!(error.downcast_ref(), Some(EncryptError::Iterations(_)));
    if is_usage {
        return Some(Kind::Usage);
    }
    ocicrypt::kind_of(error)
        .or_else(|| decoder::kind_of(error))
        .or_else(|| keyprovider::kind_of(error))
        .or_else(|| packed::kind_of(error))
        .or_else(|| locked::kind_of(error))
}

/// Tells what the error of a medium means, if there is one.
fn fault(error: &(dyn Error + 'static)) -> Option<Fault> {
    let read = error.downcast_ref::<ReadError>().and_then(ReadError::fault);
    read.or_else(|| error.downcast_ref::<WriteError>().and_then(WriteError::fault))
}

fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<DecryptError>() {
        return match error {
            DecryptError::NotEncrypted | DecryptError::ConfigNotEncrypted => Some(UNENCRYPTED),
            DecryptError::WrongPassphrase => Some(
                "no layer was read, and nothing was written; of a passphrase in a file, one line end at \
                 its end does not count, but every space does",
            ),
            _ => None,
        };
    }
    match error.downcast_ref() {
        Some(OpenError::NotEncrypted) => return Some(UNENCRYPTED),
        Some(OpenError::NotBound) => return Some(NOT_BOUND),
        _ => {}
    }
    match error.downcast_ref() {
        Some(RewrapError::NotAuthenticated) => {
            return Some(
                "`copy` with --pass-file and --new-pass-file makes a new image of it, if you trust these members",
            );
        }
        Some(RewrapError::OnePassphrase) => {
            return Some("name the new passphrase with --new-pass-file or --new-pass-fd");
        }
        _ => {}
    }
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
    if matches!(error.downcast_ref(), Some(KdfError::Budget)) {
        return Some(ONE_PLATFORM);
    }
    if error.is::<MissingKey>() {
        return Some(NO_PASSPHRASE);
    }
    if matches!(error.downcast_ref(), Some(ChooseError::AlreadyEncrypted)) {
        return Some(
            "`sealcrate rewrap` changes who can open it; to encrypt it anew elsewhere, copy it with \
             --pass-file for the old passphrase, or --identity, and --new-pass-file or --recipient for \
             the new ones",
        );
    }
    if let Some(error) = error.downcast_ref::<SelectError>() {
        return match error {
            SelectError::NoLabel | SelectError::AmbiguousLabel(_) => Some(
                "put LABEL com.senetas.crypto.enabled=true before the private layers in the \
                 Dockerfile, or use --encrypt-layer N, --all-layers or --base IMAGE; --type NONE \
                 pushes without encryption",
            ),
            SelectError::HistoryMismatch { .. } | SelectError::Nothing => {
                Some("choose layers with --encrypt-layer N, --all-layers or --base IMAGE")
            }
            _ => None,
        };
    }
    core::hint(error)
        .or_else(|| ocicrypt::hint(error))
        .or_else(|| packed::hint(error))
        .or_else(|| locked::hint(error))
        .or_else(|| sealed::hint(error))
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

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn kind_in(error: impl Error + Send + Sync + 'static) -> Kind {
        kind(anyhow::Error::new(error).context("some more words").as_ref())
    }

    #[test]
    fn every_documented_code_has_its_errors() {
        assert_eq!(kind_in(io::Error::other("x")), Kind::Failure);
        assert_eq!(kind_in(Usage("x".into())), Kind::Usage);
        assert_eq!(kind_in(EncryptError::Iterations(1)), Kind::Usage);
        assert_eq!(kind_in(MissingKey), Kind::Key);
        assert_eq!(kind_in(DecryptError::WrongPassphrase), Kind::Key);
        assert_eq!(kind_in(DecryptError::NotEncrypted), Kind::Unencrypted);
        assert_eq!(kind_in(DecryptError::LayerKey("x".into())), Kind::Damaged);
        assert_eq!(kind_in(DecryptError::OtherBlobs), Kind::Damaged);
        assert_eq!(kind_in(SealedConfigError::Authentication), Kind::Damaged);
        assert_eq!(kind_in(DecryptError::Kdf(KdfError::TotalIterations)), Kind::Damaged);
        let other_layer = EngineError::OtherLayer { said: "x".into() };
        assert_eq!(kind_in(WriteError::from(other_layer)), Kind::Damaged);
        assert_eq!(kind_in(WriteError::from(EngineError::EndedEarly)), Kind::Failure);
    }

    #[test]
    fn what_travels_inside_io_errors_is_found() {
        let damage = Damage::TooLong { what: "x".into(), expected: 1 };
        assert_eq!(kind_in(io::Error::from(damage)), Kind::Damaged);
        assert_eq!(kind_in(io::Error::from(DareError::Truncated)), Kind::Damaged);
        assert_eq!(kind_in(EncryptError::Io(DareError::Truncated.into())), Kind::Damaged);
    }

    #[test]
    fn one_line_says_each_thing_once() {
        let error = Err::<(), _>(anyhow::anyhow!("inner\nline")).context("outer").unwrap_err();
        assert_eq!(one_line(&error), "outer: inner line");
        let long = anyhow::anyhow!("x".repeat(3000));
        assert_eq!(one_line(&long).chars().count(), MAX_LINE + 1);
        let repeated = Err::<(), _>(anyhow::anyhow!("x")).context("outer: x").unwrap_err();
        assert_eq!(one_line(&repeated), "outer: x");
    }
}
