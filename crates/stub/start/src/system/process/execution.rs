//! The change of this process into another program.

use core::ffi::{CStr, c_char};

use linux_raw_sys::general as linux;

use crate::system::call::call;
use crate::system::errno::Errno;
use crate::system::files::file::{FCNTL, File};
use crate::system::text::{Text, decimal};

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

impl File {
    /// Becomes the program in a file, by the name that the file has in `/proc`. Returns the error if that
    /// fails, and nothing if there is no such name.
    ///
    /// The file is open in the program as well: an emulator that the kernel starts in the program's place
    /// opens the name once more.
    ///
    /// # Safety
    /// As for [`execute`](Self::execute).
    #[inline(never)]
    pub unsafe fn execute_by_name(
        &self,
        arguments: *const *const c_char,
        environment: *const *const c_char,
    ) -> Option<Errno> {
        let mut digits = [0; 10];
        let path = Text::of(&[b"/proc/self/fd/", decimal(self.0 as u32, &mut digits)]).ok()?;
        Self::open(path.as_c_str().to_bytes()).ok()?;
        // SAFETY: no argument points to memory.
        let _ = unsafe { call(FCNTL, [self.0 as usize, linux::F_SETFD as usize, 0]) };
        // SAFETY: the caller's promise.
        Some(unsafe { execute(path.as_c_str(), arguments, environment) })
    }

    /// Becomes the program in a file. Returns only if that fails.
    ///
    /// # Safety
    /// The strings in both lists end with a zero, and both lists end with a null pointer.
    pub unsafe fn execute(
        &self,
        arguments: *const *const c_char,
        environment: *const *const c_char,
    ) -> Errno {
        let flags = linux::AT_EMPTY_PATH as usize;
        let all = [
            self.0 as usize,
            c"".as_ptr() as usize,
            arguments as usize,
            environment as usize,
            flags,
        ];
        // SAFETY: the caller's promise.
        match unsafe { call(linux::__NR_execveat, all) } {
            Ok(_) => unreachable!("a program that has become another one"),
            Err(errno) => errno,
        }
    }
}
