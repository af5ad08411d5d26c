//! Sets of signals as the kernel takes them.

use linux_raw_sys::general::kernel_sigset_t;

/// The number of a signal.
pub type Signal = u32;

/// The size of the signal sets that the kernel takes.
pub(in crate::system) const SIGNAL_SET: usize = size_of::<kernel_sigset_t>();

/// Returns the set of these signals.
pub(in crate::system) fn set_of(signals: &[Signal]) -> kernel_sigset_t {
    let mut bytes = [0_u8; SIGNAL_SET];
    for signal in signals {
        let bit = *signal as usize - 1;
        bytes[place_of(bit / 8)] |= 1 << (bit % 8);
    }
    // SAFETY: a set consists of bits, and each value of the bits is a set.
    unsafe { core::mem::transmute(bytes) }
}

/// Returns the place of the byte of eight signals in a set, which consists of words.
const fn place_of(byte: usize) -> usize {
    if cfg!(target_endian = "little") { byte } else { byte ^ (size_of::<usize>() - 1) }
}
