//! A proxy on loopback that counts what goes over the wire between a tool and a registry.
//!
//! Requests are told apart, and everything goes on as it came, so that the registry's absolute
//! addresses, which it makes of the `Host` that it is told, lead back here.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::http::{Body, RequestHead};
use crate::server::Listener;

/// The most bytes that are passed on at once.
const AT_ONCE: usize = 64 << 10;

/// The requests and bytes that went over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// How many requests the tool sent.
    pub requests: u64,
    /// From the tool to the registry, in bytes, heads and frames included.
    pub sent: u64,
    /// From the registry to the tool, likewise.
    pub received: u64,
}

/// The running proxy; it accepts no more connections when it goes out of scope.
#[derive(Debug)]
pub struct Counter {
    listener: Listener,
    totals: Arc<Totals>,
}

#[derive(Debug, Default)]
struct Totals {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Counter {
    /// Starts a proxy before `registry` (`127.0.0.1:PORT`).
    ///
    /// # Panics
    /// If 127.0.0.1 has no free port.
    pub fn start(registry: &str) -> Self {
        let totals = Arc::<Totals>::default();
        let (shared, registry) = (Arc::clone(&totals), registry.to_owned());
        let listener = Listener::start(move |client, _| serve(&client, &registry, &shared));
        Self { listener, totals }
    }

    /// Returns `127.0.0.1:PORT`, to be used in place of the registry's.
    pub fn host(&self) -> String {
        self.listener.host()
    }

    /// Returns the traffic since the last call.
    pub fn take(&self) -> Traffic {
        let take = |count: &AtomicU64| count.swap(0, Ordering::SeqCst);
        let Totals { requests, sent, received } = &*self.totals;
        Traffic { requests: take(requests), sent: take(sent), received: take(received) }
    }
}

fn serve(client: &TcpStream, registry: &str, totals: &Arc<Totals>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(AT_ONCE, client.try_clone()?);
    let registry = TcpStream::connect(registry)?;
    client.set_nodelay(true)?;
    registry.set_nodelay(true)?;
    let answers = {
        let (from, to, totals) = (registry.try_clone()?, client.try_clone()?, Arc::clone(totals));
        thread::spawn(move || {
            let _ = copy(from, &mut Counting { inner: &to, count: &totals.received });
            // The end of the answers is the end of the connection.
            let _ = to.shutdown(Shutdown::Both);
        })
    };
    let mut to = Counting { inner: &registry, count: &totals.sent };
    let forwarded = loop {
        match forward(&mut reader, &mut to, &totals.requests) {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if forwarded.is_err() {
        // A tool that tries TLS first is to see at once that nobody speaks it here.
        let _ = client.shutdown(Shutdown::Both);
    }
    registry.shutdown(Shutdown::Write)?;
    let _ = answers.join();
    forwarded
}

/// Passes on one request, and tells whether there was one. The request is counted before the registry
/// can answer it.
fn forward(
    reader: &mut impl io::BufRead,
    to: &mut impl Write,
    requests: &AtomicU64,
) -> io::Result<bool> {
    let Some((head, bytes)) = RequestHead::read_raw(reader)? else { return Ok(false) };
    requests.fetch_add(1, Ordering::SeqCst);
    to.write_all(&bytes)?;
    let mut body = Body::new(head.framing()?);
    while let Some(piece) = body.piece(reader, AT_ONCE)? {
        to.write_all(piece.bytes())?;
    }
    Ok(true)
}

fn copy(mut from: impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; AT_ONCE];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..count])?;
    }
}

/// Counts bytes before they arrive, so that a client that has them sees them counted.
struct Counting<'s> {
    inner: &'s TcpStream,
    count: &'s AtomicU64,
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.count.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        self.inner.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const REQUESTS: &[u8] = b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n\
        PUT /v2/x HTTP/1.1\r\ncontent-length: 5\r\n\r\nGET /\
        PATCH /v2/y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
        HEAD /v2/z HTTP/1.1\r\n\r\n";

    #[test]
    fn requests_are_told_apart_and_go_on_as_they_came() {
        let mut reader = REQUESTS;
        let mut passed = Vec::new();
        let count = AtomicU64::default();
        while forward(&mut reader, &mut passed, &count).unwrap() {}
        assert_eq!((count.load(Ordering::SeqCst), &passed[..]), (4, REQUESTS));
        for cut in ["GET / HTTP/1.1\r\nHos", "PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1"] {
            assert!(forward(&mut cut.as_bytes(), &mut passed, &count).is_err());
        }
    }

    #[test]
    fn both_directions_are_counted() {
        let registry = TcpListener::bind("127.0.0.1:0").unwrap();
        let counter = Counter::start(&registry.local_addr().unwrap().to_string());
        let served = thread::spawn(move || {
            let (mut connection, _) = registry.accept().unwrap();
            let mut request = [0; 30];
            connection.read_exact(&mut request).unwrap();
            connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        });
        let mut client = TcpStream::connect(counter.host()).unwrap();
        client.write_all(&REQUESTS[..30]).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        served.join().unwrap();
        assert_eq!(answer, "HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(counter.take(), Traffic { requests: 1, sent: 30, received: 19 });
        assert_eq!(counter.take(), Traffic { requests: 0, sent: 0, received: 0 });
    }
}
