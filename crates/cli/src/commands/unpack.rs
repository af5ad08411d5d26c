//! `unpack`: from a packed program to the program, or to the age file that holds it.

use std::io::{BufWriter, Write};
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};
use sealcrate_pack::{Key, Packed, Written};

use super::{open, print_file};
use crate::args::UnpackArgs;
use crate::environment::destination::{Destination, Existing};
use crate::keys;
use crate::output::failure::MissingIdentity;
use crate::output::report;
use crate::output::talk;
use crate::session::Local;

pub(crate) fn run(args: &UnpackArgs, local: &Local) -> Result<()> {
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let destination = Destination::new(&args.out, existing)?;
    let cannot_unpack = || format!("cannot unpack {}", args.packed.display());
    let file = open(&args.packed)?;
    let packed = Packed::read(&file).with_context(cannot_unpack)?;
    if args.raw {
        let unnamed = destination.create(0o666, &local.interrupt)?;
        unnamed.file().write_all(packed.age()).with_context(cannot_unpack)?;
        let written = Written::of(unnamed.file()).with_context(cannot_unpack)?;
        destination.name(unnamed, &local.interrupt)?;
        return print_file(args.output, &args.out, &written, packed.target());
    }
    let key = key(args, &packed, local)?;
    // The private program has no name, and is for nobody else, before it is whole.
    let unnamed = destination.create(0o600, &local.interrupt)?;
    let mut writer = BufWriter::with_capacity(256 << 10, unnamed.file());
    let beside = packed.open(&key, &mut writer).with_context(cannot_unpack)?;
    writer.flush().with_context(cannot_unpack)?;
    drop(writer);
    let written = Written::of(unnamed.file()).with_context(cannot_unpack)?;
    let mode = file.metadata().with_context(cannot_unpack)?.mode() & 0o777;
    destination.name_with_mode(unnamed, mode, &local.interrupt)?;
    if let Some(first) = beside.first() {
        let name = String::from_utf8_lossy(first);
        let all = beside.len();
        talk::note(format!(
            "what is packed beside the program is not written: {all} files and folders, the first {}",
            report::printable(&name)
        ));
    }
    print_file(args.output, &args.out, &written, packed.target())
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
