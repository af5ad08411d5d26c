//! From errors to exit codes and hints.
//!
//! Libraries say what happened and of which class it is. This module gives each class its documented exit code, and
//! tells the user how to go on.

mod class;
mod errors;
mod hints;
mod no_layer_key;

use std::error::Error;
use std::process::ExitCode;

use sealcrate_core::{ErrorSource, causes};
use sealcrate_image::printable;

use crate::output::talk;

use class::{class, exit_code};
use hints::hint;

pub(crate) use errors::{MissingIdentity, MissingKey, NoOpenPgpFile, NoPayload, Usage};
pub(crate) use no_layer_key::NoLayerKey;

/// Longer errors are cut: a stranger may have written names and types in them.
const MAX_LINE: usize = 2000;

/// Prints an error with its causes and a hint, and returns the exit code that it means.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    talk::line(&format!("error: {}", one_line(error)));
    if let Some(hint) = causes(error.as_ref()).find_map(hint) {
        talk::line(&format!("hint: {hint}"));
    }
    ExitCode::from(exit_code(class(error.as_ref())))
}

/// Prints an error with its causes for a program that started this one, and returns the exit code. The line
/// names sealcrate, since it will stand among the lines of other programs.
pub(crate) fn report_to_program(error: &anyhow::Error) -> ExitCode {
    talk::line(&format!("sealcrate: {}", one_line(error)));
    ExitCode::from(exit_code(class(error.as_ref())))
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

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context;
    use sealcrate_core::{Error as CoreError, ErrorClass, Refusal};
    use sealcrate_crypt::crypto_cli::{DecryptError, EncryptError, SealedConfigError};
    use sealcrate_crypt::ocicrypt;

    use super::*;

    fn class_in(error: impl Error + Send + Sync + 'static) -> ErrorClass {
        class(anyhow::Error::new(error).context("some more words").as_ref())
    }

    #[test]
    fn every_documented_code_has_its_errors() {
        assert_eq!(exit_code(class_in(io::Error::other("x"))), 1);
        assert_eq!(exit_code(class_in(Usage("x".into()))), 2);
        assert_eq!(exit_code(class_in(MissingKey)), 3);
        assert_eq!(exit_code(class_in(CoreError::PlainImage)), 4);
        assert_eq!(exit_code(class_in(CoreError::UnboundIndex)), 5);
    }

    #[test]
    fn errors_of_all_libraries_have_their_classes() {
        assert_eq!(class_in(EncryptError::Iterations(1)), ErrorClass::Usage);
        assert_eq!(class_in(DecryptError::WrongPassphrase), ErrorClass::Key);
        assert_eq!(class_in(DecryptError::NotEncrypted), ErrorClass::NotEncrypted);
        assert_eq!(class_in(DecryptError::LayerKey("x".into())), ErrorClass::Damaged);
        assert_eq!(class_in(SealedConfigError::Authentication), ErrorClass::Damaged);
        assert_eq!(class_in(ocicrypt::DecryptError::TooManyAttempts), ErrorClass::Key);
        assert_eq!(class_in(ocicrypt::DecryptError::Tampered("x".into())), ErrorClass::Damaged);
        assert_eq!(class_in(CoreError::from(Refusal::NestedIndex)), ErrorClass::Usage);
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
