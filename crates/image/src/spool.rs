//! Spools: unnamed files that hold bytes until they are needed again.
//!
//! They are gone when the program ends, however it ends, and nobody can open them by a name.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Content, Digest, Hasher};

/// Where spools are made.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// Makes spools on the file system of `folder`.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Makes an empty unnamed file.
    ///
    /// # Errors
    /// The folder is not there or not writable.
    pub fn file(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.folder).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot make a temporary file in {}: {error}", self.folder.display()),
            )
        })
    }

    /// Runs `fill` on a writer into an unnamed file, and returns what was written.
    ///
    /// # Errors
    /// Those of `fill` and of the file system.
    pub fn fill<E: From<io::Error>>(
        &self,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Spooled, E> {
        Spooling::new(self.file()?).add(fill)
    }
}

/// Writes contents, one after the other, into one unnamed file.
pub(crate) struct Spooling {
    writer: BufWriter<Arc<File>>,
    end: u64,
}

impl Spooling {
    /// Writes to the beginning of `file`, which is empty.
    pub(crate) fn new(file: File) -> Self {
        Self { writer: BufWriter::with_capacity(256 << 10, Arc::new(file)), end: 0 }
    }

    /// Runs `fill` on a writer to the end of the file, and returns what was written.
    ///
    /// # Errors
    /// Those of `fill` and of the file system.
    pub(crate) fn add<E: From<io::Error>>(
        &mut self,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Spooled, E> {
        let mut writer = Hashing { inner: &mut self.writer, hasher: Hasher::default(), len: 0 };
        fill(&mut writer)?;
        let (digest, len) = (writer.hasher.finish(), writer.len);
        self.writer.flush()?;
        let file = Arc::clone(self.writer.get_ref());
        let content = FileSlice { file, offset: self.end, len, proven: Some(digest) };
        self.end += len;
        Ok(Spooled { content, digest, len })
    }
}

/// What was written to a spool.
pub struct Spooled {
    /// The bytes.
    pub content: FileSlice,
    /// Their digest.
    pub digest: Digest,
    /// How many there are.
    pub len: u64,
}

struct Hashing<'w> {
    inner: &'w mut dyn Write,
    hasher: Hasher,
    len: u64,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        self.inner.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A part of a file, such as an entry of an archive.
#[derive(Clone, Debug)]
pub struct FileSlice {
    file: Arc<File>,
    offset: u64,
    len: u64,
    proven: Option<Digest>,
}

impl FileSlice {
    /// Takes `len` bytes of `file` from `offset` on.
    pub fn new(file: Arc<File>, offset: u64, len: u64) -> Self {
        Self { file, offset, len, proven: None }
    }

    /// Returns how many bytes there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Tells whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Content for FileSlice {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(FileReader { slice: self.clone(), position: 0 }))
    }

    fn proven(&self) -> Option<Digest> {
        self.proven
    }
}

/// Reads by position, so that many readers share one descriptor.
struct FileReader {
    slice: FileSlice,
    position: u64,
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.slice.len - self.position;
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count =
            self.slice.file.read_at(&mut buffer[..want], self.slice.offset + self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spooled_bytes_are_read_back_by_many_readers() {
        let folder = tempfile::tempdir().unwrap();
        let spooled =
            Spool::in_folder(folder.path()).fill(|out| out.write_all(b"some bytes")).unwrap();
        assert_eq!((spooled.len, spooled.digest), (10, Digest::of(b"some bytes")));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has a name");
        let (mut one, mut two) = (String::new(), String::new());
        let mut reader = spooled.content.open().unwrap();
        spooled.content.open().unwrap().read_to_string(&mut one).unwrap();
        reader.read_to_string(&mut two).unwrap();
        assert_eq!((one.as_str(), two.as_str()), ("some bytes", "some bytes"));
    }

    #[test]
    fn digest_of_what_was_spooled_is_proven_and_that_of_a_part_of_a_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let spooled =
            Spool::in_folder(folder.path()).fill(|out| out.write_all(b"some bytes")).unwrap();
        assert_eq!(spooled.content.proven(), Some(spooled.digest));
        assert_eq!(FileSlice::new(spooled.content.file, 0, 10).proven(), None);
    }

    #[test]
    fn slice_ends_where_it_should() {
        let folder = tempfile::tempdir().unwrap();
        let spooled =
            Spool::in_folder(folder.path()).fill(|out| out.write_all(b"0123456789")).unwrap();
        let slice = FileSlice::new(spooled.content.file, 2, 3);
        let mut text = String::new();
        slice.open().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "234");
    }
}
