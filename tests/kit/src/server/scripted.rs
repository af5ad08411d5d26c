//! A server that answers each request as a test says, and remembers the requests.

use std::io::{self, BufRead, BufReader};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::listener::Listener;
use super::reply::{End, Reply};
use super::request::Request;
use super::store::Store;
use crate::Gate;
use crate::http::{Body, Framing, Piece, RequestHead};

/// The most bytes of a body that are read at once.
const AT_ONCE: usize = 64 << 10;
/// The most bytes of a body that are remembered.
const LARGEST_BODY: usize = 256 << 20;

/// The running server; it ends when it goes out of scope.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    memory: Arc<Memory>,
}

/// The state that the threads of the connections share.
#[derive(Debug, Default)]
struct Memory {
    requests: Mutex<Vec<Request>>,
    store: Store,
    /// Opened at the end of the server, which ends the connections that are held open.
    end: Gate,
}

type Script = dyn Fn(&Request, usize) -> Reply + Send + Sync;

impl Server {
    /// Starts a server that answers each request as `script` says. `script` gets the request without
    /// its body, and how many requests came before it.
    ///
    /// Like many registries, the server takes a body in chunks with `PATCH` alone. It answers others
    /// with 411.
    ///
    /// # Panics
    /// If 127.0.0.1 has no free port.
    pub fn start(script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let memory = Arc::new(Memory::default());
        let (script, shared): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&memory));
        let listener = Listener::start(move |stream, connection| {
            serve(&stream, connection, &*script, &shared)
        });
        Self { listener, memory }
    }

    /// Returns `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.listener.host()
    }

    /// Returns the address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host())
    }

    /// Returns the requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.memory.requests().clone()
    }

    /// Returns the methods and targets of the requests so far.
    pub fn lines(&self) -> Vec<String> {
        self.memory.requests().iter().map(|request| request.line().to_owned()).collect()
    }

    /// Counts the requests so far whose method and target begin so.
    pub fn count(&self, beginning: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(beginning)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.memory.end.open();
    }
}

impl Memory {
    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request, and returns its number.
    fn add(&self, request: &Request) -> usize {
        let mut requests = self.requests();
        requests.push(request.clone());
        requests.len() - 1
    }
}

fn serve(
    stream: &TcpStream,
    connection: usize,
    script: &Script,
    memory: &Memory,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(AT_ONCE, stream.try_clone()?);
    while let Some(head) = RequestHead::read(&mut reader)? {
        let framing = head.framing()?;
        let mut request = Request::new(head, connection);
        let number = memory.add(&request);
        let reply = match framing {
            Framing::Chunked if !request.is("PATCH") => Reply::new(411).early(0),
            _ => script(&request, number),
        };
        let read = read_as_told(&mut reader, framing, &reply, &mut request);
        memory.requests()[number] = request.clone();
        read?;
        let reply = reply.complete(&request, &memory.store);
        let is_answered = reply.write(&request, stream).unwrap_or(false);
        if !is_answered || !request.is_whole {
            if reply.end == End::Held {
                memory.end.wait();
            }
            return Ok(());
        }
    }
    Ok(())
}

/// Reads as much of the body as `reply` wants, and as fast.
fn read_as_told(
    reader: &mut impl BufRead,
    framing: Framing,
    reply: &Reply,
    request: &mut Request,
) -> io::Result<()> {
    let (at_once, pause) = reply.sip.unwrap_or((AT_ONCE, Duration::ZERO));
    let most = reply.most_read.min(LARGEST_BODY);
    let mut body = Body::new(framing);
    while request.body.len() < most && !body.is_at_end() {
        thread::sleep(pause);
        let wanted = at_once.min(most - request.body.len());
        if let Some(Piece::Content(bytes)) = body.piece(reader, wanted)? {
            request.body.extend_from_slice(&bytes);
        }
    }
    request.is_whole = body.is_at_end();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::Shutdown;

    use super::*;
    use crate::digest_of;
    use crate::http::request;

    #[test]
    fn a_registry_stores_and_serves() {
        let server = Server::start(|request, _| match request.is("PUT") {
            true => Reply::stored(),
            false => Reply::served(),
        });
        let digest = digest_of(b"content");
        let path = format!("/v2/a/blobs/{digest}");
        assert_eq!(request("GET", &server.host(), &path, &[], b"").unwrap().status, 404);
        let put = request("PUT", &server.host(), "/up?state=s", &[], b"content").unwrap();
        assert_eq!(put.status, 201);
        assert_eq!(put.head.header("docker-content-digest"), Some(&*digest));
        let got = request("GET", &server.host(), &path, &[], b"").unwrap();
        assert_eq!((got.status, &*got.body), (200, &b"content"[..]));
        assert_eq!(request("HEAD", &server.host(), &path, &[], b"").unwrap().body, b"");
        assert_eq!(server.count("GET /v2/"), 2);
        assert_eq!(server.requests()[1].body, b"content");
        let connections: Vec<_> = server.requests().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [0, 1, 2, 3]);
    }

    #[test]
    fn an_answer_may_depend_on_the_body() {
        let server = Server::start(|_, _| Reply::once_read(|seen| Reply::ok(seen.body.clone())));
        assert_eq!(request("POST", &server.host(), "/", &[], b"echo").unwrap().body, b"echo");
    }

    #[test]
    fn a_connection_carries_several_requests_with_chunks_only_in_patches() {
        let server = Server::start(|_, number| Reply::ok(number.to_string()));
        let mut stream = TcpStream::connect(server.host()).unwrap();
        let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        write!(stream, "GET /a HTTP/1.1\r\n\r\nPATCH /b HTTP/1.1\r\n{chunks}").unwrap();
        write!(stream, "PUT /c HTTP/1.1\r\n{chunks}").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        while server.requests().len() < 3 {
            thread::yield_now();
        }
        let bodies: Vec<_> = server.requests().into_iter().map(|seen| seen.body).collect();
        assert_eq!(bodies, [&b""[..], b"abc", b""]);
        drop(server);
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|text| &text[..3]).collect();
        assert_eq!(statuses, ["200", "200", "411"]);
    }

    #[test]
    fn answers_are_cut_and_left_out_as_told() {
        let server = Server::start(|_, number| match number {
            0 => Reply::ok("0123456789").cut_after(5),
            1 => Reply::none_after(2),
            _ => Reply::new(403).early(3),
        });
        let send = |body: &[u8]| request("PUT", &server.host(), "/", &[], body);
        assert_eq!(send(b"").unwrap_err().to_string(), "body is cut off");
        assert!(send(b"abcdef").is_err());
        assert_eq!(send(b"abcdef").unwrap().status, 403);
        let read: Vec<_> = server.requests().into_iter().map(|seen| seen.body).collect();
        assert_eq!(read, [&b""[..], b"ab", b"abc"]);
    }
}
