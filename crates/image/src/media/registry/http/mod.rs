//! HTTP: connections, single exchanges over them, repeated attempts, and the time that each may take.

pub(crate) mod answer;
pub(crate) mod broken;
pub(crate) mod connection;
pub(crate) mod flow;
pub(crate) mod network;
pub(crate) mod patience;
pub(crate) mod redirect;
pub(crate) mod retry;
pub(crate) mod transport;
