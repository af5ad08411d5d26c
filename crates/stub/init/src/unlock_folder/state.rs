//! The part of the index that stays while the command runs: how to run the commands that come later.
//!
//! It lies in memory, among the unlocked files, for the user who has unlocked them.

use sealcrate_stub_start::system::{Errno, Folder, Mapped};

use crate::failure::Failure;
use crate::paths::{OWN_FOLDER, STATE, STATE_NAME};

/// The name of the file in our own folder that the first process makes when it fails.
const FAILED: &[u8] = b"failed";

/// Writes the state.
pub(crate) fn write(unlocked: &Folder, command: &[u8]) -> Result<(), Errno> {
    let folder = unlocked.beneath(OWN_FOLDER)?;
    folder.make_file(STATE_NAME)?.descriptor().write(command)
}

/// Tells whether this process is the first one that fails.
pub(crate) fn is_first_failure(unlocked: &Folder) -> bool {
    let made = unlocked.beneath(OWN_FOLDER).and_then(|folder| folder.make_file(FAILED));
    !matches!(made, Err(Errno::EXISTS))
}

/// Opens the state.
pub(crate) fn open() -> Result<Mapped, Failure> {
    Mapped::open(STATE).map_err(Failure::NotUnlocked)
}
