//! The properties of open files beside their content.

use linux_raw_sys::general::{self as linux, __kernel_timespec, statx};

use crate::system::call::call;
use crate::system::errno::Errno;
use crate::system::files::file::Descriptor;
use crate::system::text::Text;

/// The number of the call that sets times. It has 64 bits for seconds on all machines.
#[cfg(target_pointer_width = "64")]
const UTIMENSAT: u32 = linux::__NR_utimensat;
#[cfg(target_pointer_width = "32")]
const UTIMENSAT: u32 = linux::__NR_utimensat_time64;

impl Descriptor<'_> {
    fn status(self) -> Result<statx, Errno> {
        let mut found = core::mem::MaybeUninit::<statx>::zeroed();
        let arguments = [
            self.0 as usize,
            c"".as_ptr() as usize,
            linux::AT_EMPTY_PATH as usize,
            (linux::STATX_BASIC_STATS | linux::STATX_BTIME) as usize,
            found.as_mut_ptr() as usize,
        ];
        // SAFETY: the kernel writes no more than that.
        unsafe { call(linux::__NR_statx, arguments) }?;
        // SAFETY: the type consists of numbers, and zeros are a value of it.
        Ok(unsafe { found.assume_init() })
    }

    /// Returns the length of a file, in bytes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn file_len(self) -> Result<u64, Errno> {
        self.status().map(|status| status.stx_size)
    }

    /// Returns the owner of a file, and its mode without the kind.
    ///
    /// # Errors
    /// The kernel's.
    pub fn owner_and_mode(self) -> Result<(u32, u32), Errno> {
        self.status().map(|status| (status.stx_uid, u32::from(status.stx_mode) & 0o7777))
    }

    /// Returns the device that a file is on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn device(self) -> Result<(u32, u32), Errno> {
        self.status().map(|status| (status.stx_dev_major, status.stx_dev_minor))
    }

    /// Returns the owner of a file.
    ///
    /// # Errors
    /// The kernel's.
    pub fn owner(self) -> Result<u32, Errno> {
        self.status().map(|status| status.stx_uid)
    }

    /// Returns the time at which a file was made, in seconds since 1970. Returns nothing if the file system
    /// does not know.
    ///
    /// # Errors
    /// The kernel's.
    pub fn born(self) -> Result<Option<i64>, Errno> {
        let status = self.status()?;
        Ok((status.stx_mask & linux::STATX_BTIME != 0).then_some(status.stx_btime.tv_sec))
    }

    /// Returns the time at which the content of a file was changed, in seconds since 1970.
    ///
    /// # Errors
    /// The kernel's.
    pub fn changed(self) -> Result<i64, Errno> {
        self.status().map(|status| status.stx_mtime.tv_sec)
    }

    /// Sets owner and group.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_owner(self, uid: u32, gid: u32) -> Result<(), Errno> {
        let arguments = [
            self.0 as usize,
            c"".as_ptr() as usize,
            uid as usize,
            gid as usize,
            linux::AT_EMPTY_PATH as usize,
        ];
        // SAFETY: the path ends with a zero.
        unsafe { call(linux::__NR_fchownat, arguments) }.map(drop)
    }

    /// Sets the permissions.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_mode(self, mode: u32) -> Result<(), Errno> {
        // SAFETY: no argument points to memory.
        unsafe { call(linux::__NR_fchmod, [self.0 as usize, mode as usize]) }.map(drop)
    }

    /// Sets the times at which the file was changed and read last.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_time(self, seconds: i64, nanoseconds: u32) -> Result<(), Errno> {
        set_time(self.0 as usize, 0, (seconds, nanoseconds), 0)
    }

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_attribute(self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        let name = Text::new(name)?;
        let arguments = [self.0 as usize, name.place(), value.as_ptr() as usize, value.len(), 0];
        // SAFETY: the name ends with a zero, and the value has the length that the kernel is told.
        unsafe { call(linux::__NR_fsetxattr, arguments) }.map(drop)
    }
}

/// The status of the file at a path.
#[derive(Clone, Copy)]
pub struct Status {
    /// Its kind, permissions, set-ID and sticky bits. inode(7).
    pub mode: u32,
    /// Its length, in bytes.
    pub len: u64,
}

impl Status {
    /// Returns the status of the file at an absolute path, which comes without the `/` before it. A link
    /// there is not followed.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of(path: &[u8]) -> Result<Self, Errno> {
        let path = Text::of(&[b"/", path])?;
        let mut found = core::mem::MaybeUninit::<statx>::zeroed();
        let arguments = [
            linux::AT_FDCWD as usize,
            path.place(),
            linux::AT_SYMLINK_NOFOLLOW as usize,
            linux::STATX_BASIC_STATS as usize,
            found.as_mut_ptr() as usize,
        ];
        // SAFETY: the path ends with a zero, and the kernel writes no more than that.
        unsafe { call(linux::__NR_statx, arguments) }?;
        // SAFETY: the type consists of numbers, and zeros are a value of it.
        let found = unsafe { found.assume_init() };
        Ok(Self { mode: u32::from(found.stx_mode), len: found.stx_size })
    }

    /// Tells whether it is of a kind: a file, a folder, or a link.
    pub fn is(self, kind: u32) -> bool {
        self.mode & linux::S_IFMT == kind
    }
}

/// Reads the target of the symbolic link at a path that comes in parts.
///
/// # Errors
/// The kernel's; `EINVAL` if the file is no link.
pub fn read_link<'b>(path: &[&[u8]], target: &'b mut [u8]) -> Result<&'b [u8], Errno> {
    let path = Text::of(path)?;
    let folder = linux::AT_FDCWD as usize;
    let arguments = [folder, path.place(), target.as_mut_ptr() as usize, target.len()];
    // SAFETY: the path ends with a zero, and the place has the length that the kernel is told.
    let len = unsafe { call(linux::__NR_readlinkat, arguments) }?;
    Ok(&target[..len])
}

/// Tells whether the link at an absolute path leads to `target`. The path comes without the `/` before it.
///
/// # Errors
/// The kernel's.
pub fn link_says(path: &[u8], target: &[u8]) -> Result<bool, Errno> {
    let path = Text::of(&[b"/", path])?;
    let mut found = [0_u8; 4096];
    let place = found.as_mut_ptr() as usize;
    let arguments = [linux::AT_FDCWD as usize, path.place(), place, found.len()];
    // SAFETY: the path ends with a zero, and the kernel writes no more than that.
    let len = unsafe { call(linux::__NR_readlinkat, arguments) }?;
    Ok(found.get(..len) == Some(target))
}

/// Sets the times of a file: of the file with the number `fd`, or of the file at a path in the folder `fd`.
pub(super) fn set_time(
    fd: usize,
    path: usize,
    (seconds, nanoseconds): (i64, u32),
    flags: u32,
) -> Result<(), Errno> {
    let time = || __kernel_timespec { tv_sec: seconds, tv_nsec: i64::from(nanoseconds) };
    let times = [time(), time()];
    // SAFETY: there are two times, and the path is none or ends with a zero.
    unsafe { call(UTIMENSAT, [fd, path, times.as_ptr() as usize, flags as usize]) }.map(drop)
}
