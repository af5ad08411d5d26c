//! Handles the signals that end the process while a payload is opened.
//!
//! For each signal, the process calls its cleanup, if it has one, and says one sentence. Without handlers, a
//! signal would not end the first process of a container, and the kernel would end others without a word. The
//! program that comes later gets its signals as they were: execution removes the handlers.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use linux_raw_sys::general::{SIGBUS, SIGHUP, SIGINT, SIGQUIT, SIGSEGV, SIGTERM, SIGXFSZ};

use crate::failure::Failure;
use crate::system::{self, Signal};
use crate::tell::end;

/// The signals that people and engines send to end a process.
pub const ENDING: [Signal; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// The signals that the kernel sends if a process cannot have the memory or the room that it uses.
const MISSING: [Signal; 3] = [SIGBUS, SIGSEGV, SIGXFSZ];

/// The farthest that the stack may reach below its beginning, in bytes.
const MAX_STACK: usize = 64 << 20;

/// The address at which the stack begins.
static STACK: AtomicUsize = AtomicUsize::new(0);

/// The cleanup before an end: the address of a reference to it, or null.
static CLEANUP: AtomicPtr<&'static dyn Fn()> = AtomicPtr::new(ptr::null_mut());

/// Sets the handlers. `stack` is the address at which the stack begins.
pub(crate) fn prepare(stack: *const c_void) {
    STACK.store(stack as usize, Ordering::Relaxed);
    system::provide_handler_stack();
    MISSING.into_iter().for_each(|signal| system::handle(signal, ended));
    if system::is_first_process() {
        ENDING.into_iter().for_each(|signal| system::handle(signal, ended));
    }
}

/// Does a task, and calls `cleanup` if a signal ends the process meanwhile.
pub fn with_cleanup<T>(cleanup: &dyn Fn(), task: impl FnOnce() -> T) -> T {
    let place: *const &dyn Fn() = &raw const cleanup;
    CLEANUP.store(place.cast_mut().cast(), Ordering::SeqCst);
    ENDING.into_iter().for_each(|signal| system::handle(signal, ended));
    let done = task();
    CLEANUP.store(ptr::null_mut(), Ordering::SeqCst);
    done
}

/// Leaves signals to the parent process, which shares its work with this one. The parent cleans up and tells
/// the user.
pub fn leave_ends_to_parent() {
    CLEANUP.store(ptr::null_mut(), Ordering::SeqCst);
    ENDING.into_iter().for_each(system::unhandle);
}

/// Calls the cleanup, once, in the middle of a task that will not go on.
pub(crate) fn clean() {
    let cleanup = CLEANUP.swap(ptr::null_mut(), Ordering::SeqCst);
    // SAFETY: the reference there outlives the task. There is one thread, so nobody changes its data
    // meanwhile.
    if let Some(cleanup) = unsafe { cleanup.as_ref() } {
        cleanup();
    }
}

/// Ends the process because of a signal.
extern "C" fn ended(signal: Signal, told: *const c_void, _: *const c_void) -> ! {
    clean();
    let reason = match signal {
        SIGBUS => Failure::CutOff,
        SIGSEGV => {
            // SAFETY: the handler was called for SIGSEGV.
            let address = unsafe { system::fault_address(told) };
            let depth = STACK.load(Ordering::Relaxed).wrapping_sub(address);
            if depth < MAX_STACK { Failure::Stack } else { Failure::Defect }
        }
        SIGXFSZ => Failure::FileLimit,
        _ => {
            // The signal ends every process except the first one of a container.
            system::raise(signal);
            system::release_signals();
            Failure::Signal(signal)
        }
    };
    end(&reason)
}
