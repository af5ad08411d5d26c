//! An address that nobody may connect to.

use std::io;
use std::net::TcpListener;

/// A free port of 127.0.0.1 that notices connections, and answers none.
#[derive(Debug)]
pub struct Tripwire(TcpListener);

impl Tripwire {
    /// Lays it.
    ///
    /// # Panics
    /// If 127.0.0.1 has no free port.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        listener.set_nonblocking(true).expect("a listener need not wait");
        Self(listener)
    }

    /// Returns `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.0.local_addr().expect("a listener has an address").to_string()
    }

    /// Tells whether somebody has connected.
    ///
    /// # Panics
    /// If the listener fails.
    pub fn was_touched(&self) -> bool {
        match self.0.accept() {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => panic!("a listener accepts: {error}"),
        }
    }
}

impl Default for Tripwire {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_noticed() {
        let tripwire = Tripwire::new();
        assert!(!tripwire.was_touched());
        drop(std::net::TcpStream::connect(tripwire.host()).unwrap());
        assert!(tripwire.was_touched());
    }
}
