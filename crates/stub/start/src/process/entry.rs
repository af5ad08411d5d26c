//! The beginning of a program that the kernel has started, and its end after a panic.

use core::ffi::c_void;

use crate::failure::Failure;
use crate::process::ending;
use crate::process::start::Start;
use crate::system;
use crate::tell::end;

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

/// Ends the process because of a defect.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    ending::clean();
    end(&Failure::Defect)
}
