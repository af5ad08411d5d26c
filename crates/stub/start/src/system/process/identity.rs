//! The properties of a process, and its change into another program.

use core::ffi::{CStr, c_char};

use linux_raw_sys::general as linux;
use linux_raw_sys::system::new_utsname;

use crate::system::{Errno, Text, call};

#[cfg(target_pointer_width = "64")]
const IDS: (u32, u32) = (linux::__NR_geteuid, linux::__NR_getegid);
#[cfg(target_pointer_width = "32")]
const IDS: (u32, u32) = (linux::__NR_geteuid32, linux::__NR_getegid32);

/// Returns the effective user and group of this process.
pub fn user() -> (u32, u32) {
    // SAFETY: no argument points to memory.
    let id = |number| unsafe { call(number, []) }.unwrap_or_default() as u32;
    (id(IDS.0), id(IDS.1))
}

/// Returns the number of this process.
pub fn process_id() -> u32 {
    // SAFETY: no argument points to memory.
    unsafe { call(linux::__NR_getpid, []) }.unwrap_or_default() as u32
}

/// Tells whether the current folder is the root.
pub fn is_in_root() -> bool {
    let mut path = [0_u8; 2];
    // SAFETY: the kernel writes no more than that.
    let len = unsafe { call(linux::__NR_getcwd, [path.as_mut_ptr() as usize, path.len()]) };
    len == Ok(2) && path[0] == b'/'
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

/// Changes the current folder.
///
/// # Errors
/// The kernel's.
pub fn change_folder(path: &[u8]) -> Result<(), Errno> {
    let path = Text::new(path)?;
    // SAFETY: the path ends with a zero.
    unsafe { call(linux::__NR_chdir, [path.place()]) }.map(drop)
}

/// Returns the name of the host, or an empty one.
pub fn host_name() -> [u8; 65] {
    let mut names = core::mem::MaybeUninit::<new_utsname>::zeroed();
    // SAFETY: the kernel writes no more than that.
    let _ = unsafe { call(linux::__NR_uname, [names.as_mut_ptr() as usize]) };
    // SAFETY: the type consists of bytes, and zeros are a value of it.
    unsafe { names.assume_init() }.nodename.map(|byte| byte as u8)
}

/// Becomes the program at a path. Returns only if that fails.
///
/// # Safety
/// The strings in both lists end with a zero, and both lists end with a null pointer.
pub unsafe fn execute(
    path: &CStr,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> Errno {
    let all = [path.as_ptr() as usize, arguments as usize, environment as usize];
    // SAFETY: the caller's promise, and the path ends with a zero.
    match unsafe { call(linux::__NR_execve, all) } {
        Ok(_) => unreachable!("a program that has become another one"),
        Err(errno) => errno,
    }
}
