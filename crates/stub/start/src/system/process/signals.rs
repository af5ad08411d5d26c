//! Signals: handlers, which do not return, and which signals wait.

use core::ffi::c_void;

use linux_raw_sys::general::{self as linux, kernel_sigaction, kernel_sigset_t, sigaltstack};

use crate::system::call::call;
use crate::system::errno::Errno;
use crate::system::process::identity::process_id;
use crate::system::signal_set::{SIGNAL_SET, Signal, set_of};

/// A function that the kernel calls for a signal. The kernel tells it more about the signal.
pub type Handler = extern "C" fn(Signal, *const c_void, *const c_void) -> !;

/// The size of the handlers' stack, in bytes.
const STACK: usize = 32 << 10;

/// The handlers' stack. It takes memory when a handler runs.
static mut PLACE: [u8; STACK] = [0; STACK];

/// Gives handlers a stack of their own.
pub fn provide_handler_stack() {
    let stack = sigaltstack { ss_sp: (&raw mut PLACE).cast(), ss_flags: 0, ss_size: STACK as _ };
    // SAFETY: nobody else uses the place, which lives as long as the process.
    let _ = unsafe { call(linux::__NR_sigaltstack, [&raw const stack as usize, 0]) };
}

/// Sets the handler of a signal, unless the signal is ignored. All signals wait while the handler runs. The
/// next signal of this kind has no handler.
pub fn handle(signal: Signal, handler: Handler) {
    let flags = linux::SA_SIGINFO | linux::SA_ONSTACK | linux::SA_RESETHAND | linux::SA_RESTORER;
    let mut action = kernel_sigaction {
        // SAFETY: with `SA_SIGINFO`, the kernel calls the handler with three arguments.
        sa_handler_kernel: Some(unsafe {
            core::mem::transmute::<Handler, unsafe extern "C" fn(i32)>(handler)
        }),
        sa_flags: flags as _,
        // Some kernels ask for such a function. They use it only for handlers that return.
        sa_restorer: None,
        // SAFETY: a set consists of bits, and each value of the bits is a set.
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

/// Gives a signal its usual action, unless the signal is ignored.
pub fn unhandle(signal: Signal) {
    // SAFETY: zeros are an action, the usual one.
    let usual = unsafe { core::mem::zeroed() };
    let Ok(before) = change(signal, &usual) else { return };
    if before.sa_handler_kernel.map_or(0, |handler| handler as usize) == IGNORED {
        let _ = change(signal, &before);
    }
}

/// The number that stands in the place of a handler if a signal is ignored.
const IGNORED: usize = 1;

fn change(signal: Signal, action: &kernel_sigaction) -> Result<kernel_sigaction, Errno> {
    let mut before = core::mem::MaybeUninit::<kernel_sigaction>::zeroed();
    let arguments = [
        signal as usize,
        core::ptr::from_ref(action) as usize,
        before.as_mut_ptr() as usize,
        SIGNAL_SET,
    ];
    // SAFETY: both actions have the kernel's length, and the set has the length that the kernel is told.
    unsafe { call(linux::__NR_rt_sigaction, arguments) }?;
    // SAFETY: zeros are an action, and the kernel writes an action.
    Ok(unsafe { before.assume_init() })
}

/// Sends a signal to this process.
pub fn raise(signal: Signal) {
    let arguments = [process_id() as usize, signal as usize];
    // SAFETY: no argument points to memory.
    let _ = unsafe { call(linux::__NR_kill, arguments) };
}

/// Blocks signals, and returns the set that was blocked before.
pub fn block_signals(signals: &[Signal]) -> Result<kernel_sigset_t, Errno> {
    change_signals(linux::SIG_BLOCK, &set_of(signals))
}

/// Blocks exactly the signals of a set.
pub fn restore_signals(set: &kernel_sigset_t) -> Result<(), Errno> {
    change_signals(linux::SIG_SETMASK, set).map(drop)
}

fn change_signals(how: u32, set: &kernel_sigset_t) -> Result<kernel_sigset_t, Errno> {
    let mut before = set_of(&[]);
    let arguments =
        [how as usize, core::ptr::from_ref(set) as usize, &raw mut before as usize, SIGNAL_SET];
    // SAFETY: both sets have the length that the kernel is told.
    unsafe { call(linux::__NR_rt_sigprocmask, arguments) }?;
    Ok(before)
}

/// Unblocks all signals, so that the waiting ones come.
pub fn release_signals() {
    let _ = restore_signals(&set_of(&[]));
}

/// Tells whether this is the first process of a container. Only signals that it handles end this process.
pub fn is_first_process() -> bool {
    process_id() == 1
}

/// Returns the address at which memory was missing, from the kernel's description of a signal.
///
/// # Safety
/// The handler was called for SIGSEGV or SIGBUS.
pub unsafe fn fault_address(told: *const c_void) -> usize {
    // Three numbers of four bytes come before the address.
    const AT: usize = 12_usize.next_multiple_of(size_of::<usize>());
    // SAFETY: the caller's promise.
    unsafe { told.byte_add(AT).cast::<usize>().read() }
}
