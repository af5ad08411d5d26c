//! `pack`: from a program to one that opens itself when it starts.

use std::fs::File;
use std::io::{self, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sealcrate_image::{MeteredReader, Stage, printable};
use sealcrate_lock::{Privileges, Start};
use sealcrate_pack::{
    Compression, InFolder, Openers, OwnFile, Packer, Parameters, Privilege, Program, Written,
};

use super::destination::{Destination, Existing};
use super::error::PackOptionsError;
use super::{FileSession, WrittenProgram, cannot, open};
use crate::Result;
use crate::error::{Error, ErrorSource};
use crate::listener::Notice;

/// The folder in which engines put secrets.
const SECRETS: &str = "/run/secrets/";

/// Longer names are cut where progress is shown.
const MAX_NAME: usize = 300;

/// The options of packing.
#[derive(Clone, Copy)]
pub struct PackOptions<'a> {
    /// The program, which is an ELF executable for Linux.
    pub program: &'a Path,
    /// The file that the packed program goes to.
    pub to: &'a Path,
    /// The treatment of a file that is there.
    pub existing: Existing,
    /// The treatment of set-ID bits and file capabilities, which a packed program cannot have.
    pub privileges: Privileges,
    /// The facts that the packed program knows before it has a key.
    pub start: Start<'a>,
    /// The folder that a start makes for the program; `None` for a program that lies in no folder.
    pub folder: Option<StartFolder<'a>>,
    /// The compression of the program.
    pub compression: Compression,
    /// Returns the passphrase or the recipients that can open the packed program. It is called once all
    /// other options have proven right.
    pub openers: &'a dyn Fn() -> Result<Openers, ErrorSource>,
}

/// A folder that a start makes for a program.
#[derive(Clone, Copy, Debug)]
pub struct StartFolder<'a> {
    /// The absolute path of the folder.
    pub path: &'a Path,
    /// The files and folders that are put beside the program.
    pub beside: &'a [PathBuf],
}

/// Returns the file in which a start looks for the key: the one that the user has `named`, or the secret
/// that is called like the variable, in lower case.
pub fn start_key_file(variable: &str, named: Option<&Path>) -> PathBuf {
    match named {
        Some(path) => path.to_owned(),
        None => Path::new(SECRETS).join(variable.to_ascii_lowercase()),
    }
}

/// Packs a program.
///
/// # Errors
/// The file is no program, or one that cannot be packed; an option does not fit it; errors of `openers`;
/// the packed program cannot be written.
///
/// # Example
/// ```
/// use std::path::Path;
///
/// use sealcrate_core::{Existing, FileSession, PackOptions, pack};
/// use sealcrate_lock::{Privileges, Start};
/// use sealcrate_pack::{Compression, NewIdentity, Openers};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let program = folder.path().join("program");
/// # // The stub of this machine is a small program of its own.
/// # std::fs::write(&program, sealcrate_pack::stubs()[0].bytes)?;
/// # let to = folder.path().join("packed");
/// let identity = NewIdentity::generate()?;
/// let written = pack(&FileSession::new(), &PackOptions {
///     program: &program,
///     to: &to,
///     existing: Existing::Keep,
///     privileges: Privileges::Refuse,
///     start: Start { variable: "BP", key_file: b"/run/secrets/bp", banner: b"" },
///     folder: None,
///     compression: Compression::Lz4,
///     openers: &|| Ok(Openers::recipients(vec![identity.recipient.clone()])?),
/// })?;
/// assert_eq!(written.size, to.metadata()?.len());
/// # Ok(())
/// # }
/// ```
pub fn pack(session: &FileSession, options: &PackOptions<'_>) -> Result<WrittenProgram> {
    let path = options.program;
    let destination = Destination::new(options.to, options.existing)?;
    let mut file = open(path)?;
    let program = Program::read(&file).map_err(cannot("pack", path))?;
    let mode = file.metadata().map_err(cannot("read", path))?.mode() & 0o777;
    let in_folder = options.in_folder(mode, program.size())?;
    let size = in_folder.as_ref().map_or_else(|| program.size(), InFolder::size);
    let parameters = options.parameters(size)?;
    options.check_privileges(session, &file)?;
    if in_folder.is_none() {
        tell_own_file(session, &program, &file).map_err(cannot("read", path))?;
    }
    let openers = &(options.openers)().map_err(Error::Caller)?;
    let packer = Packer { parameters, openers, compression: options.compression };
    let packed = destination.create(0o600, session)?;
    file.rewind().map_err(cannot("read", path))?;
    let input = Input { path, file: &file, program: &program, in_folder: in_folder.as_ref() };
    let written = input.write(session, &packer, packed.file())?;
    destination.name_with_mode(packed, mode, session)?;
    Ok(WrittenProgram::new(written, program.target()))
}

