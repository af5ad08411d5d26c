//! Everything that people see, and the exit codes.

pub(crate) mod failure;
pub(crate) mod notices;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod talk;
pub(crate) mod visible;
