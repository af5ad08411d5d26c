//! Ends that come from outside: signals while a payload is opened.
//!
//! Each is told in a sentence, and all that was written until then is removed. The first process of a
//! container would not be ended by a signal otherwise, and the kernel ends others without a word. The
//! program that comes later gets its signals as they were: execution takes the handlers away.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use linux_raw_sys::general::{SIGBUS, SIGHUP, SIGINT, SIGQUIT, SIGSEGV, SIGTERM, SIGXFSZ};

use crate::entry::end;
use crate::failure::Failure;
use crate::system::{self, Signal};

/// The signals that somebody sends who wants the process to end.
pub const ENDING: [Signal; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// The signals that the kernel sends where something cannot be had.
const MISSING: [Signal; 3] = [SIGBUS, SIGSEGV, SIGXFSZ];

/// How far below its beginning the stack may lie, in bytes.
const MAX_STACK: usize = 64 << 20;

/// Where the stack begins.
static STACK: AtomicUsize = AtomicUsize::new(0);

/// The cleanup before an end: a place where a reference to it is.
static CLEANUP: AtomicPtr<&'static dyn Fn()> = AtomicPtr::new(ptr::null_mut());

/// Has signals told. `stack` is where the stack begins.
pub(crate) fn prepare(stack: *const c_void) {
    STACK.store(stack as usize, Ordering::Relaxed);
    system::provide_handler_stack();
    MISSING.into_iter().for_each(|signal| system::handle(signal, ended));
    if system::is_first_process() {
        ENDING.into_iter().for_each(|signal| system::handle(signal, ended));
    }
}

/// Does a task, and calls `cleanup` where a signal ends the process meanwhile.
pub fn with_cleanup<T>(cleanup: &dyn Fn(), task: impl FnOnce() -> T) -> T {
    let place: *const &dyn Fn() = &raw const cleanup;
    CLEANUP.store(place.cast_mut().cast(), Ordering::SeqCst);
    ENDING.into_iter().for_each(|signal| system::handle(signal, ended));
    let done = task();
    CLEANUP.store(ptr::null_mut(), Ordering::SeqCst);
    done
}

/// Leaves the ends to the process that this one shares the work of: that process cleans up and tells.
pub fn leave_ends_to_parent() {
    CLEANUP.store(ptr::null_mut(), Ordering::SeqCst);
    ENDING.into_iter().for_each(system::unhandle);
}

/// Calls the cleanup, once, in the middle of a task that will not go on.
pub(crate) fn clean() {
    let cleanup = CLEANUP.swap(ptr::null_mut(), Ordering::SeqCst);
    // SAFETY: the reference there outlives the task. There is one thread, so that nobody changes its data
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
            // SAFETY: the kernel tells it of this signal.
            let address = unsafe { system::fault_address(told) };
            let depth = STACK.load(Ordering::Relaxed).wrapping_sub(address);
            if depth < MAX_STACK { Failure::Stack } else { Failure::Defect }
        }
        SIGXFSZ => Failure::FileLimit,
        _ => {
            // It ends every process but the first of a container.
            system::raise(signal);
            system::release_signals();
            Failure::Signal(signal)
        }
    };
    end(&reason)
}
