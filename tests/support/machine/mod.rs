//! A machine of its own for the binary: its folders, a run and its result, and a user at its terminal.

pub(crate) mod done;
pub(crate) mod sandbox;
pub(crate) mod typist;
