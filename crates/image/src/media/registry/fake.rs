//! A server of HTTP on loopback that answers as a test says, and remembers the requests.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::Digest;

/// A server, which runs until the tests end.
pub(super) struct Server {
    address: SocketAddr,
    log: Arc<Log>,
}

/// The requests and blobs that the server remembers.
#[derive(Default)]
struct Log {
    seen: Mutex<Vec<Seen>>,
    stored: Mutex<HashMap<Digest, Vec<u8>>>,
}

/// A request that the server got.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The method, the path and the query.
    pub(super) line: String,
    headers: Vec<(String, String)>,
    /// As much of the body as was read.
    pub(super) body: Vec<u8>,
    /// Whether that is the whole body.
    pub(super) is_whole: bool,
    /// The number of the connection that it came over.
    pub(super) connection: usize,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The digest that an upload states at its end.
    fn claimed(&self) -> Option<Digest> {
        let (_, digest) = self.line.split_once("digest=")?;
        digest.replace("%3A", ":").parse().ok()
    }

    pub(super) fn is(&self, method: &str) -> bool {
        self.line.starts_with(method)
    }
}

/// The answer to a request, and how the server treats the connection.
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// How much of the body is sent before the connection is cut.
    cut: Option<usize>,
    /// How much of the request's body is read before the answer.
    read: usize,
    /// Whether a connection that cannot go on is held open.
    hold: bool,
    /// The part of an honest registry that it plays.
    honest: Option<Honest>,
    /// How long to wait before each byte of the body.
    drip: Option<Duration>,
    /// How much of the request's body is read at once, and how long to wait before each time.
    sip: Option<(usize, Duration)>,
}

/// How an honest registry treats a body, or the digest at the end of a path.
#[derive(Clone, Copy)]
enum Honest {
    /// It stores the body and states its digest.
    Stores,
    /// It serves the stored bytes of that digest, or answers 404.
    Serves,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self {
            status,
            headers,
            body,
            cut: None,
            read: usize::MAX,
            hold: false,
            honest: None,
            drip: None,
            sip: None,
        }
    }

    /// Stores the body of the request, and states its digest.
    pub(super) fn stored() -> Self {
        Self { honest: Some(Honest::Stores), ..Self::new(201) }
    }

    /// Serves the stored bytes of the digest at the end of the path.
    pub(super) fn served() -> Self {
        Self { honest: Some(Honest::Serves), ..Self::new(404) }
    }

    pub(super) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200).body(body)
    }

    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn cut_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    /// Sends `bytes` bytes of the body, and then nothing.
    pub(super) fn silent_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self.hold = true;
        self
    }

    /// Sends one byte of the body after the other, with `pause` before each.
    pub(super) fn drip(mut self, pause: Duration) -> Self {
        self.drip = Some(pause);
        self
    }

    /// Reads `bytes` bytes of the request's body at once, with `pause` before each time.
    pub(super) fn sip(mut self, bytes: usize, pause: Duration) -> Self {
        self.sip = Some((bytes, pause));
        self
    }

    /// Completes the answer as an honest registry would.
    fn complete(&mut self, seen: &Seen, stored: &Mutex<HashMap<Digest, Vec<u8>>>) {
        let mut stored = stored.lock().unwrap();
        let digest = match self.honest {
            Some(Honest::Stores) if seen.is_whole => {
                // The bytes of a blob may have come before.
                let digest = seen.claimed().unwrap_or_else(|| Digest::of(&seen.body));
                stored.insert(digest, seen.body.clone());
                digest
            }
            Some(Honest::Serves) => {
                let digest = seen.line.rsplit('/').next().and_then(|last| last.parse().ok());
                let Some(digest) = digest.filter(|digest| stored.contains_key(digest)) else {
                    return;
                };
                (self.status, self.body) = (200, stored[&digest].clone());
                digest
            }
            _ => return,
        };
        self.headers.push(("Docker-Content-Digest", digest.to_string()));
    }

    /// Closes the connection without an answer, after `bytes` of the request's body.
    pub(super) fn none_after(bytes: usize) -> Self {
        Self { read: bytes, ..Self::new(0) }
    }

    /// Answers after `bytes` of the request's body, and leaves the rest in the connection.
    pub(super) fn early(mut self, bytes: usize) -> Self {
        self.read = bytes;
        self.hold = true;
        self
    }

    /// Never answers.
    pub(super) fn never() -> Self {
        Self::new(0).early(0)
    }
}

