//! This process: its user, its children, its signals, and its change into another program.

mod capabilities;
mod child;
mod identity;
mod signals;

pub use self::capabilities::pass_on_capabilities;
pub use self::child::{Child, cores, fork};
pub use self::identity::{
    change_folder, execute, host_name, is_in_root, process_id, read_link, user,
};
pub use self::signals::{
    Handler, fault_address, handle, is_first_process, provide_handler_stack, release_signals,
    unhandle,
};
