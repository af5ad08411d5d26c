//! How messages are written into tonic's buffers, and read from them.
//!
//! It differs from tonic's own codec in one point: a malformed message has a cause that its reader can tell from
//! all else. A server blames the caller for it, and a client the service.

use std::error::Error;
use std::marker::PhantomData;
use std::sync::Arc;

use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// The codec of messages that hold keys: `Sent` goes out, and `Received` comes in. The types of the messages wipe
/// them.
pub(crate) struct SecretCodec<Sent, Received>(PhantomData<fn(Sent) -> Received>);

impl<Sent, Received> Default for SecretCodec<Sent, Received> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Sent, Received> Codec for SecretCodec<Sent, Received>
where
    Sent: Message + 'static,
    Received: Message + Default + 'static,
{
    type Encode = Sent;
    type Decode = Received;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::default()
    }

    fn decoder(&mut self) -> Self {
        Self::default()
    }
}

impl<Sent: Message, Received> Encoder for SecretCodec<Sent, Received> {
    type Item = Sent;
    type Error = Status;

    fn encode(&mut self, message: Sent, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        // A buffer that grows while it is written leaves a copy behind.
        buffer.reserve(message.encoded_len());
        message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl<Sent, Received: Message + Default> Decoder for SecretCodec<Sent, Received> {
    type Item = Received;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Received>, Status> {
        Received::decode(buffer).map(Some).map_err(|error| {
            let mut status = Status::invalid_argument("the message is malformed");
            status.set_source(Arc::new(error));
            status
        })
    }
}

/// Tells whether `status` says that this codec read a malformed message.
pub(super) fn is_malformed(status: &Status) -> bool {
    status.source().is_some_and(|cause| cause.is::<prost::DecodeError>())
}
