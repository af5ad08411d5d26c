//! Programs that are put into a folder when they start, with files beside them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Cursor, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_packfile::{FolderEntry, FolderError, FolderHead, FolderKind, is_place};
use thiserror::Error;

/// The most entries of a folder, the program included.
const MAX_ENTRIES: usize = 10_000;

/// The folder into which a start puts the program, with the files beside it.
#[derive(Debug)]
pub struct InFolder {
    path: Vec<u8>,
    entries: Vec<Entry>,
}

/// An entry of the folder.
#[derive(Debug)]
struct Entry {
    path: Vec<u8>,
    kind: FolderKind,
    mode: u32,
    len: u64,
    source: Source,
}

/// The source of an entry's content.
#[derive(Debug)]
enum Source {
    /// The program.
    Program,
    /// A file, which is opened when its content is read.
    File(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

impl InFolder {
    /// Puts a program of that name, mode and length into the folder `path`.
    ///
    /// # Errors
    /// `path` is not absolute, not in its shortest form, or has blanks, backslashes or other letters
    /// than ASCII's in it.
    pub fn new(path: &Path, name: &OsStr, mode: u32, len: u64) -> Result<Self, InFolderError> {
        let path = path.as_os_str().as_bytes().to_vec();
        if !is_place(&path) {
            return Err(InFolderError::Path);
        }
        let name = name.as_bytes().to_vec();
        let program =
            Entry { path: name, kind: FolderKind::File, mode, len, source: Source::Program };
        Ok(Self { path, entries: vec![program] })
    }

    /// Puts a file, or a folder with all that is in it, beside the program.
    ///
    /// # Errors
    /// A file cannot be read, or is neither file nor folder nor link; another entry has its name; there
    /// are too many entries.
    pub fn add(&mut self, path: &Path) -> Result<(), InFolderError> {
        let name = path.file_name().ok_or(InFolderError::Path)?;
        // A link that the user names stands for its target. Links in a named folder stay links.
        let metadata = fs::metadata(path).map_err(|error| cannot_read(path, error))?;
        self.add_as(path, name.to_owned(), &metadata)
    }

    fn add_as(
        &mut self,
        from: &Path,
        to: OsString,
        metadata: &Metadata,
    ) -> Result<(), InFolderError> {
        let failed = |error| cannot_read(from, error);
        let path = to.as_bytes().to_vec();
        if self.entries.iter().any(|entry| entry.path == path) {
            return Err(InFolderError::Twice(from.to_owned()));
        }
        if self.entries.len() >= MAX_ENTRIES {
            return Err(InFolderError::TooMany);
        }
        let kind = metadata.file_type();
        let (kind, len, source) = if kind.is_file() {
            (FolderKind::File, metadata.len(), Source::File(from.to_owned()))
        } else if kind.is_dir() {
            (FolderKind::Folder, 0, Source::Bytes(Vec::new()))
        } else if kind.is_symlink() {
            let target = fs::read_link(from).map_err(failed)?.into_os_string();
            let target = target.as_bytes().to_vec();
            (FolderKind::Link, target.len() as u64, Source::Bytes(target))
        } else {
            return Err(InFolderError::Special(from.to_owned()));
        };
        self.entries.push(Entry { path, kind, mode: metadata.mode(), len, source });
        if kind == FolderKind::Folder {
            let mut names = fs::read_dir(from)
                .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
                .map_err(failed)?;
            let names: &mut Vec<OsString> = &mut names;
            names.sort();
            for name in names {
                let below = from.join(&*name);
                let metadata =
                    fs::symlink_metadata(&below).map_err(|error| cannot_read(&below, error))?;
                self.add_as(&below, Path::new(&to).join(name).into_os_string(), &metadata)?;
            }
        }
        Ok(())
    }

    /// Returns the content to pack instead of the program, and its length in bytes. `program` yields the
    /// program.
    ///
    /// # Errors
    /// A name is not allowed, or all names together are too long.
    pub fn content<'r>(
        &'r self,
        program: &'r mut dyn Read,
    ) -> Result<(Box<dyn Read + 'r>, u64), InFolderError> {
        let mut head = Vec::new();
        let entries = self.entries.iter().map(|entry| FolderEntry {
            path: &entry.path,
            kind: entry.kind,
            mode: entry.mode,
            len: entry.len,
        });
        FolderHead::write(&self.path, entries, &mut head)?;
        let len = head.len() as u64 + self.size();
        let mut content: Box<dyn Read + 'r> = Box::new(Cursor::new(head).chain(program));
        // The program is the first entry.
        for entry in &self.entries[1..] {
            content = match &entry.source {
                Source::File(path) => Box::new(content.chain(Exactly::new(path, entry.len))),
                Source::Bytes(bytes) => Box::new(content.chain(Cursor::new(bytes))),
                Source::Program => content,
            };
        }
        Ok((content, len))
    }

    /// Returns the length in bytes of the program and all entries beside it.
    pub fn size(&self) -> u64 {
        self.entries.iter().map(|entry| entry.len).sum()
    }
}

fn cannot_read(path: &Path, error: io::Error) -> InFolderError {
    InFolderError::Read { path: path.to_owned(), error }
}

/// A file that must still have its length from before. The first read opens it.
struct Exactly<'p> {
    path: &'p Path,
    file: Option<File>,
    left: u64,
}

impl<'p> Exactly<'p> {
    fn new(path: &'p Path, len: u64) -> Self {
        Self { path, file: None, left: len }
    }
}

impl Read for Exactly<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let changed = || io::Error::other(format!("{} changes meanwhile", self.path.display()));
        if self.file.is_none() {
            self.file = Some(File::open(self.path)?);
        }
        let Some(file) = &mut self.file else { return Ok(0) };
        if self.left == 0 {
            return if file.read(&mut [0])? == 0 { Ok(0) } else { Err(changed()) };
        }
        let most = to.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let len = file.read(&mut to[..most])?;
        if len == 0 && most > 0 {
            return Err(changed());
        }
        self.left -= len as u64;
        Ok(len)
    }
}

/// Why a program cannot be put into a folder.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InFolderError {
    /// A name is not allowed, or all names together are too long.
    #[error("a name is none that a file can have, or all of them together are longer than 1 MiB")]
    Head(#[from] FolderError),
    /// The folder has a path that a list of mounts would write otherwise.
    #[error(
        "the folder is no absolute path in its shortest form, of ASCII letters without blanks and \
         backslashes"
    )]
    Path,
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why it cannot.
        #[source]
        error: io::Error,
    },
    /// The path leads to a device, a pipe or a socket.
    #[error("{} is neither a file nor a folder nor a link", .0.display())]
    Special(PathBuf),
    /// There are too many files.
    #[error("there are more than {MAX_ENTRIES} files beside the program")]
    TooMany,
    /// Something of that name is there already.
    #[error("{} has a name that is there already", .0.display())]
    Twice(PathBuf),
}

impl Classified for InFolderError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Path | Self::Special(_) | Self::TooMany | Self::Twice(_) => {
                Some(ErrorClass::Failure)
            }
            Self::Head(_) | Self::Read { .. } => None,
        }
    }
}
