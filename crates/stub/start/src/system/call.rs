//! The call of the kernel, which every other function here makes.

use crate::arch::sealcrate_syscall;
use crate::system::errno::Errno;

/// Calls the kernel with safe arguments: numbers, and pointers to places that live as long as the call.
///
/// # Safety
/// The call does nothing to memory beyond what the references behind its arguments allow.
pub(in crate::system) unsafe fn call<const N: usize>(
    number: u32,
    arguments: [usize; N],
) -> Result<usize, Errno> {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    let [a, b, c, d, e, f] = all;
    // SAFETY: the caller's promise.
    let returned = unsafe { sealcrate_syscall(number as usize, a, b, c, d, e, f) };
    if (-4095..0).contains(&returned) {
        Err(Errno(-returned as u16))
    } else {
        Ok(returned as usize)
    }
}
