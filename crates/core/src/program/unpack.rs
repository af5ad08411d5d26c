//! `unpack`: from a packed program to the program, or to the age file that holds it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sealcrate_pack::{Key, Packed, Written};

use super::destination::{Destination, Existing};
use super::{FileSession, WrittenProgram, cannot, open};
use crate::Result;
use crate::error::{Error, ErrorSource};
use crate::listener::Notice;

/// The options of unpacking.
#[derive(Clone, Copy)]
pub struct UnpackOptions<'a> {
    /// The packed program.
    pub packed: &'a Path,
    /// The file that the result goes to.
    pub to: &'a Path,
    /// The treatment of a file that is there.
    pub existing: Existing,
    /// The part of the packed program that is written.
    pub part: UnpackedPart<'a>,
}

/// The part of a packed program that is written.
#[derive(Clone, Copy)]
pub enum UnpackedPart<'a> {
    /// The age file that holds the compressed program, which needs no key.
    AgeFile,
    /// The program.
    Program {
        /// Returns the key for the packed program.
        key: &'a dyn Fn(&Packed) -> Result<Key, ErrorSource>,
    },
}

/// Gets a program back out of a packed one.
///
/// # Errors
/// The file is no packed program; errors of `key`; the key does not open it; the payload is damaged; the
/// result cannot be written.
///
/// # Example
/// ```
/// use sealcrate_core::{Existing, FileSession, UnpackOptions, UnpackedPart, unpack};
/// use sealcrate_pack::Key;
/// # use sealcrate_core::{PackOptions, pack};
/// # use sealcrate_lock::{Privileges, Start};
/// # use sealcrate_pack::{Compression, NewIdentity, Openers};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let program = folder.path().join("program");
/// # std::fs::write(&program, sealcrate_pack::stubs()[0].bytes)?;
/// # let packed = folder.path().join("packed");
/// # let to = folder.path().join("unpacked");
/// # let identity = NewIdentity::generate()?;
/// # pack(&FileSession::new(), &PackOptions {
/// #     program: &program,
/// #     to: &packed,
/// #     existing: Existing::Keep,
/// #     privileges: Privileges::Refuse,
/// #     start: Start { variable: "BP", key_file: b"/run/secrets/bp", banner: b"" },
/// #     folder: None,
/// #     compression: Compression::Lz4,
/// #     openers: &|| Ok(Openers::recipients(vec![identity.recipient.clone()])?),
/// # })?;
/// unpack(&FileSession::new(), &UnpackOptions {
///     packed: &packed,
///     to: &to,
///     existing: Existing::Keep,
///     part: UnpackedPart::Program {
///         key: &|_packed| Ok(Key::parse(identity.secret.as_bytes().to_vec().into())?),
///     },
/// })?;
/// assert_eq!(std::fs::read(&to)?, std::fs::read(&program)?);
/// # Ok(())
/// # }
/// ```
pub fn unpack(session: &FileSession, options: &UnpackOptions<'_>) -> Result<WrittenProgram> {
    let destination = Destination::new(options.to, options.existing)?;
    let file = open(options.packed)?;
    let packed = Packed::read(&file).map_err(cannot("unpack", options.packed))?;
    let written = match options.part {
        UnpackedPart::AgeFile => options.write_age_file(session, &packed, &destination)?,
        UnpackedPart::Program { key } => {
            let key = key(&packed).map_err(Error::Caller)?;
            options.write_program(session, (&file, &packed), &key, &destination)?
        }
    };
    Ok(WrittenProgram::new(written, packed.target()))
}

impl UnpackOptions<'_> {
    fn write_age_file(
        &self,
        session: &FileSession,
        packed: &Packed,
        destination: &Destination<'_>,
    ) -> Result<Written> {
        let unnamed = destination.create(0o666, session)?;
        unnamed.file().write_all(packed.age()).map_err(cannot("unpack", self.packed))?;
        let written = Written::of(unnamed.file()).map_err(cannot("unpack", self.packed))?;
        destination.name(unnamed, session)?;
        Ok(written)
    }

    fn write_program(
        &self,
        session: &FileSession,
        (file, packed): (&File, &Packed),
        key: &Key,
        destination: &Destination<'_>,
    ) -> Result<Written> {
        // The private program has no name, and is for nobody else, before it is whole.
        let unnamed = destination.create(0o600, session)?;
        let mut writer = BufWriter::with_capacity(256 << 10, unnamed.file());
        let beside = packed.open(key, &mut writer).map_err(cannot("unpack", self.packed))?;
        writer.flush().map_err(cannot("unpack", self.packed))?;
        drop(writer);
        let written = Written::of(unnamed.file()).map_err(cannot("unpack", self.packed))?;
        let mode = file.metadata().map_err(cannot("unpack", self.packed))?.mode() & 0o777;
        destination.name_with_mode(unnamed, mode, session)?;
        if let Some(first) = beside.first() {
            let first = String::from_utf8_lossy(first).into_owned();
            session.notice(Notice::FilesBesideLeftOut { count: beside.len(), first });
        }
        Ok(written)
    }
}
