//! The beginning and the end of a program that the kernel has started.

use core::ffi::c_void;
use core::fmt;

use crate::failure::say;
use crate::process::{Start, ending};
use crate::{Failure, system};

unsafe extern "Rust" {
    /// Runs the program. Each program defines this function itself, under this name.
    safe fn sealcrate_main(start: &mut Start) -> !;
}

/// Begins the program. `_start` of each machine calls this function.
pub(crate) unsafe extern "C" fn entry(stack: *const c_void) -> ! {
    system::forbid_dumps();
    ending::prepare(stack);
    // SAFETY: `stack` is the stack as the kernel made it, and this is its only user.
    let mut start = unsafe { Start::new(stack) };
    sealcrate_main(&mut start)
}

/// A reason to end, in words for the user.
pub trait Tell: fmt::Display {
    /// Returns the exit status for the reason.
    fn status(&self) -> u8;

    /// Tells whether another process has told the user the reason already.
    fn is_told(&self) -> bool {
        false
    }
}

/// Writes the reason as one line to standard error, and ends the process.
pub fn end(reason: &dyn Tell) -> ! {
    if !reason.is_told() {
        say(reason);
    }
    system::exit(reason.status())
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    ending::clean();
    end(&Failure::Defect)
}
