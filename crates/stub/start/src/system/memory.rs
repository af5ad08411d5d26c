//! Memory: fresh pages, random bytes, and the stack that finished functions have left.

use linux_raw_sys::general as linux;
use zeroize::Zeroize as _;

use crate::system::call::call;
use crate::system::errno::Errno;

/// The number of the call that maps memory.
#[cfg(target_pointer_width = "64")]
pub(in crate::system) const MMAP: u32 = linux::__NR_mmap;
#[cfg(target_pointer_width = "32")]
pub(in crate::system) const MMAP: u32 = linux::__NR_mmap2;

/// Maps `len` bytes of fresh zeros.
pub fn map(len: usize) -> Result<*mut u8, Errno> {
    let protection = (linux::PROT_READ | linux::PROT_WRITE) as usize;
    let flags = (linux::MAP_PRIVATE | linux::MAP_ANONYMOUS) as usize;
    // SAFETY: the mapping is new, and nothing lies there.
    let place = unsafe { call(MMAP, [0, len, protection, flags, usize::MAX, 0]) }?;
    Ok(place as *mut u8)
}

/// Gives memory from [`map`] back.
///
/// # Safety
/// `place` is from [`map`] with that length, and nobody uses it any more.
pub unsafe fn unmap(place: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    let _ = unsafe { call(linux::__NR_munmap, [place as usize, len]) };
}

/// Fills a place with random bytes, as soon as the kernel has some.
pub fn random(place: &mut [u8]) -> Result<(), Errno> {
    let mut rest = place;
    while !rest.is_empty() {
        let arguments = [rest.as_mut_ptr() as usize, rest.len(), 0];
        // SAFETY: the place has the length that the kernel is told.
        match unsafe { call(linux::__NR_getrandom, arguments) } {
            Ok(count) => rest = rest.get_mut(count..).unwrap_or_default(),
            Err(Errno::INTERRUPTED) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Overwrites the bytes that finished functions have left on the stack.
#[inline(never)]
pub fn wipe_stack() {
    let mut left = [0_u8; 48 << 10];
    left.zeroize();
}
