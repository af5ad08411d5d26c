//! A call, over a connection of its own.

use std::error::Error as _;
use std::io;

use http::{HeaderMap, Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sealcrate_crypt::ocicrypt::provider::Operation;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::StdError;
use zeroize::Zeroizing;

use super::body::{MAX_MESSAGE, Whole};
use super::codec::is_malformed;
use super::keyprovider::KeyProviderKeyWrapProtocolInput as Input;
use super::keyprovider::key_provider_service_client::KeyProviderServiceClient;

/// The host in requests. Services do not look at it.
const ORIGIN: &str = "http://localhost";

/// Why there is no answer.
pub(crate) enum CallFailure {
    /// Its answer cannot be read.
    Malformed,
    /// The service refuses, with these words.
    Refused(String),
    /// It is not there, or does not speak HTTP/2.
    Unreachable(io::Error),
}

/// The end of a connection. tonic passes it on inside a status.
#[derive(Debug, Error)]
#[error("the connection broke off")]
struct Broken(hyper::Error);

impl From<Status> for CallFailure {
    fn from(status: Status) -> Self {
        let code = status.code() as i32;
        match status.source().and_then(|cause| cause.downcast_ref::<Broken>()) {
            Some(Broken(error)) => Self::Unreachable(io::Error::other(error.to_string())),
            None if is_malformed(&status) => Self::Malformed,
            None if status.message().is_empty() => Self::Refused(format!("status {code}")),
            None => Self::Refused(status.message().to_owned()),
        }
    }
}

/// Calls the method for `operation` of the service at the other end of `stream` with the JSON of a request, and
/// returns the JSON that it answers.
pub(crate) async fn call(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    operation: Operation,
    json: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CallFailure> {
    let greeted = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) =
        greeted.map_err(|error| CallFailure::Unreachable(io::Error::other(error)))?;
    let connection = tokio::spawn(connection);
    let answer = exchange(sender, operation, json).await;
    connection.abort();
    Ok(answer?)
}

async fn exchange(
    sender: SendRequest<Body>,
    operation: Operation,
    json: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Status> {
    let service = tower::service_fn(move |request| send(sender.clone(), request));
    let mut client = KeyProviderServiceClient::with_origin(service, Uri::from_static(ORIGIN))
        .max_decoding_message_size(MAX_MESSAGE);
    let message = Input { key_provider_key_wrap_protocol_input: json.to_vec() };
    let answer = match operation {
        Operation::Unwrap => client.un_wrap_key(message).await,
        Operation::Wrap => client.wrap_key(message).await,
    };
    let mut answer = answer?.into_inner();
    Ok(Zeroizing::new(std::mem::take(&mut answer.key_provider_key_wrap_protocol_output)))
}

/// Sends `request`, and receives the answer to its end.
async fn send(
    mut sender: SendRequest<Body>,
    request: Request<Body>,
) -> Result<Response<Body>, StdError> {
    let (head, body) = request.into_parts();
    let body = Whole::receive(body).await?.into_body();
    sender.ready().await.map_err(Broken)?;
    let response = sender.send_request(Request::from_parts(head, body)).await.map_err(Broken)?;
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        return Err(Status::unknown(format!("it answers with the status {}", head.status)).into());
    }
    let body = Whole::receive(body.map_err(Broken)).await?;
    // Without a message, the status is among the headers.
    let has_status = |headers: &HeaderMap| headers.contains_key(Status::GRPC_STATUS);
    if !has_status(&head.headers) && !body.trailers().is_some_and(has_status) {
        return Err(Status::unknown("it does not speak gRPC").into());
    }
    Ok(Response::from_parts(head, body.into_body()))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::{Body, Frame};
    use hyper::service::service_fn;

    use super::*;

    /// Calls a service that gives this answer to everything. Returns why the call fails.
    fn answered<B>(answer: impl Fn() -> Response<B> + Send + Sync + 'static) -> CallFailure
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answered = runtime.block_on(async {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            let service = service_fn(move |_| std::future::ready(Ok::<_, Infallible>(answer())));
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(theirs), service));
            let call = call(ours, Operation::Wrap, b"request");
            tokio::time::timeout(Duration::from_secs(60), call).await.expect("it does not wait")
        });
        answered.expect_err("it is no answer")
    }

    fn refused(failure: CallFailure) -> String {
        match failure {
            CallFailure::Refused(text) => text,
            CallFailure::Malformed => panic!("malformed"),
            CallFailure::Unreachable(error) => panic!("{error}"),
        }
    }

    /// Returns an answer that says `bytes`, and that all went well.
    fn well(bytes: &'static [u8]) -> Response<Full<Bytes>> {
        let answer = Response::builder().header("grpc-status", 0);
        answer.body(Full::new(Bytes::from_static(bytes))).unwrap()
    }

    #[test]
    fn answers_without_an_end_are_refused_as_too_long() {
        // Messages without content.
        let frames = || stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[0; 1 << 15]))));
        let failure = answered(move || Response::new(StreamBody::new(frames())));
        assert_eq!(refused(failure), "the message is longer than 4 MiB");
    }

    #[test]
    fn answers_that_are_not_of_grpc_are_refused() {
        let not_found = || Response::builder().status(404).body(Full::new(Bytes::new())).unwrap();
        assert_eq!(refused(answered(not_found)), "it answers with the status 404 Not Found");
        let page = || Response::new(Full::new(Bytes::from_static(b"a page")));
        assert_eq!(refused(answered(page)), "it does not speak gRPC");
    }

    #[test]
    fn malformed_answers_are_told_from_refusals() {
        let malformed = answered(|| well(&[0, 0, 0, 0, 2, 0x08, 1]));
        assert!(matches!(malformed, CallFailure::Malformed));
        // One that promises more than there is.
        refused(answered(|| well(&[0, 0, 0, 0, 3, 0x0a, 1])));
    }

    #[test]
    fn reason_of_a_refusal_is_passed_on() {
        let refusal = |message: &'static str| {
            move || {
                let answer = Response::builder().header("grpc-status", 7);
                answer.header("grpc-message", message).body(Full::new(Bytes::new())).unwrap()
            }
        };
        assert_eq!(refused(answered(refusal("a%20b %C3%A4"))), "a b \u{e4}");
        assert_eq!(refused(answered(refusal(""))), "status 7");
    }

    #[test]
    fn connections_that_break_off_have_not_refused() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        drop(theirs);
        let failure = runtime.block_on(call(ours, Operation::Unwrap, b"request"));
        assert!(matches!(failure, Err(CallFailure::Unreachable(_))));
    }
}
