//! A server of HTTP on loopback that answers as a test says, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A server, which runs until the tests end.
pub(super) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request that the server got.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The method, the path and the query.
    pub(super) line: String,
    headers: Vec<(String, String)>,
    /// As much of the body as was read.
    pub(super) body: Vec<u8>,
    /// Whether that is all of it.
    pub(super) is_whole: bool,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is(&self, method: &str) -> bool {
        self.line.starts_with(method)
    }
}

/// What the server does with a request.
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
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self { status, headers, body, cut: None, read: usize::MAX, hold: false }
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

    /// Sends so much of the body, and then nothing.
    pub(super) fn silent_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self.hold = true;
        self
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
    /// Starts a server that answers each request as `script` says; it gets the request's head, and
    /// how many came before it.
    pub(super) fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, log) = (Arc::new(script), seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, log) = (script.clone(), log.clone());
                thread::spawn(move || serve(stream.unwrap(), &*script, &log));
            }
        });
        Self { address, seen }
    }

    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the first lines of the requests so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    pub(super) fn count(&self, beginning: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(beginning)).count()
    }
}

fn serve(stream: TcpStream, script: &dyn Fn(&Seen, usize) -> Reply, log: &Mutex<Vec<Seen>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    // Whoever speaks TLS is at the wrong door.
    while reader.fill_buf().is_ok_and(|bytes| bytes.first().is_some_and(|byte| *byte != 0x16)) {
        let Some((mut seen, length)) = read_head(&mut reader) else { return };
        let place = {
            let mut log = log.lock().unwrap();
            log.push(seen.clone());
            log.len() - 1
        };
        let reply = script(&seen, place);
        seen.is_whole = match length {
            Some(length) => {
                let wanted = length.min(reply.read);
                if (&mut reader).take(wanted as u64).read_to_end(&mut seen.body).is_err() {
                    return;
                }
                seen.body.len() == length
            }
            None => read_chunks(&mut reader, reply.read, &mut seen.body).is_some(),
        };
        let (head, whole) = (seen.is("HEAD"), seen.is_whole);
        log.lock().unwrap()[place] = seen;
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
    let seen = Seen { line, headers, body: Vec::new(), is_whole: false };
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
        && stream.write_all(body).is_ok()
        && reply.cut.is_none()
}
