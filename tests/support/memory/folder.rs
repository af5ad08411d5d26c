//! A folder of this machine that is memory, as a kubelet makes one for an `emptyDir` of medium `Memory`.

use std::path::Path;

use tempfile::TempDir;

use crate::Done;
use crate::as_root;

/// A tmpfs for everybody, on a folder of its own. Dropped, it is gone.
#[derive(Debug)]
pub struct MemoryFolder {
    folder: TempDir,
}

impl MemoryFolder {
    /// Mounts a tmpfs of this many MiB.
    ///
    /// # Panics
    /// If it cannot be mounted.
    pub fn new(mib: u32) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let options = format!("mode=1777,size={mib}m");
        let mut mount = as_root("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path());
        Done::of(&mut mount).with_status(0);
        Self { folder }
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for MemoryFolder {
    fn drop(&mut self) {
        // The test no longer uses it, and the folder can be removed only after the unmount.
        let _ = as_root("umount").arg(self.folder.path()).status();
    }
}
