//! The kernel's calls for a stub: each is a function with types, and makes no decision.

mod call;
mod errno;
mod files;
mod memory;
mod process;
mod signal_set;
mod text;

pub use self::errno::Errno;
pub use self::files::{
    Descriptor, File, FileSystem, Folder, Mapped, Names, STDERR, STDIN, Status, link_says,
    read_link, wait_for,
};
pub use self::memory::{map, random, unmap, wipe_stack};
pub use self::process::{
    Child, Handler, block_signals, change_folder, cores, execute, exit, fault_address,
    forbid_dumps, fork, handle, host_name, is_first_process, is_in_root, pass_on_capabilities,
    process_id, provide_handler_stack, raise, release_signals, restore_signals, unhandle, user,
};
pub use self::signal_set::Signal;
pub use self::text::{Text, decimal};
