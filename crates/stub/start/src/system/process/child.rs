//! Processes that share the work of this one.

use linux_raw_sys::general as linux;
use linux_raw_sys::prctl::PR_SET_PDEATHSIG;

use crate::system::call::call;
use crate::system::errno::Errno;

/// The longest set of cores that is read, in bytes, with one bit for each core.
const CORE_SET: usize = 128;

/// Returns the number of cores that this process may run on, one at least.
pub fn cores() -> usize {
    let mut set = [0_u8; CORE_SET];
    let arguments = [0, CORE_SET, set.as_mut_ptr() as usize];
    // SAFETY: the kernel writes no more than that.
    let len = unsafe { call(linux::__NR_sched_getaffinity, arguments) }.unwrap_or_default();
    let set = set.get(..len).unwrap_or_default();
    set.iter().map(|byte| byte.count_ones() as usize).sum::<usize>().max(1)
}

/// A process that this one has made, by its number.
pub struct Child(pub usize);

/// Makes a child process that goes on from here, with copies of all memory. The kernel ends it when this
/// process ends. Returns the child to this process, and nothing to the child.
///
/// # Errors
/// The kernel's.
pub fn fork() -> Result<Option<Child>, Errno> {
    // The kernel sends no signal at the child's end. So this process can ask for the child's status even if
    // somebody ignores the usual signal.
    // SAFETY: the child has memory of its own, with the same stack in the same place.
    match unsafe { call(linux::__NR_clone, [0, 0, 0, 0, 0]) }? {
        0 => {
            // SAFETY: no argument points to memory.
            let _ = unsafe {
                call(linux::__NR_prctl, [PR_SET_PDEATHSIG as usize, linux::SIGKILL as usize])
            };
            Ok(None)
        }
        pid => Ok(Some(Child(pid))),
    }
}

impl Child {
    /// Waits for the end of the process, and returns its exit status, as shells count it.
    pub fn wait(&self) -> u8 {
        let mut status = 0_u32;
        let arguments = [self.0, &raw mut status as usize, linux::__WALL as usize, 0];
        loop {
            // SAFETY: the kernel writes no more than the status.
            match unsafe { call(linux::__NR_wait4, arguments) } {
                Err(Errno::INTERRUPTED) => {}
                Err(_) => return 1,
                Ok(_) => break,
            }
        }
        match status & 0x7f {
            0 => (status >> 8) as u8,
            signal => 128 + signal as u8,
        }
    }

    /// Ends the process at once.
    pub fn kill(&self) {
        // SAFETY: no argument points to memory.
        let _ = unsafe { call(linux::__NR_kill, [self.0, linux::SIGKILL as usize]) };
    }
}
