//! The way of one request to the registry, and of its response back, with the fault that hits them.

use std::io::{self, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::record::Record;
use crate::http::{Body, Framing, Piece, RequestHead, ResponseHead};

/// How long a client may go on sending a request that has been answered already.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of content that are passed on at once.
pub(super) const AT_ONCE: usize = 16 << 10;

/// The connection of a client.
pub(super) struct Client {
    pub(super) reader: BufReader<TcpStream>,
    pub(super) writer: TcpStream,
}

/// Whether the client's connection can take another request.
#[derive(PartialEq, Eq)]
pub(super) enum Connection {
    Open,
    Spent,
}

/// One request, the fault that hits it, and its record.
#[derive(Clone, Copy)]
pub(super) struct Exchange<'e> {
    pub(super) head: &'e RequestHead,
    pub(super) fault: Option<&'e Fault>,
    pub(super) record: Record<'e>,
}

impl Exchange<'_> {
    /// Sends the request on and the response back at the same time, since a server may answer before
    /// it has read everything.
    pub(super) fn forward(self, client: &mut Client, upstream: &str) -> io::Result<Connection> {
        let mut upstream = TcpStream::connect(upstream)?;
        let mut from_upstream = BufReader::new(upstream.try_clone()?);
        self.head.write(&mut upstream)?;
        let Client { reader, writer } = client;
        thread::scope(|scope| {
            let sending = scope.spawn(|| self.send_on(reader, &upstream));
            let response = self.send_back(&mut from_upstream, writer);
            // Nothing follows on this connection, and a thread that writes to it should not wait.
            let _ = from_upstream.get_ref().shutdown(Shutdown::Both);
            let deadline = Instant::now() + PATIENCE;
            while response.is_ok() && !sending.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            let connection = match response {
                Ok(_) if !sending.is_finished() => Ok(Connection::Spent),
                response => response,
            };
            if !matches!(connection, Ok(Connection::Open)) {
                // Wakes the sending thread, if it still waits for the client.
                let _ = writer.shutdown(Shutdown::Both);
            }
            connection
        })
    }

    fn send_on(
        self,
        client: &mut BufReader<TcpStream>,
        mut upstream: &TcpStream,
    ) -> io::Result<()> {
        let mut body = Body::new(self.head.framing()?);
        let (mut is_open, mut received) = (true, 0);
        while let Some(piece) = body.piece(client, AT_ONCE)? {
            self.record.count(&piece);
            received += piece.content_length();
            if matches!(self.fault, Some(Fault::CutRequestAfter(end)) if *end < received) {
                // Ends the wait for the response, and with it both connections.
                let _ = upstream.shutdown(Shutdown::Both);
                return Err(cut());
            }
            // The proxy still reads bytes that the server no longer takes, so that the client has no
            // reason to miss the answer.
            is_open = is_open && upstream.write_all(piece.bytes()).is_ok();
        }
        Ok(())
    }

    fn send_back(
        self,
        upstream: &mut BufReader<TcpStream>,
        client: &mut TcpStream,
    ) -> io::Result<Connection> {
        let mut head = loop {
            let head = ResponseHead::read(upstream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if head.status() >= 200 {
                break head;
            }
            head.write(client)?;
        };
        let framing = head.framing(self.head.method())?;
        self.change(&mut head)?;
        self.record.answered(head.status());
        head.write(client)?;
        let (mut body, mut sent) = (Body::new(framing), 0);
        while let Some(piece) = body.piece(upstream, AT_ONCE)? {
            match piece {
                Piece::Frame(bytes) => client.write_all(&bytes)?,
                Piece::Content(bytes) => {
                    let start = sent;
                    sent += bytes.len() as u64;
                    self.send_content(bytes, start, client)?;
                }
            }
        }
        let closes = |value: Option<&str>| value == Some("close");
        let ends = framing == Framing::UntilClose
            || matches!(self.fault, Some(Fault::MisstateLength(_)))
            || closes(self.head.header("Connection"))
            || closes(head.header("Connection"));
        Ok(if ends { Connection::Spent } else { Connection::Open })
    }

    /// Makes the fault in the head of the response.
    fn change(self, head: &mut ResponseHead) -> io::Result<()> {
        match self.fault {
            Some(Fault::ClaimDigest(digest)) => {
                head.headers.replace("Docker-Content-Digest", digest);
            }
            Some(Fault::MisstateLength(by)) => {
                if let Some(length) = head.header("Content-Length") {
                    let length: u64 = length.parse().map_err(io::Error::other)?;
                    let wrong = length.saturating_add_signed(*by).to_string();
                    head.headers.replace("Content-Length", &wrong);
                }
            }
            _ => (),
        }
        Ok(())
    }

    /// Sends content that begins at `start`, with the fault that is in it.
    fn send_content(
        self,
        mut bytes: Vec<u8>,
        start: u64,
        client: &mut TcpStream,
    ) -> io::Result<()> {
        let end = start + bytes.len() as u64;
        match self.fault {
            Some(Fault::CutResponseAfter(cut_at)) if *cut_at < end => {
                let rest = usize::try_from(cut_at - start).unwrap_or(usize::MAX);
                client.write_all(&bytes[..rest])?;
                Err(cut())
            }
            Some(Fault::FlipResponseByte(at)) if (start..end).contains(at) => {
                let at = usize::try_from(at - start).unwrap_or(usize::MAX);
                bytes[at] ^= 0xff;
                client.write_all(&bytes)
            }
            Some(Fault::Trickle(pause)) => bytes.chunks(1).try_for_each(|byte| {
                thread::sleep(*pause);
                client.write_all(byte)
            }),
            _ => client.write_all(&bytes),
        }
    }
}

fn cut() -> io::Error {
    io::Error::other("cut by the script")
}
