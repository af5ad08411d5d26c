//! Answers to the calls that come over one connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Method, Request, Response};
use sealcrate_crypt::ocicrypt::provider::{Operation, message_of, only_field};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::message::{Code, Status, encoded, framed, receive};
use super::{MEDIA_TYPE, METHODS};

/// The most calls at once over one connection.
const MAX_CALLS: u32 = 16;

/// The most bytes of a call's headers.
const MAX_HEADERS: u32 = 16 << 10;

/// How long the beginning of a connection may take.
const GREETING: Duration = Duration::from_secs(10);

/// How long a call may take, from its first byte to its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a connection stays open without a call.
const IDLE: Duration = Duration::from_secs(300);

/// The program behind the methods.
pub(crate) trait Service: Send + Sync + 'static {
    /// Answers the JSON of one request. This may take a while, and runs on a thread of its own.
    fn answer(&self, operation: Operation, request: &[u8]) -> Result<Zeroizing<Vec<u8>>, Status>;
}

/// Answers calls over `stream` until it ends, or five minutes pass without a call.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    service: Arc<dyn Service>,
) -> Result<(), h2::Error> {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(MAX_CALLS).max_header_list_size(MAX_HEADERS);
    let Ok(connection) = timeout(GREETING, builder.handshake::<_, Bytes>(stream)).await else {
        return Ok(());
    };
    let mut connection = connection?;
    while let Ok(Some(call)) = timeout(IDLE, connection.accept()).await {
        let (request, respond) = call?;
        let service = service.clone();
        tokio::spawn(answer(request, respond, service));
    }
    Ok(())
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    service: Arc<dyn Service>,
) {
    let answered = match timeout(PATIENCE, answer_of(request, service)).await {
        Ok(answered) => answered,
        Err(_) => Err(Status::new(Code::DeadlineExceeded, "it takes too long")),
    };
    // The caller may be gone.
    let _ = match answered {
        Ok(message) => send(&mut respond, &message),
        Err(status) => send_status(&mut respond, &status),
    };
}

async fn answer_of(
    request: Request<RecvStream>,
    service: Arc<dyn Service>,
) -> Result<Zeroizing<Vec<u8>>, Status> {
    let path = request.uri().path();
    let operation = METHODS.iter().find(|(_, method)| *method == path).map(|(of, _)| *of);
    let operation = operation.filter(|_| request.method() == Method::POST);
    let operation =
        operation.ok_or_else(|| Status::new(Code::Unimplemented, "there is no such method"))?;
    let has = |name: &str, fits: fn(&[u8]) -> bool| {
        request.headers().get(name).map(|value| fits(value.as_bytes()))
    };
    if has("content-type", |value| value.starts_with(MEDIA_TYPE.as_bytes())) != Some(true) {
        return Err(Status::new(Code::InvalidArgument, "the request is not gRPC's"));
    }
    if has("grpc-encoding", |value| value == b"identity") == Some(false) {
        return Err(Status::new(Code::Unimplemented, "compressed messages are not read"));
    }
    let message = receive(&mut request.into_body()).await?;
    let answering = tokio::task::spawn_blocking(move || {
        let json = only_field(&message)
            .map_err(|error| Status::new(Code::InvalidArgument, error.to_string()))?;
        service.answer(operation, json)
    });
    let answer =
        answering.await.map_err(|_| Status::new(Code::Internal, "the provider failed"))??;
    Ok(message_of(&answer))
}

fn head() -> http::response::Builder {
    Response::builder().header("content-type", MEDIA_TYPE)
}

fn send(respond: &mut SendResponse<Bytes>, message: &[u8]) -> Result<(), h2::Error> {
    let response = head().body(()).expect("the head is well formed");
    let mut body = respond.send_response(response, false)?;
    body.send_data(framed(message), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", 0.into());
    body.send_trailers(trailers)
}

fn send_status(respond: &mut SendResponse<Bytes>, status: &Status) -> Result<(), h2::Error> {
    let head = head()
        .header("grpc-status", status.code as u32)
        .header("grpc-message", encoded(&status.message));
    let response = head.body(()).expect("the message is encoded");
    respond.send_response(response, true).map(|_| ())
}

#[cfg(test)]
mod tests {
    use http::request::Builder;
    use tokio::runtime;

    use super::*;

    /// Answers with the request itself, and panics if that is empty.
    struct Echo;

    impl Service for Echo {
        fn answer(&self, _: Operation, request: &[u8]) -> Result<Zeroizing<Vec<u8>>, Status> {
            assert!(!request.is_empty(), "as it should");
            Ok(Zeroizing::new(request.to_vec()))
        }
    }

    /// Returns the status of each call over one connection.
    async fn statuses(calls: Vec<(Builder, &str)>) -> Vec<String> {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(serve(theirs, Arc::new(Echo)));
        let (mut client, connection) = h2::client::handshake(ours).await.unwrap();
        tokio::spawn(connection);
        let mut statuses = Vec::new();
        for (request, json) in calls {
            client = client.ready().await.unwrap();
            let request = request.body(()).unwrap();
            let (response, mut body) = client.send_request(request, false).unwrap();
            let _ = body.send_data(framed(&message_of(json.as_bytes())), true);
            let response = response.await.unwrap();
            let headers = response.headers().clone();
            let mut body = response.into_body();
            let _ = receive(&mut body).await;
            let trailers = body.trailers().await.unwrap().unwrap_or(headers);
            statuses.push(trailers["grpc-status"].to_str().unwrap().to_owned());
        }
        statuses
    }

    #[test]
    fn calls_that_are_no_calls_of_ours_are_refused_and_the_next_is_answered() {
        let post = || Request::post(format!("http://localhost{}", METHODS[0].1));
        let ours = || post().header("content-type", "application/grpc+proto");
        let calls = vec![
            (ours(), "{}"),
            (ours().header("grpc-encoding", "identity"), "{}"),
            (ours().header("grpc-encoding", "gzip"), "{}"),
            (ours().method(Method::PUT), "{}"),
            (ours().uri("http://localhost/keyprovider.KeyProviderService/"), "{}"),
            (post(), "{}"),
            (post().header("content-type", "application/json"), "{}"),
            // A request that makes the service itself panic.
            (ours(), ""),
            (ours(), "{}"),
        ];
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let statuses = runtime.block_on(statuses(calls));
        assert_eq!(statuses, ["0", "0", "12", "12", "12", "3", "3", "13", "0"]);
    }
}
