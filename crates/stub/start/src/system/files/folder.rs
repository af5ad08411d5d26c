//! Open folders, and operations within them that never go beyond them.

use linux_raw_sys::general::{self as linux, open_how, statfs64};

use crate::system::call::call;
use crate::system::errno::Errno;
use crate::system::files::file::{Descriptor, File};
use crate::system::text::Text;

/// The flags that keep a path in the folder. It may not leave by `..`, by a link, or into another mount.
const BENEATH: u32 = linux::RESOLVE_BENEATH | linux::RESOLVE_NO_XDEV | linux::RESOLVE_NO_SYMLINKS;

/// The flags with which folders are opened.
const FOLDER: u32 = linux::O_RDONLY | linux::O_DIRECTORY | linux::O_NOFOLLOW | linux::O_CLOEXEC;

/// A folder that is open.
pub struct Folder(File);

/// The kernel's description of a file system.
#[derive(Clone, Copy)]
pub struct FileSystem {
    /// Its kind. statfs(2).
    pub kind: u32,
    /// Whether programs may be executed.
    pub executes: bool,
    /// The free bytes; nothing if there is no bound.
    pub free_bytes: Option<u64>,
    /// The number of files that can be made; nothing if there is no bound.
    pub free_files: Option<u64>,
}

impl Folder {
    /// Opens a folder. A link in its place is an error.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &[u8]) -> Result<Self, Errno> {
        let path = Text::new(path)?;
        Self::at(linux::AT_FDCWD as usize, &path)
    }

    fn at(folder: usize, path: &Text) -> Result<Self, Errno> {
        // SAFETY: the path ends with a zero.
        let fd = unsafe { call(linux::__NR_openat, [folder, path.place(), FOLDER as usize, 0]) }?;
        Ok(Self(File(fd as i32)))
    }

    /// Opens the folder with this name in this folder. It may be another mount.
    ///
    /// # Errors
    /// The kernel's.
    pub fn child(&self, name: &[u8]) -> Result<Self, Errno> {
        Self::at(self.number(), &Text::new(name)?)
    }

    /// Opens a folder beneath this one, on the same mount, without a link on the way.
    ///
    /// If the kernel does not know openat2(2), or a filter forbids it, this function opens name by name. It
    /// follows no link, and each folder has to be on the same device. It does not notice a mount of the same
    /// file system. Callers look for such mounts in the list of mounts.
    ///
    /// # Errors
    /// The kernel's; `EXDEV` if another mount begins.
    pub fn beneath(&self, path: &[u8]) -> Result<Self, Errno> {
        let text = Text::new(if path.is_empty() { b"." } else { path })?;
        let how = open_how { flags: u64::from(FOLDER), mode: 0, resolve: u64::from(BENEATH) };
        let arguments =
            [self.number(), text.place(), &raw const how as usize, size_of::<open_how>()];
        // SAFETY: the path ends with a zero, and the rest has the length that the kernel is told.
        match unsafe { call(linux::__NR_openat2, arguments) } {
            Ok(fd) => Ok(Self(File(fd as i32))),
            Err(Errno::NOT_KNOWN | Errno::NOT_PERMITTED) => self.beneath_by_names(path),
            Err(errno) => Err(errno),
        }
    }

    fn beneath_by_names(&self, path: &[u8]) -> Result<Self, Errno> {
        let mut at = self.child(b".")?;
        let device = at.0.descriptor().device()?;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            at = at.child(name)?;
            if at.0.descriptor().device()? != device {
                return Err(Errno::OTHER_MOUNT);
            }
        }
        Ok(at)
    }

    /// Returns the folder as a file.
    pub fn descriptor(&self) -> Descriptor<'_> {
        self.0.descriptor()
    }

    fn number(&self) -> usize {
        self.0.0 as usize
    }

    /// Makes a folder with these permissions, as far as the umask allows.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make_folder(&self, name: &[u8], mode: u32) -> Result<(), Errno> {
        let name = Text::new(name)?;
        // SAFETY: the name ends with a zero.
        unsafe { call(linux::__NR_mkdirat, [self.number(), name.place(), mode as usize]) }.map(drop)
    }

    /// Makes a file that is for its owner alone, and opens it for writing.
    ///
    /// # Errors
    /// The kernel's; `EEXIST` if something is there already.
    pub fn make_file(&self, name: &[u8]) -> Result<File, Errno> {
        let name = Text::new(name)?;
        let flags =
            linux::O_WRONLY | linux::O_CREAT | linux::O_EXCL | linux::O_NOFOLLOW | linux::O_CLOEXEC;
        let arguments = [self.number(), name.place(), flags as usize, 0o600];
        // SAFETY: the name ends with a zero.
        let fd = unsafe { call(linux::__NR_openat, arguments) }?;
        Ok(File(fd as i32))
    }

    /// Opens a file for writing. A link in its place is an error.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open_file(&self, name: &[u8]) -> Result<File, Errno> {
        let name = Text::new(name)?;
        let flags = linux::O_WRONLY | linux::O_NOFOLLOW | linux::O_CLOEXEC;
        // SAFETY: the name ends with a zero.
        let fd =
            unsafe { call(linux::__NR_openat, [self.number(), name.place(), flags as usize, 0]) }?;
        Ok(File(fd as i32))
    }

    /// Makes a named pipe.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make_pipe(&self, name: &[u8]) -> Result<(), Errno> {
        let name = Text::new(name)?;
        let mode = linux::S_IFIFO | 0o600;
        // SAFETY: the name ends with a zero.
        unsafe { call(linux::__NR_mknodat, [self.number(), name.place(), mode as usize, 0]) }
            .map(drop)
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make_symlink(&self, target: &[u8], name: &[u8]) -> Result<(), Errno> {
        let (target, name) = (Text::new(target)?, Text::new(name)?);
        let arguments = [target.place(), self.number(), name.place()];
        // SAFETY: both end with a zero.
        unsafe { call(linux::__NR_symlinkat, arguments) }.map(drop)
    }

    /// Makes `name` in this folder a hard link to `other` in another folder.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make_hard_link(&self, folder: &Self, other: &[u8], name: &[u8]) -> Result<(), Errno> {
        let (other, name) = (Text::new(other)?, Text::new(name)?);
        let arguments = [folder.number(), other.place(), self.number(), name.place(), 0];
        // SAFETY: both end with a zero.
        unsafe { call(linux::__NR_linkat, arguments) }.map(drop)
    }

    /// Moves `name` to another folder, as `other`, and replaces a file there.
    ///
    /// # Errors
    /// The kernel's.
    pub fn rename(&self, name: &[u8], folder: &Self, other: &[u8]) -> Result<(), Errno> {
        let (name, other) = (Text::new(name)?, Text::new(other)?);
        let arguments = [self.number(), name.place(), folder.number(), other.place(), 0];
        // SAFETY: both end with a zero.
        unsafe { call(linux::__NR_renameat2, arguments) }.map(drop)
    }

    /// Removes a file that is no folder.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self, name: &[u8]) -> Result<(), Errno> {
        self.unlink(name, 0)
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove_folder(&self, name: &[u8]) -> Result<(), Errno> {
        self.unlink(name, linux::AT_REMOVEDIR)
    }

    /// Moves `name` to another folder, as `other`. It is an error if something is there already.
    ///
    /// # Errors
    /// The kernel's.
    pub fn move_to(&self, name: &[u8], folder: &Self, other: &[u8]) -> Result<(), Errno> {
        let (name, other) = (Text::new(name)?, Text::new(other)?);
        let flags = linux::RENAME_NOREPLACE as usize;
        let arguments = [self.number(), name.place(), folder.number(), other.place(), flags];
        // SAFETY: both end with a zero.
        unsafe { call(linux::__NR_renameat2, arguments) }.map(drop)
    }

    /// Reads some of the names in the folder, after the names that were read before. Returns none at the end.
    /// getdents(2).
    ///
    /// # Errors
    /// The kernel's.
    pub fn names<'b>(&self, buffer: &'b mut [u8]) -> Result<Names<'b>, Errno> {
        let arguments = [self.number(), buffer.as_mut_ptr() as usize, buffer.len()];
        // SAFETY: the buffer has the length that the kernel is told.
        let len = unsafe { call(linux::__NR_getdents64, arguments) }?;
        Ok(Names(&buffer[..len]))
    }

    fn unlink(&self, name: &[u8], flags: u32) -> Result<(), Errno> {
        let name = Text::new(name)?;
        // SAFETY: the name ends with a zero.
        unsafe { call(linux::__NR_unlinkat, [self.number(), name.place(), flags as usize]) }
            .map(drop)
    }

    /// Sets the permissions of a file by its name. The file must not be a link.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_mode_of(&self, name: &[u8], mode: u32) -> Result<(), Errno> {
        let name = Text::new(name)?;
        // SAFETY: the name ends with a zero.
        unsafe { call(linux::__NR_fchmodat, [self.number(), name.place(), mode as usize]) }
            .map(drop)
    }

    /// Sets the owner and group of a file by its name, and of a link itself.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_owner_of(&self, name: &[u8], uid: u32, gid: u32) -> Result<(), Errno> {
        let name = Text::new(name)?;
        let flags = linux::AT_SYMLINK_NOFOLLOW as usize;
        let arguments = [self.number(), name.place(), uid as usize, gid as usize, flags];
        // SAFETY: the name ends with a zero.
        unsafe { call(linux::__NR_fchownat, arguments) }.map(drop)
    }

    /// Sets the times at which a file, or a link itself, was changed and read last.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_time_of(&self, name: &[u8], seconds: i64, nanoseconds: u32) -> Result<(), Errno> {
        let name = Text::new(name)?;
        let flags = linux::AT_SYMLINK_NOFOLLOW;
        super::properties::set_time(self.number(), name.place(), (seconds, nanoseconds), flags)
    }

    /// Returns the file system that the folder is on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn file_system(&self) -> Result<FileSystem, Errno> {
        let mut found = core::mem::MaybeUninit::<statfs64>::zeroed();
        let place = found.as_mut_ptr() as usize;
        #[cfg(target_pointer_width = "64")]
        // SAFETY: the kernel writes no more than that; both types are the same here.
        unsafe { call(linux::__NR_fstatfs, [self.number(), place]) }?;
        #[cfg(target_pointer_width = "32")]
        // SAFETY: the kernel writes no more than that.
        unsafe { call(linux::__NR_fstatfs64, [self.number(), size_of::<statfs64>(), place]) }?;
        // SAFETY: the type consists of numbers, and zeros are a value of it.
        let found = unsafe { found.assume_init() };
        let free = found.f_bavail.saturating_mul(found.f_bsize as u64);
        Ok(FileSystem {
            kind: found.f_type as u32,
            executes: found.f_flags as u32 & NO_EXEC == 0,
            free_bytes: (found.f_blocks != 0).then_some(free),
            free_files: (found.f_files != 0).then_some(found.f_ffree),
        })
    }
}

/// Names in a folder, without `.` and `..`.
pub struct Names<'b>(&'b [u8]);

impl Names<'_> {
    /// Tells whether no names are left, not even `.` and `..`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'b> Iterator for Names<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        /// The places of an entry's length and of its name. `linux_dirent64`.
        const LEN: usize = 16;
        const NAME: usize = 19;
        loop {
            let len = u16::from_ne_bytes(*self.0.get(LEN..)?.first_chunk()?);
            let (entry, rest) = self.0.split_at_checked(usize::from(len))?;
            self.0 = rest;
            let name = entry.get(NAME..)?.split(|byte| *byte == 0).next()?;
            if !matches!(name, b"." | b"..") {
                return Some(name);
            }
        }
    }
}

/// The flag of file systems on which the kernel executes nothing. statfs(2), `ST_NOEXEC`.
const NO_EXEC: u32 = 8;
