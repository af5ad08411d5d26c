//! Hints for the errors of packed programs.

use std::error::Error;

use sealcrate_core::{DestinationError, PackOptionsError};
use sealcrate_pack::{AnswerError, OpenersError, PackError, PackedError, ProgramError};

use super::super::errors::MissingIdentity;

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<ProgramError>() {
        return program_hint(error);
    }
    if let Some(error) = error.downcast_ref::<AnswerError>() {
        return match error {
            AnswerError::OtherProgram => Some(
                "do not answer it elsewhere: who asks so may be after another secret of the same \
                 key; --for names the program, or the image, that was started",
            ),
            _ => None,
        };
    }
    if matches!(error.downcast_ref(), Some(PackError::NoStub(_))) {
        return Some(
            "build sealcrate with the compiler's target for it, see CONTRIBUTING.md; \
             `sealcrate pack --list-targets` shows what there is",
        );
    }
    if matches!(error.downcast_ref(), Some(PackedError::NotPacked)) {
        return Some(
            "programs are packed with `sealcrate pack`; an image is named with its transport, as \
             docker-archive:FILE or docker-daemon:NAME",
        );
    }
    if matches!(error.downcast_ref(), Some(OpenersError::Identity)) {
        return Some("to pack for an identity, give its public key with --recipient age1…");
    }
    if matches!(error.downcast_ref(), Some(DestinationError::Exists(_))) {
        return Some("--force replaces it");
    }
    if error.is::<MissingIdentity>() {
        return Some("give it with --identity FILE, as `sealcrate keygen` writes it");
    }
    if matches!(error.downcast_ref(), Some(PackOptionsError::Privileges(_))) {
        return Some(
            "--force packs it without; file capabilities can be set on the packed file, which passes them on",
        );
    }
    None
}

fn program_hint(error: &ProgramError) -> Option<&'static str> {
    match error {
        ProgramError::AlreadyPacked => Some(
            "`sealcrate unpack` gets the program back, which can be packed with another key then",
        ),
        ProgramError::BigEndian | ProgramError::Machine(_) => {
            Some("`sealcrate pack --list-targets` shows what programs can be packed for")
        }
        ProgramError::Empty | ProgramError::Truncated { .. } => {
            Some("build or copy it again: what made it ended too early")
        }
        ProgramError::ObjectFile => Some("link it to a program"),
        ProgramError::Script { .. } => Some(
            "only ELF executables can be packed: build the script into one, or encrypt the layer \
             that it lies in with `sealcrate push`",
        ),
        ProgramError::SharedLibrary => {
            Some("pack the program that uses it, linked statically if the library is private")
        }
        ProgramError::NotElf(_) | ProgramError::CoreDump => {
            Some("only ELF executables for Linux can be packed")
        }
        _ => None,
    }
}
