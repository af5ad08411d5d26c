//! The kernel's errors.

use core::fmt;

use linux_raw_sys::errno as linux;

/// The number of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub u16);

impl Errno {
    /// Permission denied.
    pub const ACCESS: Self = Self(linux::EACCES as u16);
    /// A signal came.
    pub const INTERRUPTED: Self = Self(linux::EINTR as u16);
    /// Something is there already.
    pub const EXISTS: Self = Self(linux::EEXIST as u16);
    /// It is a folder.
    pub const IS_FOLDER: Self = Self(linux::EISDIR as u16);
    /// The kernel does not accept an argument.
    pub const INVALID: Self = Self(linux::EINVAL as u16);
    /// The name is too long.
    pub const NAME_TOO_LONG: Self = Self(linux::ENAMETOOLONG as u16);
    /// There is no memory.
    pub const NO_MEMORY: Self = Self(linux::ENOMEM as u16);
    /// There is no such file.
    pub const NO_ENTRY: Self = Self(linux::ENOENT as u16);
    /// There is no room.
    pub const NO_SPACE: Self = Self(linux::ENOSPC as u16);
    /// The kernel does not know the call.
    pub const NOT_KNOWN: Self = Self(linux::ENOSYS as u16);
    /// It is not permitted.
    pub const NOT_PERMITTED: Self = Self(linux::EPERM as u16);
    /// Another mount begins.
    pub const OTHER_MOUNT: Self = Self(linux::EXDEV as u16);
    /// The file system cannot be written to.
    pub const READ_ONLY: Self = Self(linux::EROFS as u16);
    /// A part of the path is no folder.
    pub const NOT_A_DIRECTORY: Self = Self(linux::ENOTDIR as u16);
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match u32::from(self.0) {
            linux::E2BIG => "arguments and environment are too long",
            linux::EACCES => "permission denied",
            linux::EEXIST => "there is something already",
            linux::EFBIG => "a file may not be so long (ulimit -f)",
            linux::EIO => "input/output error",
            linux::EISDIR => "it is a directory",
            linux::ELOOP => "too many symbolic links",
            linux::EMFILE | linux::ENFILE => "too many open files",
            linux::ENAMETOOLONG => "the name is too long",
            linux::ENODEV | linux::ENXIO => "no such device",
            linux::ENOENT => "no such file or directory",
            linux::ENOEXEC => "it is no program for this machine",
            linux::ENOMEM => "out of memory",
            linux::ENOSPC => "no space left",
            linux::ENOSYS => "the kernel does not know the call",
            linux::ENOTDIR => "not a directory",
            linux::EPERM => "not permitted",
            linux::EROFS => "the file system is read-only",
            linux::EXDEV => "another mount begins",
            _ => return write!(f, "error {} of the kernel", self.0),
        })
    }
}
