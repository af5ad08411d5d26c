//! Archives that are put together entry by entry, without the care that the tar crate takes of names.

use std::fmt;

use serde_json::Value;
use tar::{Builder, EntryType, Header};

/// A tar that is being put together.
pub struct Tar(Builder<Vec<u8>>);

impl Tar {
    /// Begins with no entries.
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// Adds a file that everybody may read.
    #[must_use]
    pub fn file(self, name: &str, bytes: &[u8]) -> Self {
        self.file_with_mode(name, bytes, 0o644)
    }

    /// Adds a file with this mode.
    #[must_use]
    pub fn file_with_mode(self, name: &str, bytes: &[u8], mode: u32) -> Self {
        self.entry(EntryType::Regular, mode, [name, ""], bytes)
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, name: &str, target: &str) -> Self {
        self.special(EntryType::Symlink, name, target)
    }

    /// Adds an entry of a kind that has no content.
    #[must_use]
    pub fn special(self, kind: EntryType, name: &str, target: &str) -> Self {
        self.entry(kind, 0o644, [name, target], b"")
    }

    /// Gives the next entry a longer name, as GNU tar does.
    #[must_use]
    pub fn long_name(self, name: &str) -> Self {
        self.extension(EntryType::GNULongName, name)
    }

    /// Adds an entry that extends the headers of the next one.
    #[must_use]
    pub fn extension(self, kind: EntryType, content: &str) -> Self {
        self.entry(kind, 0o644, ["././@LongLink", ""], content.as_bytes())
    }

    /// Adds the list of images of Docker's archives.
    #[must_use]
    pub fn images(self, images: &Value) -> Self {
        self.file("manifest.json", images.to_string().as_bytes())
    }

    /// Returns the archive, with its end.
    ///
    /// # Panics
    /// Never: memory can be written.
    pub fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("memory can be written")
    }

    fn entry(
        mut self,
        kind: EntryType,
        mode: u32,
        [name, target]: [&str; 2],
        bytes: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1);
        header.set_size(bytes.len() as u64);
        let fields = header.as_gnu_mut().expect("it is GNU's");
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.0.append(&header, bytes).expect("memory can be written");
        self
    }
}

impl Default for Tar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tar({} bytes)", self.0.get_ref().len())
    }
}
