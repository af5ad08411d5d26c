//! The owners of unlocked files, as far as this user may give files away.
//!
//! Owners are set last: a user who has given a file away may not change it any more without a further
//! privilege.

use core::cell::Cell;

use sealcrate_packfile::index::Properties;
use sealcrate_stub_start::say;
use sealcrate_stub_start::system::{self, Descriptor, Errno, Folder};

use crate::failure::Failure;

/// The bits that the kernel takes from a file when its owner changes.
const SET_ID: u32 = 0o6000;

/// The user that gives files away, and whether the kernel has refused that.
pub(crate) struct Owners {
    user: (u32, u32),
    is_refused: Cell<bool>,
}

impl Owners {
    /// Takes the user of this process.
    pub(crate) fn new() -> Self {
        Self { user: system::user(), is_refused: Cell::new(false) }
    }

    /// Sets a file's attributes, permissions, time and owner.
    pub(crate) fn set(
        &self,
        file: Descriptor<'_>,
        properties: &Properties<'_>,
    ) -> Result<(), Errno> {
        for (name, value) in properties.attributes.iter() {
            // Some file systems have no attributes.
            let _ = file.set_attribute(name, value);
        }
        file.set_mode(properties.mode)?;
        file.set_time(properties.seconds, properties.nanoseconds)?;
        let given = self.give(properties, || file.set_owner(properties.uid, properties.gid));
        if given && properties.mode & SET_ID != 0 {
            let _ = file.set_mode(properties.mode);
        }
        Ok(())
    }

    /// Gives a link or a pipe its time and its owner.
    pub(crate) fn set_of(
        &self,
        folder: &Folder,
        name: &[u8],
        properties: &Properties<'_>,
    ) -> Result<(), Errno> {
        folder.set_time_of(name, properties.seconds, properties.nanoseconds)?;
        self.give(properties, || folder.set_owner_of(name, properties.uid, properties.gid));
        Ok(())
    }

    /// Makes another name for a file that was given away.
    ///
    /// If the kernel refuses links to other users' files, this user takes the file back meanwhile (proc(5),
    /// `/proc/sys/fs/protected_hardlinks`).
    #[cold]
    #[inline(never)]
    pub(crate) fn link(
        &self,
        (from, other): (&Folder, &[u8]),
        (folder, name): (&Folder, &[u8]),
        properties: &Properties<'_>,
    ) -> Result<(), Errno> {
        match folder.make_hard_link(from, other, name) {
            Err(Errno::NOT_PERMITTED) => {}
            linked => return linked,
        }
        from.set_owner_of(other, self.user.0, self.user.1)?;
        folder.make_hard_link(from, other, name)?;
        from.set_owner_of(other, properties.uid, properties.gid)
    }

    /// Gives something to another owner, and tells whether that worked. Returns false if this user is the
    /// owner.
    fn give(&self, properties: &Properties<'_>, give: impl FnOnce() -> Result<(), Errno>) -> bool {
        if self.user == (properties.uid, properties.gid) {
            return false;
        }
        let given = give().is_ok();
        self.is_refused.set(self.is_refused.get() | !given);
        given
    }

    /// Tells whether something could not be given away.
    pub(crate) fn has_refused(&self) -> bool {
        self.is_refused.get()
    }

    /// Notes that another process could not give something away.
    pub(crate) fn note_refusal(&self) {
        self.is_refused.set(true);
    }

    /// Tells root that some files could not be given away, and belong to root. Other users know that their
    /// files are theirs.
    pub(crate) fn tell(&self) {
        if self.user.0 == 0 && self.is_refused.get() {
            say(&Failure::NotGiven);
        }
    }
}
