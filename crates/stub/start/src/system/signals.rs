//! Signals that are handled, by a function that does not return.

use core::ffi::c_void;

use linux_raw_sys::general::{self as linux, kernel_sigaction, kernel_sigset_t, sigaltstack};

use super::{Errno, SIGNAL_SET, Signal, call, restore_signals, set_of};

/// A function that is called for a signal. The kernel tells it more of the signal.
pub type Handler = extern "C" fn(Signal, *const c_void, *const c_void) -> !;

/// The size of the place that handlers have for their stack.
const STACK: usize = 32 << 10;

/// The place. It is taken up when a handler runs.
static mut PLACE: [u8; STACK] = [0; STACK];

/// Gives handlers a stack of their own.
pub fn provide_handler_stack() {
    let stack = sigaltstack { ss_sp: (&raw mut PLACE).cast(), ss_flags: 0, ss_size: STACK as _ };
    // SAFETY: nobody else uses the place, which lives as long as the process.
    let _ = unsafe { call(linux::__NR_sigaltstack, [&raw const stack as usize, 0]) };
}

/// Has a signal handled, unless it is ignored. All signals wait while the handler runs. The next signal of
/// this kind has no handler.
pub fn handle(signal: Signal, handler: Handler) {
    let flags = linux::SA_SIGINFO | linux::SA_ONSTACK | linux::SA_RESETHAND | linux::SA_RESTORER;
    let mut action = kernel_sigaction {
        // SAFETY: with this flag the kernel calls it with three arguments.
        sa_handler_kernel: Some(unsafe {
            core::mem::transmute::<Handler, unsafe extern "C" fn(i32)>(handler)
        }),
        sa_flags: flags as _,
        // Some kernels ask for one. It is for handlers that return.
        sa_restorer: None,
        // SAFETY: a set is of bits, of which all values are some.
        sa_mask: unsafe {
            core::mem::transmute::<[u8; SIGNAL_SET], kernel_sigset_t>([0xff; SIGNAL_SET])
        },
    };
    let Ok(before) = change(signal, &action) else { return };
    if before.sa_handler_kernel.map_or(0, |handler| handler as usize) == IGNORED {
        action.sa_handler_kernel = before.sa_handler_kernel;
        let _ = change(signal, &action);
    }
}

/// The number in the place of a handler where a signal is ignored.
const IGNORED: usize = 1;

fn change(signal: Signal, action: &kernel_sigaction) -> Result<kernel_sigaction, Errno> {
    let mut before = core::mem::MaybeUninit::<kernel_sigaction>::zeroed();
    let arguments = [
        signal as usize,
        core::ptr::from_ref(action) as usize,
        before.as_mut_ptr() as usize,
        SIGNAL_SET,
    ];
    // SAFETY: both are as long as the kernel takes them, and the set is as long as it is said to be.
    unsafe { call(linux::__NR_rt_sigaction, arguments) }?;
    // SAFETY: zeros are one, and so is what the kernel writes.
    Ok(unsafe { before.assume_init() })
}

/// Lets all signals come that waited.
pub fn release_signals() {
    let _ = restore_signals(&set_of(&[]));
}

/// Tells whether this is the first process of a container, which only signals end that it handles.
pub fn is_first_process() -> bool {
    // SAFETY: there are no places.
    let id = unsafe { call(linux::__NR_getpid, []) };
    id == Ok(1)
}

/// Returns the address at which memory was missing, out of the kernel's words to a handler.
///
/// # Safety
/// The handler was called for SIGSEGV or SIGBUS.
pub unsafe fn fault_address(told: *const c_void) -> usize {
    // Three numbers of four bytes are before it.
    const AT: usize = 12_usize.next_multiple_of(size_of::<usize>());
    // SAFETY: the caller's promise.
    unsafe { told.byte_add(AT).cast::<usize>().read() }
}
