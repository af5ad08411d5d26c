//! Spools: unnamed files that hold bytes until they are needed again.
//!
//! They are gone when the program ends, however it ends, and nobody can open them by a name. A
//! followed spool can be read while it is still being filled.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::transfer::files::incoming::{IncomingBlob, IncomingContent};
use crate::transfer::files::room::Room;
use crate::{Content, Digest, Hasher, Leftovers, TemporaryFile};

/// The place where spools are made.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
    leftovers: Leftovers,
    room: Room,
    follower: Option<Sender<IncomingContent>>,
}

impl Spool {
    /// Makes spools on the file system of `folder`. A twentieth of it, or 1 GiB, stays free.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self { room: Room::of(&folder), folder, leftovers: Leftovers::default(), follower: None }
    }

    /// Returns the same place, with its temporary names on the list `leftovers`. A file has such a
    /// name for a moment, and only on file systems where every file is made with a name.
    #[must_use]
    pub fn listed(self, leftovers: &Leftovers) -> Self {
        Self { leftovers: leftovers.clone(), ..self }
    }

    /// Returns the room on its file system.
    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    /// Returns the same place, and a receiver that gets each spool that begins to be filled there. The
    /// receiver ends when the returned place is dropped.
    pub(crate) fn followed(&self) -> (Self, Receiver<IncomingContent>) {
        let (follower, begun) = channel();
        (Self { follower: Some(follower), ..self.clone() }, begun)
    }

    /// Makes an empty unnamed file. Its writer has to ask the [room](Self::room).
    ///
    /// # Errors
    /// The folder is not there or not writable.
    pub(crate) fn file(&self) -> io::Result<File> {
        let made = TemporaryFile::create_in(&self.folder, 0o600, &self.leftovers);
        made.map(TemporaryFile::into_file).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot make a temporary file in {}: {error}", self.folder.display()),
            )
        })
    }

    /// Writes the bytes of `reader` to an unnamed file.
    ///
    /// # Errors
    /// Errors of `reader` and of the file system; there is no room.
    pub(crate) fn copy(&self, reader: &mut dyn Read) -> io::Result<File> {
        let mut file = self.file()?;
        let mut buffer = vec![0; 128 << 10];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(file),
                count => {
                    self.room.take(count as u64)?;
                    file.write_all(&buffer[..count])?;
                }
            }
        }
    }

    /// Runs `fill` on a writer into an unnamed file, and returns the written bytes.
    ///
    /// # Errors
    /// Errors of `fill` and of the file system.
    pub fn fill<E: From<io::Error>>(
        &self,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Spooled, E> {
        let mut spooling = Spooling::begin(self)?;
        if let Some(follower) = &self.follower {
            let content = spooling.follow();
            // The follower may be gone.
            let _ = follower.send(content);
        }
        let spooled = spooling.add(fill)?;
        spooling.writer.get_mut().end();
        Ok(spooled)
    }
}

/// Writes contents, one after the other, into one unnamed file.
pub struct Spooling {
    writer: BufWriter<Followed>,
    end: u64,
}

impl Spooling {
    /// Begins a file of `spool`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn begin(spool: &Spool) -> io::Result<Self> {
        let (file, room) = (Arc::new(spool.file()?), spool.room.clone());
        let followed = Followed { file, room, written: 0, incoming: None };
        Ok(Self { writer: BufWriter::with_capacity(256 << 10, followed), end: 0 })
    }

    /// Lets a follower read the bytes while they are written.
    fn follow(&mut self) -> IncomingContent {
        let followed = self.writer.get_mut();
        let incoming = Arc::new(IncomingBlob::default());
        incoming.begin(followed.file.clone());
        followed.incoming = Some(incoming.clone());
        IncomingContent::new(incoming, None)
    }

    /// Runs `fill` on a writer at the end of the file, and returns the bytes that it wrote.
    ///
    /// # Errors
    /// Errors of `fill` and of the file system.
    pub fn add<E: From<io::Error>>(
        &mut self,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Spooled, E> {
        let mut writer = Hashing { inner: &mut self.writer, hasher: Hasher::default(), len: 0 };
        fill(&mut writer)?;
        let (digest, len) = (writer.hasher.finish(), writer.len);
        self.writer.flush()?;
        let file = self.writer.get_ref().file.clone();
        let content = FileSlice { file, offset: self.end, len, proven: Some(digest) };
        self.end += len;
        Ok(Spooled { content, digest, len })
    }
}

/// A file that tells how far it is written. Dropped before its [`end`](Self::end), it was not written
/// whole.
struct Followed {
    file: Arc<File>,
    room: Room,
    written: u64,
    incoming: Option<Arc<IncomingBlob>>,
}

impl Followed {
    fn end(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            incoming.end(Ok(()));
        }
    }
}

impl Write for Followed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room.take(bytes.len() as u64)?;
        let count = (&*self.file).write(bytes)?;
        self.written += count as u64;
        if let Some(incoming) = &self.incoming {
            incoming.advance(self.written);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            incoming.end(Err(io::Error::other("the spool was not filled")));
        }
    }
}

/// Bytes that were written to a spool.
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

    /// The bytes of a spool are settled; any other file may be somebody else's, too.
    fn is_settled(&self) -> bool {
        self.proven.is_some()
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
    fn nothing_is_written_where_there_is_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::in_folder(folder.path());
        spool.room = crate::transfer::files::room::tests::none();
        let error = spool.fill(|out| out.write_all(b"some bytes")).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        spool.room = crate::transfer::files::room::tests::none();
        let error = spool.copy(&mut &b"some bytes"[..]).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

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
        assert!(spooled.content.is_settled());
        let part = FileSlice::new(spooled.content.file, 0, 10);
        assert!(part.proven().is_none() && !part.is_settled());
    }

    #[test]
    fn spool_that_is_followed_is_read_while_it_is_filled() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, begun) = Spool::in_folder(folder.path()).followed();
        let half = vec![7; 300 << 10];
        let spooled = spool.fill(|out| {
            out.write_all(&half)?;
            let mut first = vec![0; 256 << 10];
            begun.recv().unwrap().open()?.read_exact(&mut first)?;
            assert!(first.iter().all(|&byte| byte == 7));
            out.write_all(&half)
        });
        assert_eq!(spooled.unwrap().len, 600 << 10);
        drop(spool);
        assert!(begun.recv().is_err());
    }

    #[test]
    fn reader_of_a_spool_that_is_not_filled_fails_too() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, begun) = Spool::in_folder(folder.path()).followed();
        let fill = |out: &mut dyn Write| {
            out.write_all(&vec![7; 300 << 10])?;
            Err(io::Error::other("no more"))
        };
        assert!(spool.fill(fill).is_err());
        let mut all = Vec::new();
        assert!(begun.recv().unwrap().open().unwrap().read_to_end(&mut all).is_err());
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
