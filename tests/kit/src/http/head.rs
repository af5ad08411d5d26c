//! The heads of requests and responses. `httparse` reads them.
//!
//! Names and values stay as they were received, so that a proxy can pass them on unchanged.

use std::io::{self, BufRead, Write};

use super::body::Framing;
use super::invalid;

/// The most bytes of a head.
const LONGEST_HEAD: usize = 64 << 10;
/// The most headers of a head.
const MOST_HEADERS: usize = 100;

/// A head and its length; none as long as bytes are missing.
type Parsed<H> = io::Result<Option<(H, usize)>>;

/// The method, the target and the headers of a request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    method: String,
    target: String,
    /// The 1 of HTTP/1.1.
    minor_version: u8,
    /// The headers in order.
    pub headers: Headers,
}

impl RequestHead {
    /// Makes the head of a request in HTTP/1.1.
    pub fn new(method: &str, target: &str, headers: Headers) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), minor_version: 1, headers }
    }

    /// Reads a head up to and including its empty line; `None` at the end of the stream.
    ///
    /// # Errors
    /// If the stream fails, or its bytes are no head. A TLS client is refused at its first byte.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        Ok(Self::read_raw(reader)?.map(|(head, _)| head))
    }

    /// Reads a head like [`Self::read`], and returns its bytes as well.
    pub(crate) fn read_raw(reader: &mut impl BufRead) -> io::Result<Option<(Self, Vec<u8>)>> {
        read_head(reader, Self::parse)
    }

    fn parse(bytes: &[u8]) -> Parsed<Self> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = request.parse(bytes).map_err(malformed)? else {
            return Ok(None);
        };
        let head = Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            minor_version: request.version.unwrap_or(1),
            headers: Headers::parsed(request.headers)?,
        };
        Ok(Some((head, length)))
    }

    /// Writes the head with its empty line.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        write_head(writer, &self.start_line(), &self.headers)
    }

    /// Returns the first line, without its line end.
    pub fn start_line(&self) -> String {
        format!("{} {} HTTP/1.{}", self.method, self.target, self.minor_version)
    }

    /// Returns the method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the path and the query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns the first value of a header. The case of its name does not count.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Tells where the body of this request ends.
    ///
    /// # Errors
    /// If its headers are wrong about that.
    pub fn framing(&self) -> io::Result<Framing> {
        self.headers.framing_or(Framing::Length(0))
    }
}

/// The status and the headers of a response.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    status: u16,
    reason: String,
    /// The 1 of HTTP/1.1.
    minor_version: u8,
    /// The headers in order.
    pub headers: Headers,
}

impl ResponseHead {
    /// Makes the head of a response that a test has written.
    pub fn scripted(status: u16, headers: Headers) -> Self {
        Self { status, reason: "Scripted".to_owned(), minor_version: 1, headers }
    }

    /// Reads a head up to and including its empty line; `None` at the end of the stream.
    ///
    /// # Errors
    /// If the stream fails, or its bytes are no head.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        Ok(read_head(reader, Self::parse)?.map(|(head, _)| head))
    }

    fn parse(bytes: &[u8]) -> Parsed<Self> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = response.parse(bytes).map_err(malformed)? else {
            return Ok(None);
        };
        let head = Self {
            status: response.code.unwrap_or_default(),
            reason: response.reason.unwrap_or_default().to_owned(),
            minor_version: response.version.unwrap_or(1),
            headers: Headers::parsed(response.headers)?,
        };
        Ok(Some((head, length)))
    }

    /// Writes the head with its empty line.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        let line = format!("HTTP/1.{} {} {}", self.minor_version, self.status, self.reason);
        write_head(writer, &line, &self.headers)
    }

    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the first value of a header. The case of its name does not count.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Tells where the body of this response ends. `method` is the one of its request.
    ///
    /// # Errors
    /// If its headers are wrong about that.
    pub fn framing(&self, method: &str) -> io::Result<Framing> {
        if method == "HEAD" || self.status < 200 || self.status == 204 || self.status == 304 {
            return Ok(Framing::Length(0));
        }
        self.headers.framing_or(Framing::UntilClose)
    }
}

