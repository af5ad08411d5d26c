//! The messages of gRPC's `KeyProviderService`: each has one field, the JSON of a request or an answer.

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::ocicrypt::protobuf;

/// The number of the only field, in requests and in answers.
const FIELD: u64 = 1;

/// Returns the message that holds `json`.
pub fn message_of(json: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut message = Zeroizing::new(Vec::with_capacity(json.len() + 11));
    protobuf::put(&mut message, FIELD, json);
    message
}

/// Returns the JSON in a message. It is empty if the field is missing, and the last one counts if
/// there are several.
///
/// Protocol Buffers, "Encoding".
///
/// # Errors
/// The message is malformed, or has a field with a number.
pub fn only_field(message: &[u8]) -> Result<&[u8], MessageError> {
    let fields = protobuf::fields(message).ok_or(MessageError)?;
    let ours = fields.into_iter().rfind(|(number, _)| *number == FIELD);
    Ok(ours.map(|(_, content)| content).unwrap_or_default())
}

/// Says that a message cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the message is malformed")]
pub struct MessageError;

impl Classified for MessageError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_back() {
        for len in [0, 1, 127, 128, 300, 20_000] {
            let json = vec![b'x'; len];
            assert_eq!(only_field(&message_of(&json)), Ok(&json[..]));
        }
        assert_eq!(&**message_of(b"ab"), b"\x0a\x02ab");
        assert_eq!(only_field(b""), Ok(&b""[..]));
        assert_eq!(only_field(b"\x0a\x01a\x12\x01b\x0a\x01c"), Ok(&b"c"[..]));
        assert_eq!(only_field(b"\x0a\x02a"), Err(MessageError));
        assert_eq!(only_field(b"\x08\x02"), Err(MessageError));
    }
}
