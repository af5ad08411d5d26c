//! Answers to the calls that come over one connection.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sealcrate_crypt::ocicrypt::provider::Operation;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tokio_util::io::InspectReader;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service as _;
use zeroize::Zeroizing;

use super::body::{MAX_MESSAGE, Whole};
use super::keyprovider::key_provider_service_server::{
    KeyProviderService, KeyProviderServiceServer,
};
use super::keyprovider::{
    KeyProviderKeyWrapProtocolInput as Input, KeyProviderKeyWrapProtocolOutput as Output,
};

/// The beginning of the media types of requests and answers.
const MEDIA_TYPE: &[u8] = b"application/grpc";

/// The bytes that every connection of HTTP/2 begins with. RFC 9113, section 3.4.
const PREFACE: usize = 24;

/// The most calls at once over one connection.
const MAX_CALLS: u32 = 16;

/// The most bytes of a call's headers.
const MAX_HEADERS: u32 = 16 << 10;

/// How long the beginning of a connection may take.
const GREETING: Duration = Duration::from_secs(10);

/// How long a call may take, from its headers to its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a connection stays open without a call.
const IDLE: Duration = Duration::from_secs(300);

/// The program behind the methods.
pub(crate) trait Service: Send + Sync + 'static {
    /// Answers the JSON of one request. This may take a while, and runs on a thread of its own.
    fn answer(&self, operation: Operation, request: &[u8]) -> Result<Zeroizing<Vec<u8>>, Status>;
}

/// Answers calls over `stream` until it ends or breaks off, or five minutes pass without a call.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: Arc<dyn Service>,
) {
    let server =
        KeyProviderServiceServer::new(Methods(service)).max_decoding_message_size(MAX_MESSAGE);
    let (sender, greeted) = oneshot::channel();
    let (begun, calls) = watch::channel(());
    let connection = http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(MAX_CALLS)
        .max_header_list_size(MAX_HEADERS)
        .serve_connection(
            TokioIo::new(telling(stream, sender)),
            service_fn(move |request| {
                begun.send_replace(());
                answer(request, server.clone())
            }),
        );
    // Connections break off every day, as after each call of some clients.
    select(connection, pin!(silence(greeted, calls))).await;
}

/// Returns the stream, which tells `sender` when the first bytes of HTTP/2 have come.
fn telling(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    sender: oneshot::Sender<()>,
) -> impl AsyncRead + AsyncWrite + Unpin + Send {
    let (mut sender, mut missing) = (Some(sender), PREFACE);
    InspectReader::new(stream, move |bytes: &[u8]| {
        missing = missing.saturating_sub(bytes.len());
        if missing == 0
            && let Some(sender) = sender.take()
        {
            let _ = sender.send(());
        }
    })
}

/// Waits until the client has been silent for too long.
async fn silence(greeted: oneshot::Receiver<()>, mut calls: watch::Receiver<()>) {
    if timeout(GREETING, greeted).await.is_ok() {
        while matches!(timeout(IDLE, calls.changed()).await, Ok(Ok(()))) {}
    }
}

async fn answer(
    request: Request<Incoming>,
    server: KeyProviderServiceServer<Methods>,
) -> Result<Response<Body>, Infallible> {
    let answered = match timeout(PATIENCE, answer_of(request, server)).await {
        Ok(answered) => answered,
        Err(_) => Err(Status::deadline_exceeded("it takes too long")),
    };
    Ok(answered.unwrap_or_else(Status::into_http))
}

/// Refuses a request that is no call of gRPC. Receives the others to their end, and passes them on.
async fn answer_of(
    request: Request<Incoming>,
    mut server: KeyProviderServiceServer<Methods>,
) -> Result<Response<Body>, Status> {
    if request.method() != Method::POST {
        return Err(Status::unimplemented("there is no such method"));
    }
    let media_type = request.headers().get(CONTENT_TYPE);
    if !media_type.is_some_and(|value| value.as_bytes().starts_with(MEDIA_TYPE)) {
        return Err(Status::invalid_argument("the request is not gRPC's"));
    }
    let (head, body) = request.into_parts();
    let body = Whole::receive(body).await?.into_body();
    let Ok(answer) = server.call(Request::from_parts(head, body)).await;
    let (head, body) = answer.into_parts();
    Ok(Response::from_parts(head, Whole::receive(body).await?.into_body()))
}

/// The methods of the generated server.
struct Methods(Arc<dyn Service>);

impl Methods {
    async fn answer(
        &self,
        operation: Operation,
        request: tonic::Request<Input>,
    ) -> Result<tonic::Response<Output>, Status> {
        let (service, request) = (self.0.clone(), request.into_inner());
        let answering = tokio::task::spawn_blocking(move || {
            service.answer(operation, &request.key_provider_key_wrap_protocol_input)
        });
        let mut answer = answering.await.map_err(|_| Status::internal("the provider failed"))??;
        let json = std::mem::take(&mut *answer);
        Ok(tonic::Response::new(Output { key_provider_key_wrap_protocol_output: json }))
    }
}

