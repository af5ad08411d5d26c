//! The properties of this process, and its end.

use linux_raw_sys::general as linux;
use linux_raw_sys::prctl::PR_SET_DUMPABLE;
use linux_raw_sys::system::new_utsname;

use crate::system::call::call;
use crate::system::errno::Errno;
use crate::system::text::Text;

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

/// Keeps other processes of the same user from reading this one, and the kernel from dumping this one's
/// memory.
pub fn forbid_dumps() {
    // SAFETY: no argument points to memory.
    let _ = unsafe { call(linux::__NR_prctl, [PR_SET_DUMPABLE as usize, 0, 0, 0, 0]) };
}

/// Ends the process.
pub fn exit(status: u8) -> ! {
    loop {
        // SAFETY: no argument points to memory, and nothing comes after the call.
        let _ = unsafe { call(linux::__NR_exit_group, [usize::from(status)]) };
    }
}
