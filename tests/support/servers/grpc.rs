//! One call of a gRPC service over a Unix socket, with messages whose fields the tests write one by one: also
//! messages that no generated code would write.
//!
//! tonic makes the call, and prost's encoding the fields. Protocol Buffers, "Encoding": fields that are numbers, or
//! delimited by their length.

use std::error::Error as _;
use std::path::Path;

use http::Uri;
use http::uri::PathAndQuery;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::bytes::{Buf as _, BufMut as _};
use prost::encoding::{self, WireType};
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// The failure of a call, and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The status code of gRPC.
    pub code: String,
    /// The words of the service.
    pub message: String,
}

/// Calls `method` of the service at `socket` with one message, and returns the message that it answers.
///
/// # Errors
/// The status that the service answers in place of a message.
///
/// # Panics
/// If nothing listens there, or does not speak gRPC.
pub fn call(socket: &Path, method: &str, message: &[u8]) -> Result<Vec<u8>, Status> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let answer =
        runtime.expect("a runtime can be made").block_on(exchange(socket, method, message));
    answer.map_err(|status| {
        // A status that the service sent has no cause on this side.
        assert!(status.source().is_none(), "{method} of {}: {status:?}", socket.display());
        let code = (status.code() as i32).to_string();
        Status { code, message: status.message().to_owned() }
    })
}

async fn exchange(socket: &Path, method: &str, message: &[u8]) -> Result<Vec<u8>, tonic::Status> {
    let stream = UnixStream::connect(socket).await.expect("the service listens");
    let greeted = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = greeted.expect("the service speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let service = tower::service_fn(move |request| sender.clone().send_request(request));
    let origin = Uri::from_static("http://localhost");
    let mut client = Grpc::with_origin(service, origin).max_decoding_message_size(usize::MAX);
    client.ready().await.expect("the connection is made");
    let path = PathAndQuery::try_from(method).expect("a method is a path");
    let answer = client.unary(tonic::Request::new(message.to_vec()), path, Raw).await;
    connection.abort();
    answer.map(tonic::Response::into_inner)
}

/// Sends and receives the bytes of messages as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn encode(&mut self, message: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), tonic::Status> {
        out.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, tonic::Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

/// Writes a field of a message: its number, its length, and its content.
pub fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoding::bytes::encode(number, &content.to_vec(), &mut bytes);
    bytes
}

/// Writes a field of a message that is a number.
pub fn number(number: u32, value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoding::uint64::encode(number, &value, &mut bytes);
    bytes
}

/// Returns the content of the only field of a message, which has this number.
///
/// # Panics
/// If there is anything else.
pub fn only_field(message: &[u8], number: u32) -> Vec<u8> {
    assert_eq!(fields(message).len(), 1, "{message:?}");
    first_field(message, number)
}

/// Returns the content of the first field that has this number.
///
/// # Panics
/// If there is none.
pub fn first_field(message: &[u8], number: u32) -> Vec<u8> {
    let mut found = fields(message).into_iter().filter_map(|(of, value)| match value {
        Value::Content(content) if of == number => Some(content),
        _ => None,
    });
    found.next().unwrap_or_else(|| panic!("no field {number} in {message:?}"))
}

/// Returns the number in the first field that has this number; zero is not written.
pub fn first_number(message: &[u8], number: u32) -> u64 {
    let mut found = fields(message).into_iter().filter_map(|(of, value)| match value {
        Value::Number(value) if of == number => Some(value),
        _ => None,
    });
    found.next().unwrap_or_default()
}

/// The value of a field.
enum Value {
    Content(Vec<u8>),
    Number(u64),
}

/// Reads all fields of a message, with their numbers.
fn fields(mut message: &[u8]) -> Vec<(u32, Value)> {
    let mut fields = Vec::new();
    while message.has_remaining() {
        let (number, kind) = encoding::decode_key(&mut message).expect("it is a message");
        let context = encoding::DecodeContext::default();
        let value = match kind {
            WireType::LengthDelimited => {
                let mut content = Vec::new();
                encoding::bytes::merge(kind, &mut content, &mut message, context)
                    .map(|()| Value::Content(content))
            }
            WireType::Varint => {
                let mut value = 0;
                encoding::uint64::merge(kind, &mut value, &mut message, context)
                    .map(|()| Value::Number(value))
            }
            other => panic!("a field of kind {other:?} in an answer"),
        };
        fields.push((number, value.expect("it is a message")));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_back() {
        for content in [&b""[..], b"a", &[7; 300]] {
            assert_eq!(only_field(&field(1, content), 1), content);
        }
        assert_eq!(field(2, &[7; 300])[..3], [0x12, 0xac, 0x02]);
        let message = [number(3, 300), field(1, b"a"), number(7, 1 << 63), field(1, b"b")].concat();
        assert_eq!(first_field(&message, 1), b"a");
        let numbers = [3, 7, 8].map(|number| first_number(&message, number));
        assert_eq!(numbers, [300, 1 << 63, 0]);
    }
}
