//! Bodies, piece by piece: their content, and the bytes that only frame it.

use std::io::{self, BufRead};

use super::invalid;

/// The longest line before a chunk or after the last one.
const LONGEST_LINE: u64 = 8 << 10;
/// The largest body that is read into memory.
const LARGEST_BODY: usize = 256 << 20;

/// The rule that tells where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After this many bytes.
    Length(u64),
    /// After the empty chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// A piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of the content.
    Content(Vec<u8>),
    /// Bytes that frame the content.
    Frame(Vec<u8>),
}

impl Piece {
    /// Returns the bytes, as they go over the wire.
    pub fn bytes(&self) -> &[u8] {
        let (Self::Content(bytes) | Self::Frame(bytes)) = self;
        bytes
    }

    /// Returns how many bytes of content these are.
    pub fn content_length(&self) -> u64 {
        match self {
            Self::Content(bytes) => bytes.len() as u64,
            Self::Frame(_) => 0,
        }
    }
}

/// The rest of a body that is being read.
#[derive(Debug)]
pub struct Body {
    next: Next,
}

/// The bytes that come next.
#[derive(Clone, Copy, Debug)]
enum Next {
    Content { left: u64 },
    UntilClose,
    ChunkSize,
    Chunk { left: u64 },
    ChunkEnd,
    Trailer,
    Nothing,
}

impl Body {
    /// Begins with a body that is framed so.
    pub fn new(framing: Framing) -> Self {
        let next = match framing {
            Framing::Length(0) => Next::Nothing,
            Framing::Length(left) => Next::Content { left },
            Framing::Chunked => Next::ChunkSize,
            Framing::UntilClose => Next::UntilClose,
        };
        Self { next }
    }

    /// Tells whether all of it was read.
    pub fn is_at_end(&self) -> bool {
        matches!(self.next, Next::Nothing)
    }

    /// Waits for the next piece and reads it, with at most `most` bytes of content; `None` at the end.
    ///
    /// # Errors
    /// If the reader fails, or ends before the body does.
    pub fn piece(&mut self, reader: &mut impl BufRead, most: usize) -> io::Result<Option<Piece>> {
        let (piece, next) = match self.next {
            Next::Nothing => return Ok(None),
            Next::UntilClose => {
                let bytes = some(reader, most)?;
                let next = if bytes.is_empty() { Next::Nothing } else { Next::UntilClose };
                (Piece::Content(bytes), next)
            }
            Next::Content { left } => match content(reader, left, most)? {
                (piece, 0) => (piece, Next::Nothing),
                (piece, left) => (piece, Next::Content { left }),
            },
            Next::Chunk { left } => match content(reader, left, most)? {
                (piece, 0) => (piece, Next::ChunkEnd),
                (piece, left) => (piece, Next::Chunk { left }),
            },
            Next::ChunkSize => {
                let line = line(reader)?;
                let next = match chunk_size(&line)? {
                    0 => Next::Trailer,
                    left => Next::Chunk { left },
                };
                (Piece::Frame(line), next)
            }
            Next::ChunkEnd => match line(reader)? {
                end if end == b"\r\n" => (Piece::Frame(end), Next::ChunkSize),
                _ => return Err(invalid("chunk is longer than it says")),
            },
            Next::Trailer => {
                let line = line(reader)?;
                let is_last = line == b"\r\n";
                (Piece::Frame(line), if is_last { Next::Nothing } else { Next::Trailer })
            }
        };
        self.next = next;
        Ok(Some(piece))
    }
}

/// Reads a whole body into memory.
///
/// # Errors
/// If the reader fails or ends before the body does, or if the body is larger than any of a test.
pub fn read_body(reader: &mut impl BufRead, framing: Framing) -> io::Result<Vec<u8>> {
    let (mut body, mut content) = (Body::new(framing), Vec::new());
    while let Some(piece) = body.piece(reader, LARGEST_BODY)? {
        if let Piece::Content(bytes) = piece {
            content.extend_from_slice(&bytes);
        }
        if content.len() > LARGEST_BODY {
            return Err(invalid("body is too large"));
        }
    }
    Ok(content)
}

/// Reads content of which `left` bytes are left, and returns how many are left then.
fn content(reader: &mut impl BufRead, left: u64, most: usize) -> io::Result<(Piece, u64)> {
    let most = usize::try_from(left).map_or(most, |left| left.min(most));
    let bytes = some(reader, most)?;
    if bytes.is_empty() && most > 0 {
        return Err(invalid("body is cut off"));
    }
    let left = left - bytes.len() as u64;
    Ok((Piece::Content(bytes), left))
}

/// Waits for bytes, and reads those that are there, but at most `most`; none at the end.
fn some(reader: &mut impl BufRead, most: usize) -> io::Result<Vec<u8>> {
    let there = reader.fill_buf()?;
    let bytes = there[..there.len().min(most)].to_vec();
    reader.consume(bytes.len());
    Ok(bytes)
}

/// Reads a line with its end.
fn line(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    io::Read::take(reader, LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") { Ok(line) } else { Err(invalid("body is cut off")) }
}

fn chunk_size(line: &[u8]) -> io::Result<u64> {
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete((_, size))) => Ok(size),
        _ => Err(invalid("bad chunk size")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_ends_after_its_trailers() {
        let all = &b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nT: 1\r\n\r\nnext"[..];
        let mut bytes = all;
        assert_eq!(read_body(&mut bytes, Framing::Chunked).unwrap(), b"abcd");
        assert_eq!(bytes, b"next");
        // A proxy passes on everything.
        let (mut bytes, mut body, mut passed) = (all, Body::new(Framing::Chunked), Vec::new());
        while let Some(piece) = body.piece(&mut bytes, 2).unwrap() {
            assert!(piece.content_length() <= 2);
            passed.extend_from_slice(piece.bytes());
        }
        assert_eq!(passed, all[..all.len() - 4]);
        assert!(body.is_at_end());
    }

    #[test]
    fn a_body_that_is_cut_off_is_an_error() {
        assert!(read_body(&mut &b"abc"[..], Framing::Length(4)).is_err());
        for wrong in ["4\r\nabc", "3\r\nabcd\r\n0\r\n\r\n", "x\r\n", "0\r\n"] {
            assert!(read_body(&mut wrong.as_bytes(), Framing::Chunked).is_err(), "{wrong}");
        }
        assert_eq!(read_body(&mut &b"abc"[..], Framing::UntilClose).unwrap(), b"abc");
    }
}
