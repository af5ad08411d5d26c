//! A proxy on loopback that counts what goes over the wire between a tool and a registry.
//!
//! Requests are told apart, and everything goes on as it came, so that the registry's absolute
//! addresses, which it makes of the `Host` that it is told, lead back here.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// What went over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    /// From the tool to the registry, in bytes, heads and frames included.
    pub(super) sent: u64,
    /// From the registry to the tool, likewise.
    pub(super) received: u64,
}

/// The running proxy; it accepts no more connections when it goes out of scope.
pub(super) struct Counter {
    address: SocketAddr,
    totals: Arc<Totals>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Totals {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    stopping: AtomicBool,
}

/// No head has more bytes.
const LONGEST_HEAD: u64 = 64 << 10;

impl Counter {
    /// Starts a proxy before `registry` (`127.0.0.1:PORT`).
    pub(super) fn start(registry: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let totals = Arc::<Totals>::default();
        let (shared, registry) = (Arc::clone(&totals), registry.to_owned());
        let acceptor = thread::spawn(move || {
            for client in listener.incoming() {
                if shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (totals, registry) = (Arc::clone(&shared), registry.clone());
                // An error of one connection is the tool's to see, and ends only that.
                thread::spawn(move || serve(client?, &registry, &totals));
            }
        });
        Ok(Self { address, totals, acceptor: Some(acceptor) })
    }

    /// Returns `127.0.0.1:PORT`, to be used in place of the registry's.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns what went through since the last call.
    pub(super) fn take(&self) -> Traffic {
        let take = |count: &AtomicU64| count.swap(0, Ordering::SeqCst);
        let Totals { requests, sent, received, .. } = &*self.totals;
        Traffic { requests: take(requests), sent: take(sent), received: take(received) }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.totals.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees the flag.
        let woken = TcpStream::connect(self.address);
        if let (Ok(_), Some(acceptor)) = (woken, self.acceptor.take()) {
            let _ = acceptor.join();
        }
    }
}

fn serve(client: TcpStream, registry: &str, totals: &Arc<Totals>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(64 << 10, client.try_clone()?);
    // A tool that tries TLS first is to see that nobody speaks it here.
    if !reader.fill_buf()?.first().is_some_and(u8::is_ascii_uppercase) {
        return client.shutdown(Shutdown::Both);
    }
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
    registry.shutdown(Shutdown::Write)?;
    let _ = answers.join();
    forwarded
}

/// Passes on one request, counted before whoever gets it can answer, and tells whether there was one.
fn forward(
    reader: &mut impl io::BufRead,
    to: &mut impl Write,
    requests: &AtomicU64,
) -> io::Result<bool> {
    let (mut length, mut is_chunked) = (0, false);
    let mut head = Vec::new();
    loop {
        let start = head.len();
        let limit = LONGEST_HEAD.saturating_sub(start as u64);
        if reader.take(limit).read_until(b'\n', &mut head)? == 0 {
            return if start == 0 { Ok(false) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let line = String::from_utf8_lossy(&head[start..]).trim_end().to_ascii_lowercase();
        match line.split_once(':') {
            _ if line.is_empty() => break,
            Some(("content-length", value)) => {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            Some(("transfer-encoding", value)) => is_chunked = value.contains("chunked"),
            _ => {}
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    to.write_all(&head)?;
    if !is_chunked {
        return copy_exactly(reader, length, to).map(|()| true);
    }
    loop {
        let mut line = Vec::new();
        reader.take(LONGEST_HEAD).read_until(b'\n', &mut line)?;
        to.write_all(&line)?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        // A chunk ends with a line end; so do trailers, of which there are none.
        copy_exactly(reader, size + 2, to)?;
        if size == 0 {
            return Ok(true);
        }
    }
}

fn copy_exactly(reader: &mut impl Read, length: u64, to: &mut impl Write) -> io::Result<()> {
    let copied = copy(reader.take(length), to)?;
    if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn copy(mut from: impl Read, to: &mut impl Write) -> io::Result<u64> {
    let mut buffer = vec![0; 64 << 10];
    let mut copied = 0;
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(copied);
        }
        to.write_all(&buffer[..count])?;
        copied += count as u64;
    }
}

/// Counts bytes before they arrive, so that nobody has them who could not see them counted.
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
        let counter = Counter::start(&registry.local_addr().unwrap().to_string()).unwrap();
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