impl Server {
    /// Starts a server that answers each request as `script` says. `script` gets the request's
    /// head, and how many requests came before it.
    pub(super) fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let (script, shared) = (Arc::new(script), log.clone());
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (script, log) = (script.clone(), shared.clone());
                thread::spawn(move || serve(stream.unwrap(), connection, &*script, &log));
            }
        });
        Self { address, log }
    }

    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap().clone()
    }

    /// Returns the first lines of the requests so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    pub(super) fn count(&self, beginning: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(beginning)).count()
    }
}

fn serve(stream: TcpStream, connection: usize, script: &dyn Fn(&Seen, usize) -> Reply, log: &Log) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    // A client that speaks TLS is at the wrong door.
    while reader.fill_buf().is_ok_and(|bytes| bytes.first().is_some_and(|byte| *byte != 0x16)) {
        let Some((mut seen, length)) = read_head(&mut reader) else { return };
        seen.connection = connection;
        let place = {
            let mut log = log.seen.lock().unwrap();
            log.push(seen.clone());
            log.len() - 1
        };
        let mut reply = script(&seen, place);
        seen.is_whole = match length {
            Some(length) => {
                let wanted = length.min(reply.read);
                while seen.body.len() < wanted {
                    let left = wanted - seen.body.len();
                    let (at_once, pause) = reply.sip.unwrap_or((left, Duration::ZERO));
                    thread::sleep(pause);
                    let part = (&mut reader).take(at_once.min(left) as u64);
                    match { part }.read_to_end(&mut seen.body) {
                        Ok(0) => break,
                        Ok(_) => {}
                        Err(_) => return,
                    }
                }
                seen.body.len() == length
            }
            None => read_chunks(&mut reader, reply.read, &mut seen.body).is_some(),
        };
        let (head, whole) = (seen.is("HEAD"), seen.is_whole);
        reply.complete(&seen, &log.stored);
        log.seen.lock().unwrap()[place] = seen;
        let answered = reply.status > 0 && answer(&stream, &reply, head);
        if answered && whole {
            continue;
        }
        if reply.hold {
            // For longer than any test takes.
            loop {
                thread::park();
            }
        }
        return;
    }
}

/// Reads a head, and how long a body follows; `None` where it comes in chunks.
fn read_head(reader: &mut impl BufRead) -> Option<(Seen, Option<usize>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let line = line.trim_end().strip_suffix(" HTTP/1.1")?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let seen = Seen { line, headers, body: Vec::new(), is_whole: false, connection: 0 };
    if seen.header("transfer-encoding") == Some("chunked") {
        assert!(seen.is("PATCH"), "a length must be said");
        return Some((seen, None));
    }
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    Some((seen, Some(length)))
}

/// Reads chunks to their end, if that comes before `limit`.
fn read_chunks(reader: &mut impl BufRead, limit: usize, body: &mut Vec<u8>) -> Option<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim_end(), 16).ok()?;
        let wanted = length.min(limit - body.len());
        reader.take(wanted as u64).read_to_end(body).ok()?;
        if wanted < length {
            return None;
        }
        reader.read_line(&mut line).ok()?;
        if length == 0 {
            return Some(());
        }
    }
}

/// Writes an answer; tells whether the connection goes on.
fn answer(mut stream: &TcpStream, reply: &Reply, head: bool) -> bool {
    let mut text = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n", reply.body.len());
    let sent = reply.cut.unwrap_or(reply.body.len());
    let body = if head { &[][..] } else { &reply.body[..sent] };
    stream.write_all(text.as_bytes()).is_ok()
        && write_body(stream, body, reply.drip).is_ok()
        && reply.cut.is_none()
}

/// Writes a body at once, or byte by byte.
fn write_body(mut stream: &TcpStream, body: &[u8], drip: Option<Duration>) -> io::Result<()> {
    let Some(pause) = drip else { return stream.write_all(body) };
    for byte in body.chunks(1) {
        thread::sleep(pause);
        stream.write_all(byte)?;
    }
    Ok(())
}
