//! The capabilities of a process: its rights beyond its user's. capabilities(7).

use linux_raw_sys::general as linux;
use linux_raw_sys::prctl::{PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE};

use crate::system::call::call;
use crate::system::errno::Errno;

/// The version of the sets' form: two words each.
const VERSION: u32 = 0x2008_0522;

/// Effective, permitted and inheritable capabilities. The capabilities with the lowest numbers come first.
type Sets = [[u32; 3]; 2];

/// The places in [`Sets`].
const PERMITTED: usize = 1;
const INHERITABLE: usize = 2;

/// Makes all capabilities of this process ambient, so that the next program has them too. Returns whether
/// there are any.
///
/// # Errors
/// The kernel's.
pub fn pass_on_capabilities() -> Result<bool, Errno> {
    let header = [VERSION, 0];
    let mut sets: Sets = [[0; 3]; 2];
    let arguments = [header.as_ptr() as usize, sets.as_mut_ptr() as usize];
    // SAFETY: the kernel reads a version and a number, and writes two times three words.
    unsafe { call(linux::__NR_capget, arguments) }?;
    if sets.iter().all(|set| set[PERMITTED] == 0) {
        return Ok(false);
    }
    for set in &mut sets {
        set[INHERITABLE] |= set[PERMITTED];
    }
    // SAFETY: the kernel reads the same places.
    unsafe { call(linux::__NR_capset, arguments) }?;
    for number in 0..64 {
        if sets[number / 32][PERMITTED] >> (number % 32) & 1 == 1 {
            let arguments = [PR_CAP_AMBIENT as usize, PR_CAP_AMBIENT_RAISE as usize, number, 0, 0];
            // SAFETY: no argument points to memory.
            unsafe { call(linux::__NR_prctl, arguments) }?;
        }
    }
    Ok(true)
}
