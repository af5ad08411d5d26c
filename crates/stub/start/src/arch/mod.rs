//! The instructions that no language has: the start of a program, and the call of the kernel.
//!
//! Each file has two symbols for one kind of machine. The kernel begins at `_start`, which passes the stack,
//! as it was, to [`crate::process::entry()`]. `sealcrate_syscall` takes a number and six arguments as C functions
//! take them, and returns the number that the kernel returns.

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
