//! Messages with their prefix, and the status of a call.

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use sealcrate_crypt::ocicrypt::provider::MAX_REQUEST_BYTES;
use zeroize::Zeroizing;

/// A byte that tells whether the message is compressed, and its length.
const PREFIX: usize = 5;

/// The longest message: protocol buffers add a few bytes to a request.
const MAX_MESSAGE: usize = MAX_REQUEST_BYTES + 16;

/// The longest status message that is sent.
const MAX_TEXT: usize = 2000;

/// The status codes that this program uses. "Status codes and their use in gRPC".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
}

/// The failure of a call, and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Status {
    /// Makes a status.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Puts the prefix before a message. The copy is wiped when it has been sent.
pub(super) fn framed(message: &[u8]) -> Bytes {
    let len = u32::try_from(message.len()).expect("messages are bounded");
    let mut framed = Zeroizing::new(Vec::with_capacity(PREFIX + message.len()));
    framed.push(0);
    framed.extend_from_slice(&len.to_be_bytes());
    framed.extend_from_slice(message);
    Bytes::from_owner(framed)
}

/// Receives one message to the end of the stream.
pub(super) async fn receive(body: &mut RecvStream) -> Result<Zeroizing<Vec<u8>>, Status> {
    let mut received = Zeroizing::new(Vec::new());
    while let Some(chunk) = body.data().await {
        let broken = |error: h2::Error| Status::new(Code::Internal, error.to_string());
        let chunk = chunk.map_err(broken)?;
        if received.len() + chunk.len() > PREFIX + MAX_MESSAGE {
            return Err(Status::new(Code::ResourceExhausted, "the message is longer than 4 MiB"));
        }
        if received.len() + chunk.len() > received.capacity() {
            // A vector that grows by itself leaves a copy behind.
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * (received.len() + chunk.len())));
            larger.extend_from_slice(&received);
            received = larger;
        }
        received.extend_from_slice(&chunk);
        body.flow_control().release_capacity(chunk.len()).map_err(broken)?;
    }
    unframed(received)
}

fn unframed(mut received: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Status> {
    let malformed = || Status::new(Code::Internal, "not one message");
    let (prefix, message) = received.split_at_checked(PREFIX).ok_or_else(malformed)?;
    match prefix {
        [0, len @ ..] if *len == (message.len() as u32).to_be_bytes() => {}
        [0, ..] => return Err(malformed()),
        _ => return Err(Status::new(Code::Unimplemented, "compressed messages are not read")),
    }
    received.drain(..PREFIX);
    Ok(received)
}

/// Writes a status message as a header has it: percent-encoded, and bounded.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for &byte in text.as_bytes().iter().take(MAX_TEXT) {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Reads the status message of an answer's trailers.
pub(super) fn text_of(trailers: &HeaderMap) -> String {
    let mut bytes = Vec::new();
    let value = trailers.get("grpc-message").map(http::HeaderValue::as_bytes);
    let mut rest = value.unwrap_or_default();
    while let [first, others @ ..] = rest {
        rest = others;
        let hex = others.get(..2).and_then(|hex| str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &others[2..];
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_read_back_and_others_refused() {
        let code = |bytes: &[u8]| unframed(Zeroizing::new(bytes.to_vec())).map_err(|s| s.code);
        for message in [&b""[..], b"a", &[7; 300]] {
            assert_eq!(&**code(&framed(message)).unwrap(), message);
        }
        for broken in [&b""[..], &[0; 4], &[0, 0, 0, 0, 2, 1], &[0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]] {
            assert_eq!(code(broken), Err(Code::Internal), "{broken:?}");
        }
        assert_eq!(code(&[1, 0, 0, 0, 0]), Err(Code::Unimplemented));
    }

    #[test]
    fn texts_are_read_back() {
        for text in ["", "a b", "100 %", "%41", "\u{e4}\n\u{1b}"] {
            let mut trailers = HeaderMap::new();
            let value = encoded(text).parse().expect("it has the characters of headers alone");
            trailers.insert("grpc-message", value);
            assert_eq!(text_of(&trailers), text);
        }
        assert_eq!(encoded(&"x".repeat(5000)).len(), MAX_TEXT);
    }
}
