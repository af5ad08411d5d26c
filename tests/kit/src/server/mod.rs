//! Servers on 127.0.0.1: a listener for any service, and a server that answers as a test says.

mod listener;
mod reply;
mod request;
mod scripted;
mod store;
mod tripwire;

pub(crate) use listener::Listener;
pub use reply::Reply;
pub use request::Request;
pub use scripted::Server;
pub use tripwire::Tripwire;
