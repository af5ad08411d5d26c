//! `unpack`: from a packed program to the program, or to the age file that holds it.

use anyhow::Result;
use sealcrate_core::{Existing, UnpackOptions, UnpackedPart};
use sealcrate_pack::{Key, Packed};

use super::print_program;
use crate::args::UnpackArgs;
use crate::keys;
use crate::output::failure::{MissingIdentity, boxed};
use crate::session::Local;

pub(crate) fn run(args: &UnpackArgs, local: &Local) -> Result<()> {
    let key = |packed: &Packed| key(args, packed, local).map_err(boxed);
    let options = UnpackOptions {
        packed: &args.packed,
        to: &args.out,
        existing: if args.force { Existing::Replace } else { Existing::Keep },
        part: match args.raw {
            true => UnpackedPart::AgeFile,
            false => UnpackedPart::Program { key: &key },
        },
    };
    let written = sealcrate_core::unpack(&local.files(), &options)?;
    print_program(args.output, &args.out, &written)
}

/// Returns the key that the user has for a packed program.
fn key(args: &UnpackArgs, packed: &Packed, local: &Local) -> Result<Key> {
    if let Some(path) = &args.identity {
        return keys::key_in(path);
    }
    match local.keys.given(&args.passphrase)? {
        Some(given) => keys::key_of(&given),
        None if !packed.is_for_passphrase() => Err(MissingIdentity.into()),
        None => keys::key_of(&local.keys.to_decrypt(&args.passphrase)?),
    }
}
