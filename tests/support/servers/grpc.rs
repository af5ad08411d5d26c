//! One call of a gRPC service over a Unix socket, with messages that are made by hand.
//!
//! gRPC over HTTP/2; Protocol Buffers, "Encoding": fields that are delimited by their length alone.

use std::io;
use std::path::Path;

use bytes::{Buf, Bytes, BytesMut};
use h2::client::ResponseFuture;
use http::{HeaderMap, Request};
use tokio::net::UnixStream;

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
    answer.unwrap_or_else(|error| panic!("{method} of {}: {error}", socket.display()))
}

async fn exchange(
    socket: &Path,
    method: &str,
    message: &[u8],
) -> io::Result<Result<Vec<u8>, Status>> {
    let stream = UnixStream::connect(socket).await?;
    let (client, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("http://localhost{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("the request is well formed");
    let mut client = client.ready().await.map_err(io::Error::other)?;
    let (response, mut body) = client.send_request(request, false).map_err(io::Error::other)?;
    let len = u32::try_from(message.len()).expect("messages are short");
    let framed = [&[0], &len.to_be_bytes()[..], message].concat();
    body.send_data(framed.into(), true).map_err(io::Error::other)?;
    let answer = receive(response).await.map_err(io::Error::other);
    connection.abort();
    answer
}

async fn receive(response: ResponseFuture) -> Result<Result<Vec<u8>, Status>, h2::Error> {
    let response = response.await?;
    let headers = response.headers().clone();
    let mut body = response.into_body();
    let mut received = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk: Bytes = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        received.extend_from_slice(&chunk);
    }
    // A service that answers with a status alone may send it at once.
    let trailers = body.trailers().await?.unwrap_or(headers);
    let code = header(&trailers, "grpc-status");
    if code != "0" {
        let message = percent_decoded(&header(&trailers, "grpc-message"));
        return Ok(Err(Status { code, message }));
    }
    assert_eq!(received.get_u8(), 0, "the answer is compressed");
    assert_eq!(received.get_u32() as usize, received.len(), "there is more than one answer");
    Ok(Ok(received.to_vec()))
}

fn header(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(|value| value.to_str().expect("headers are text"));
    value.unwrap_or_default().to_owned()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        let coded = others.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match coded.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &others[2..];
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Writes a field of a message: its number, its length, and its content.
pub fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    write_varint(&mut bytes, content.len() as u64);
    bytes.extend(content);
    bytes
}

/// Writes a field of a message that is a number.
pub fn number(number: u8, value: u64) -> Vec<u8> {
    let mut bytes = vec![number << 3];
    write_varint(&mut bytes, value);
    bytes
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Returns the content of the only field of a message, which has this number.
///
/// # Panics
/// If there is anything else.
pub fn only_field(message: &[u8], number: u8) -> &[u8] {
    let (fields, content) = (fields(message), first_field(message, number));
    assert_eq!(fields.len(), 1, "{message:?}");
    content
}

/// Returns the content of the first field that has this number.
///
/// # Panics
/// If there is none.
pub fn first_field(message: &[u8], number: u8) -> &[u8] {
    let mut found = fields(message).into_iter().filter_map(|(of, value)| match value {
        Value::Content(content) if of == u64::from(number) => Some(content),
        _ => None,
    });
    found.next().unwrap_or_else(|| panic!("no field {number} in {message:?}"))
}

/// Returns the number in the first field that has this number; zero is not written.
pub fn first_number(message: &[u8], number: u8) -> u64 {
    let mut found = fields(message).into_iter().filter_map(|(of, value)| match value {
        Value::Number(value) if of == u64::from(number) => Some(value),
        _ => None,
    });
    found.next().unwrap_or_default()
}

/// The value of a field.
enum Value<'m> {
    Content(&'m [u8]),
    Number(u64),
}

/// Reads all fields of a message, with their numbers.
fn fields(mut message: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = read_varint(&mut message);
        let value = match tag & 7 {
            0 => Value::Number(read_varint(&mut message)),
            2 => {
                let len = usize::try_from(read_varint(&mut message)).expect("messages are short");
                let (content, rest) = message.split_at(len);
                message = rest;
                Value::Content(content)
            }
            kind => panic!("a field of kind {kind} in an answer"),
        };
        fields.push((tag >> 3, value));
    }
    fields
}

fn read_varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = message.get_u8();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
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

    #[test]
    fn coded_characters_are_read() {
        assert_eq!(percent_decoded("a%20b%c3%A4%"), "a b\u{e4}%");
    }
}
