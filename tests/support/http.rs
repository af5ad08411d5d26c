//! The parts of HTTP/1.1 that the tests need, over plain TCP: message heads, bodies, and a request.
//!
//! Heads are kept as they were received, so that a proxy can pass them on unchanged.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

const LONGEST_HEAD: u64 = 64 * 1024;

/// The start line and the headers of a request or response.
#[derive(Clone, Debug)]
pub struct Head {
    /// The first line, without its line end.
    pub start_line: String,
    /// Names and values in order, with the names as they were written.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head up to and including its empty line; `None` at the end of the stream.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut lines = Vec::new();
        let mut reader = reader.take(LONGEST_HEAD);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return if lines.is_empty() { Ok(None) } else { Err(invalid("head is cut off")) };
            }
            match line.trim_end() {
                "" if lines.is_empty() => continue,
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut lines = lines.into_iter();
        let start_line = lines.next().expect("the loop ends with a line at least");
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':').ok_or_else(|| invalid("no colon"))?;
                Ok((name.to_owned(), value.trim().to_owned()))
            })
            .collect::<io::Result<_>>()?;
        Ok(Some(Self { start_line, headers }))
    }

    /// Writes the head with its empty line.
    pub fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        let mut text = format!("{}\r\n", self.start_line);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        writer.write_all(text.as_bytes())
    }

    /// The first value of a header. The case of its name does not count.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Replaces the value of a header, if it is there.
    pub(crate) fn replace_header(&mut self, name: &str, new_value: &str) {
        for (other, value) in &mut self.headers {
            if other.eq_ignore_ascii_case(name) {
                new_value.clone_into(value);
            }
        }
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.word(0)
    }

    /// The path and query of a request.
    pub fn target(&self) -> &str {
        self.word(1)
    }

    /// The status code of a response.
    pub fn status(&self) -> io::Result<u16> {
        self.word(1).parse().map_err(|_| invalid("no status code"))
    }

    fn word(&self, index: usize) -> &str {
        self.start_line.split(' ').nth(index).unwrap_or_default()
    }

    /// How the body of this request is framed.
    pub(crate) fn request_framing(&self) -> io::Result<Framing> {
        self.framing_or(Framing::Length(0))
    }

    /// How the body of this response is framed.
    pub(crate) fn response_framing(&self, method: &str) -> io::Result<Framing> {
        let status = self.status()?;
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return Ok(Framing::Length(0));
        }
        self.framing_or(Framing::UntilClose)
    }

    fn framing_or(&self, default: Framing) -> io::Result<Framing> {
        if self.header("Transfer-Encoding").is_some_and(|value| value.contains("chunked")) {
            return Ok(Framing::Chunked);
        }
        match self.header("Content-Length") {
            Some(length) => {
                length.parse().map(Framing::Length).map_err(|_| invalid("bad Content-Length"))
            }
            None => Ok(default),
        }
    }
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// A piece of a body: bytes of the content, or bytes that only frame them.
pub(crate) enum Piece<'b> {
    Content(&'b mut [u8]),
    Frame(&'b [u8]),
}

/// Reads a body to its end, handing over each piece as it arrives.
pub(crate) fn for_each_piece(
    reader: &mut impl BufRead,
    framing: Framing,
    mut take: impl FnMut(Piece<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let content = |reader: &mut dyn Read, take: &mut dyn FnMut(Piece<'_>) -> io::Result<()>| {
        let mut buffer = [0; 16 * 1024];
        let mut length = 0;
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                return Ok::<u64, io::Error>(length);
            }
            length += count as u64;
            take(Piece::Content(&mut buffer[..count]))?;
        }
    };
    match framing {
        Framing::UntilClose => content(reader, &mut take).map(drop),
        Framing::Length(length) => {
            let read = content(&mut reader.take(length), &mut take)?;
            if read == length { Ok(()) } else { Err(invalid("body is cut off")) }
        }
        Framing::Chunked => loop {
            let mut line = String::new();
            reader.take(LONGEST_HEAD).read_line(&mut line)?;
            let size = line.trim_end().split(';').next().unwrap_or_default();
            let size = u64::from_str_radix(size, 16).map_err(|_| invalid("bad chunk size"))?;
            take(Piece::Frame(line.as_bytes()))?;
            if size == 0 {
                return trailers(reader, &mut take);
            }
            if content(&mut reader.take(size), &mut take)? != size {
                return Err(invalid("chunk is cut off"));
            }
            let mut end = [0; 2];
            reader.read_exact(&mut end)?;
            take(Piece::Frame(&end))?;
        },
    }
}

fn trailers(
    reader: &mut impl BufRead,
    take: &mut impl FnMut(Piece<'_>) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        let mut line = String::new();
        reader.take(LONGEST_HEAD).read_line(&mut line)?;
        take(Piece::Frame(line.as_bytes()))?;
        if line.trim_end().is_empty() {
            return Ok(());
        }
    }
}

/// Reads a whole body into memory.
pub(crate) fn read_body(reader: &mut impl BufRead, framing: Framing) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    for_each_piece(reader, framing, |piece| {
        if let Piece::Content(bytes) = piece {
            body.extend_from_slice(bytes);
        }
        Ok(())
    })?;
    Ok(body)
}

/// A response with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The status line and the headers.
    pub head: Head,
    /// The content, without its framing.
    pub body: Vec<u8>,
}

/// Sends a request to `host` (`127.0.0.1:PORT`) over a connection of its own.
///
/// `Host`, `Content-Length` and `Connection` are added to `headers`.
///
/// # Errors
/// If the connection fails or ends before the response does.
pub fn request(
    method: &str,
    host: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let mut stream = TcpStream::connect(host)?;
    let length = body.len().to_string();
    let added = [("Host", host), ("Content-Length", &length), ("Connection", "close")];
    let head = Head {
        start_line: format!("{method} {target} HTTP/1.1"),
        headers: added
            .iter()
            .chain(headers)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    head.write(&mut stream)?;
    stream.write_all(body)?;
    let mut reader = BufReader::new(stream);
    let head = Head::read(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let body = read_body(&mut reader, head.response_framing(method)?)?;
    Ok(Response { status: head.status()?, head, body })
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_written_as_it_was_read() {
        let bytes = b"GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1:5\r\nX-Odd:  a:b\r\n\r\n";
        let head = Head::read(&mut &bytes[..]).unwrap().unwrap();
        assert_eq!((head.method(), head.target()), ("GET", "/v2/"));
        assert_eq!(head.header("HOST"), Some("127.0.0.1:5"));
        let mut written = Vec::new();
        head.write(&mut written).unwrap();
        assert_eq!(written, b"GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1:5\r\nX-Odd: a:b\r\n\r\n");
    }

    #[test]
    fn a_chunked_body_ends_after_its_trailers() {
        let mut bytes = &b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nT: 1\r\n\r\nnext"[..];
        assert_eq!(read_body(&mut bytes, Framing::Chunked).unwrap(), b"abcd");
        assert_eq!(bytes, b"next");
    }

    #[test]
    fn a_body_that_is_cut_off_is_an_error() {
        assert!(read_body(&mut &b"abc"[..], Framing::Length(4)).is_err());
        assert!(read_body(&mut &b"4\r\nabc"[..], Framing::Chunked).is_err());
        assert!(Head::read(&mut &b"GET / HTTP/1.1\r\nHost"[..]).is_err());
    }
}
