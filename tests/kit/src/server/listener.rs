//! A listener on a free port of 127.0.0.1 with one thread per connection, which ends on drop.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Accepts connections until it is dropped; connections that are open then end by themselves.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Listener {
    /// Calls `serve` in a thread of its own for every connection, with its number.
    ///
    /// # Panics
    /// If 127.0.0.1 has no free port.
    pub(crate) fn start(
        serve: impl Fn(TcpStream, usize) -> io::Result<()> + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let stopping = Arc::new(AtomicBool::new(false));
        let acceptor = thread::spawn({
            let stopping = Arc::clone(&stopping);
            move || {
                for (number, stream) in listener.incoming().enumerate() {
                    if stopping.load(Ordering::SeqCst) {
                        return;
                    }
                    let serve = serve.clone();
                    // The client sees the error of its own connection, and the error ends no other
                    // connection.
                    thread::spawn(move || stream.and_then(|stream| serve(stream, number)));
                }
            }
        });
        Self { address, stopping, acceptor: Some(acceptor) }
    }

    /// Returns `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees the flag.
        let woken = TcpStream::connect(self.address);
        if let (Ok(_), Some(acceptor)) = (woken, self.acceptor.take()) {
            // A panic in there has been printed already.
            let _ = acceptor.join();
        }
    }
}