/// Names and values in order, with the names as they were written.
#[derive(Clone, Debug, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Makes headers of names and values.
    pub fn of<N: Into<String>, V: Into<String>>(headers: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    fn parsed(headers: &[httparse::Header<'_>]) -> io::Result<Self> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| invalid("a header is not UTF-8"));
        let headers = headers.iter().map(|header| Ok((header.name, text(header.value)?)));
        Ok(Self::of(headers.collect::<io::Result<Vec<_>>>()?))
    }

    /// Returns the first value of a header. The case of its name does not count.
    pub fn get(&self, name: &str) -> Option<&str> {
        let is_it = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
        self.0.iter().find(is_it).map(|(_, value)| value.as_str())
    }

    /// Adds a header after the others.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// Removes a header, if it is there.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    /// Replaces the value of a header, if it is there.
    pub(crate) fn replace(&mut self, name: &str, new_value: &str) {
        for (other, value) in &mut self.0 {
            if other.eq_ignore_ascii_case(name) {
                new_value.clone_into(value);
            }
        }
    }

    fn framing_or(&self, default: Framing) -> io::Result<Framing> {
        if self.get("Transfer-Encoding").is_some_and(|value| value.contains("chunked")) {
            return Ok(Framing::Chunked);
        }
        match self.get("Content-Length").map(str::parse) {
            Some(Ok(length)) => Ok(Framing::Length(length)),
            Some(Err(_)) => Err(invalid("bad Content-Length")),
            None => Ok(default),
        }
    }
}

/// Reads a head with `parse`.
fn read_head<H>(
    reader: &mut impl BufRead,
    parse: fn(&[u8]) -> Parsed<H>,
) -> io::Result<Option<(H, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        let more = reader.fill_buf()?;
        if more.is_empty() {
            let is_empty = bytes.iter().all(u8::is_ascii_whitespace);
            return if is_empty { Ok(None) } else { Err(invalid("head is cut off")) };
        }
        bytes.extend_from_slice(more);
        let read = parse(&bytes)?;
        let end = read.as_ref().map_or(bytes.len(), |(_, length)| *length);
        if end > LONGEST_HEAD {
            return Err(invalid("head is too long"));
        }
        reader.consume(end - before);
        if let Some((head, length)) = read {
            bytes.truncate(length);
            return Ok(Some((head, bytes)));
        }
    }
}

fn write_head(writer: &mut impl Write, start_line: &str, headers: &Headers) -> io::Result<()> {
    let mut text = format!("{start_line}\r\n");
    for (name, value) in &headers.0 {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    writer.write_all(text.as_bytes())
}

fn malformed(error: httparse::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn a_head_is_written_as_it_was_read() {
        let bytes = b"GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1:5\r\nX-Odd:  a:b\r\n\r\nrest";
        // The parts that it comes in make no difference.
        for capacity in [1, 7, 1000] {
            let mut reader = BufReader::with_capacity(capacity, &bytes[..]);
            let (head, raw) = RequestHead::read_raw(&mut reader).unwrap().unwrap();
            assert_eq!(raw, bytes[..bytes.len() - 4]);
            assert_eq!((head.method(), head.target()), ("GET", "/v2/"));
            assert_eq!(head.header("HOST"), Some("127.0.0.1:5"));
            let mut written = Vec::new();
            head.write(&mut written).unwrap();
            assert_eq!(written, b"GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1:5\r\nX-Odd: a:b\r\n\r\n");
            let mut rest = String::new();
            io::Read::read_to_string(&mut reader, &mut rest).unwrap();
            assert_eq!(rest, "rest");
        }
        let bytes = b"HTTP/1.0 404 Not Found\r\na: b\r\n\r\n";
        let mut written = Vec::new();
        ResponseHead::read(&mut &bytes[..]).unwrap().unwrap().write(&mut written).unwrap();
        assert_eq!(written, bytes);
    }

    #[test]
    fn wrong_heads_are_errors_and_the_end_is_none() {
        let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(LONGEST_HEAD));
        for wrong in
            ["GET / HTTP/1.1\r\nHost", "GET / HTTP/1.1\r\nHost\r\n\r\n", "\x16\x03\x01", &long]
        {
            assert!(RequestHead::read(&mut wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(RequestHead::read(&mut &b""[..]).unwrap().is_none());
        assert!(RequestHead::read(&mut &b"\r\n"[..]).unwrap().is_none());
    }

    #[test]
    fn heads_tell_where_bodies_end() {
        let framing = |headers: &[(&str, &str)]| {
            RequestHead::new("PUT", "/", Headers::of(headers.iter().copied())).framing().ok()
        };
        assert_eq!(framing(&[]), Some(Framing::Length(0)));
        assert_eq!(framing(&[("content-length", "7")]), Some(Framing::Length(7)));
        assert_eq!(framing(&[("Transfer-Encoding", "chunked")]), Some(Framing::Chunked));
        assert_eq!(framing(&[("Content-Length", "-1")]), None);
        let response = ResponseHead::scripted(200, Headers::default());
        assert_eq!(response.framing("GET").unwrap(), Framing::UntilClose);
        assert_eq!(response.framing("HEAD").unwrap(), Framing::Length(0));
    }
}
