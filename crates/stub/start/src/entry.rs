//! The beginning and the end of a program that the kernel has started.

use core::ffi::c_void;
use core::fmt;

use crate::failure::say;
use crate::start::Start;
use crate::{Failure, ending, system};

unsafe extern "Rust" {
    /// What the program does. It defines that itself, under this name.
    safe fn sealcrate_main(start: &mut Start) -> !;
}

/// Where the start of each machine leads.
pub(crate) unsafe extern "C" fn entry(stack: *const c_void) -> ! {
    system::forbid_dumps();
    ending::prepare(stack);
    // SAFETY: it is the stack as the kernel made it, and this is its only user.
    let mut start = unsafe { Start::new(stack) };
    sealcrate_main(&mut start)
}

/// A reason to end, in words for whoever started the program.
pub trait Tell: fmt::Display {
    /// Returns the exit status that it means.
    fn status(&self) -> u8;

    /// Tells whether another process has said it.
    fn is_told(&self) -> bool {
        false
    }
}

/// Says why, in one line on standard error, and ends the process.
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
