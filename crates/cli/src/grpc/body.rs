//! Bodies of requests and answers. Each holds one message, and is bounded as a whole.

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Body;
use sealcrate_crypt::ocicrypt::provider::MAX_REQUEST_BYTES;
use tonic::Status;
use tonic::codegen::StdError;
use zeroize::{Zeroize as _, Zeroizing};

/// The longest message: Protocol Buffers add a few bytes to a request.
pub(super) const MAX_MESSAGE: usize = MAX_REQUEST_BYTES + 16;

/// The bytes that gRPC puts before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// A body that was received to its end.
pub(super) struct Whole {
    bytes: Bytes,
    trailers: Option<HeaderMap>,
}

impl Whole {
    /// Receives all of `body`.
    ///
    /// # Errors
    /// It is longer than a message may be, or breaks off.
    pub(super) async fn receive<B>(body: B) -> Result<Self, Status>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<StdError>,
    {
        let received = Limited::new(body, PREFIX + MAX_MESSAGE).collect().await;
        let received = received.map_err(|error| match error.is::<LengthLimitError>() {
            true => Status::resource_exhausted("the message is longer than 4 MiB"),
            false => Status::from_error(error),
        })?;
        let trailers = received.trailers().cloned();
        Ok(Self { bytes: wiped(received.to_bytes()), trailers })
    }

    /// Returns the headers that came behind the body.
    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// Returns the same body again, whose bytes are wiped when they have been read.
    pub(super) fn into_body(self) -> tonic::body::Body {
        let bytes = Full::new(self.bytes);
        match self.trailers {
            // If it is empty, the stream ends with the headers, as clients demand of a status alone.
            None => tonic::body::Body::new(bytes),
            Some(trailers) => {
                tonic::body::Body::new(bytes.with_trailers(async { Some(Ok(trailers)) }))
            }
        }
    }
}

/// Copies `bytes` into memory that is wiped in the end. Wipes them, if nobody else reads them.
fn wiped(bytes: Bytes) -> Bytes {
    let copy = Zeroizing::new(bytes.to_vec());
    if let Ok(mut last) = bytes.try_into_mut() {
        last.as_mut().zeroize();
    }
    Bytes::from_owner(copy)
}
