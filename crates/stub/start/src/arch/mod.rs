//! The instructions that no language has: where a program starts, and how it calls the kernel.
//!
//! Each file has two symbols for one kind of machine. `_start` is where the kernel begins: it hands
//! the stack as it was to [`crate::entry::entry`]. `sealcrate_syscall` takes a number and six arguments as
//! C functions take them, and returns what the kernel returns.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "arm")]
mod arm;
#[cfg(target_arch = "x86")]
mod x86;
#[cfg(target_arch = "x86_64")]
mod x86_64;

unsafe extern "C" {
    /// Calls the kernel.
    pub(crate) fn sealcrate_syscall(
        number: usize,
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
    ) -> isize;
}