impl<'a> PackOptions<'a> {
    /// Returns the folder for a program of that mode and length, if there is one.
    fn in_folder(&self, mode: u32, len: u64) -> Result<Option<InFolder>, PackOptionsError> {
        let Some(folder) = self.folder else { return Ok(None) };
        let name = self.program.file_name().unwrap_or(self.program.as_os_str());
        let mut in_folder =
            InFolder::new(folder.path, name, mode, len).map_err(PackOptionsError::Folder)?;
        for path in folder.beside {
            in_folder.add(path).map_err(PackOptionsError::Beside)?;
        }
        Ok(Some(in_folder))
    }

    /// Returns the parameters for a start that takes memory for `size` bytes.
    fn parameters(&self, size: u64) -> Result<Parameters<'a>, PackOptionsError> {
        let Start { variable, key_file, banner } = self.start;
        let needed = self.compression.needed_mib(size);
        Parameters::new(needed, variable, key_file, banner).map_err(PackOptionsError::Parameters)
    }

    /// Refuses a file whose privileges would be lost, unless the options allow that.
    fn check_privileges(&self, session: &FileSession, file: &File) -> Result<()> {
        let privileges = Privilege::of(file).map_err(cannot("pack", self.program))?;
        if privileges.is_empty() {
            return Ok(());
        }
        match self.privileges {
            Privileges::Refuse => {
                Err(cannot("pack", self.program)(PackOptionsError::Privileges(privileges)))
            }
            Privileges::LeaveOut => {
                session.notice(Notice::PrivilegesLost(privileges));
                Ok(())
            }
        }
    }
}

/// Gives notice of a program that looks for its own file, or for others beside it, and will not find them.
fn tell_own_file(session: &FileSession, program: &Program, file: &File) -> io::Result<()> {
    if let Some(run_path) = program.run_path() {
        session.notice(Notice::LooksBesideItself(run_path.to_owned()));
    }
    if let Some(own_file) = OwnFile::of(file)? {
        session.notice(Notice::ReadsItsOwnFile(own_file));
    }
    Ok(())
}

/// A program to pack.
struct Input<'a> {
    path: &'a Path,
    file: &'a File,
    program: &'a Program,
    in_folder: Option<&'a InFolder>,
}

impl Input<'_> {
    /// Writes the packed program to `output`.
    fn write(&self, session: &FileSession, packer: &Packer<'_>, output: &File) -> Result<Written> {
        let Self { path, program, .. } = *self;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let name = printable(&name, MAX_NAME);
        let meter = session.progress.begin(Stage::Encrypt, &name, Some(program.size()));
        let mut input = MeteredReader::new(self.file, &*meter);
        let written = match self.in_folder {
            Some(in_folder) => {
                let (mut content, len) =
                    in_folder.content(&mut input).map_err(cannot("pack", path))?;
                packer.pack_content(program.target(), &mut content, len, output)
            }
            None => packer.pack(program, &mut input, output),
        };
        let written = written.map_err(cannot("pack", path))?;
        meter.done();
        Ok(written)
    }
}
