//! This process: its user, its children, its signals, its end, and its change into another program.

mod capabilities;
mod child;
mod execution;
mod identity;
mod signals;

pub use self::capabilities::pass_on_capabilities;
pub use self::child::{Child, cores, fork};
pub use self::execution::execute;
pub use self::identity::{
    change_folder, exit, forbid_dumps, host_name, is_in_root, process_id, user,
};
pub use self::signals::{
    Handler, block_signals, fault_address, handle, is_first_process, provide_handler_stack, raise,
    release_signals, restore_signals, unhandle,
};