#[tonic::async_trait]
impl KeyProviderService for Methods {
    async fn wrap_key(
        &self,
        request: tonic::Request<Input>,
    ) -> Result<tonic::Response<Output>, Status> {
        self.answer(Operation::Wrap, request).await
    }

    async fn un_wrap_key(
        &self,
        request: tonic::Request<Input>,
    ) -> Result<tonic::Response<Output>, Status> {
        self.answer(Operation::Unwrap, request).await
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::request::Builder;
    use http_body_util::{BodyExt as _, Full};
    use hyper::body::Body as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::runtime::{self, Runtime};
    use tokio::time::Instant;

    use super::*;

    const WRAP: &str = "http://localhost/keyprovider.KeyProviderService/WrapKey";

    /// Answers with the request itself, and panics if that is empty.
    struct Echo;

    impl Service for Echo {
        fn answer(&self, _: Operation, request: &[u8]) -> Result<Zeroizing<Vec<u8>>, Status> {
            assert!(!request.is_empty(), "as it should");
            Ok(Zeroizing::new(request.to_vec()))
        }
    }

    fn runtime() -> Runtime {
        runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    /// Returns the other end of a stream over which calls are answered.
    fn served() -> DuplexStream {
        let (ours, theirs) = duplex(1 << 16);
        tokio::spawn(serve(theirs, Arc::new(Echo)));
        ours
    }

    /// Returns a message with one field, behind its prefix.
    fn message(json: &str) -> Vec<u8> {
        let len = json.len() as u8;
        [&[0, 0, 0, 0, len + 2, 0x0a, len], json.as_bytes()].concat()
    }

    /// Returns the status of each call over one connection.
    async fn statuses(calls: Vec<(Builder, Vec<u8>)>) -> Vec<String> {
        let stream = TokioIo::new(served());
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        let mut statuses = Vec::new();
        for (request, body) in calls {
            let request = request.body(Full::new(Bytes::from(body))).unwrap();
            let (head, body) = client.send_request(request).await.unwrap().into_parts();
            let status = head.headers.get("grpc-status");
            // A status alone ends the stream: gRPC's own clients refuse it otherwise.
            assert_eq!(body.is_end_stream(), status.is_some());
            let body = body.collect().await.unwrap();
            let status = status.or_else(|| body.trailers()?.get("grpc-status"));
            statuses.push(status.unwrap().to_str().unwrap().to_owned());
        }
        statuses
    }

    #[test]
    fn calls_that_are_no_calls_of_ours_are_refused_and_the_next_is_answered() {
        let post = || Request::post(WRAP);
        let ours = || post().header("content-type", "application/grpc+proto");
        let json = || message("{}");
        let calls = vec![
            (ours(), json()),
            (ours().header("grpc-encoding", "identity"), json()),
            (ours().header("grpc-encoding", "gzip"), json()),
            (ours().method(Method::PUT), json()),
            (ours().uri("http://localhost/keyprovider.KeyProviderService/"), json()),
            (post(), json()),
            (post().header("content-type", "application/json"), json()),
            // A message that is malformed, one that is compressed, and one that ends too early.
            (ours(), vec![0, 0, 0, 0, 2, 0x08, 1]),
            (ours(), vec![1, 0, 0, 0, 0]),
            (ours(), vec![0, 0, 0, 0, 3, 0x0a, 0]),
            // More than one message may have, in messages without content.
            (ours(), vec![0; MAX_MESSAGE + 6]),
            // A request that makes the service itself panic.
            (ours(), message("")),
            (ours(), json()),
        ];
        let statuses = runtime().block_on(statuses(calls));
        assert_eq!(
            statuses,
            ["0", "0", "12", "12", "12", "3", "3", "3", "13", "13", "8", "13", "0"]
        );
    }

    /// Says `bytes` and no more, and returns how many seconds it takes until the connection ends.
    async fn seconds_after(bytes: &[u8]) -> u64 {
        let (begun, mut stream) = (Instant::now(), served());
        stream.write_all(bytes).await.unwrap();
        let mut said = Vec::new();
        let ended = timeout(2 * IDLE, stream.read_to_end(&mut said)).await;
        ended.expect("the connection ends").unwrap();
        begun.elapsed().as_secs()
    }

    #[test]
    fn clients_that_are_silent_are_cut_off() {
        runtime().block_on(async {
            // The clock goes on by itself while nothing else does.
            tokio::time::pause();
            assert_eq!(seconds_after(b"PRI * HTTP/2.0\r\n").await, GREETING.as_secs());
            // The whole preface, and a frame with no settings.
            let greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
            assert_eq!(seconds_after(greeting).await, IDLE.as_secs());
        });
    }
}
