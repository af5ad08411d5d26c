//! A call, over a connection of its own.

use std::io;

use http::Request;
use sealcrate_crypt::ocicrypt::provider::Operation;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use super::message::{Code, framed, receive, text_of};
use super::{MEDIA_TYPE, METHODS};

/// Why there is no answer.
pub(crate) enum CallFailure {
    /// The service refuses, with these words.
    Refused(String),
    /// It is not there, or does not speak gRPC.
    Unreachable(io::Error),
}

impl From<h2::Error> for CallFailure {
    fn from(error: h2::Error) -> Self {
        Self::Unreachable(io::Error::other(error))
    }
}

/// Calls the method for `operation` of the service at the other end of `stream` with one message, and
/// returns the message that it answers.
pub(crate) async fn call(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    operation: Operation,
    message: Zeroizing<Vec<u8>>,
) -> Result<Zeroizing<Vec<u8>>, CallFailure> {
    let (client, connection) = h2::client::handshake(stream).await?;
    let connection = tokio::spawn(connection);
    let answer = exchange(client, operation, &message).await;
    connection.abort();
    answer
}

async fn exchange(
    client: h2::client::SendRequest<bytes::Bytes>,
    operation: Operation,
    message: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CallFailure> {
    let path = METHODS.iter().find(|(of, _)| *of == operation).expect("there are all").1;
    let request = Request::post(format!("http://localhost{path}"))
        .header("content-type", MEDIA_TYPE)
        .header("te", "trailers")
        .body(())
        .expect("the request is well formed");
    let (response, mut body) = client.ready().await?.send_request(request, false)?;
    // A service that refuses need not read the message.
    let _ = body.send_data(framed(message), true);
    let response = response.await?;
    let headers = response.headers().clone();
    if !response.status().is_success() {
        return Err(CallFailure::Refused(format!(
            "it answers with the status {}",
            response.status()
        )));
    }
    let mut body = response.into_body();
    // Without a body, the status is among the headers.
    let message = match receive(&mut body).await {
        // There are no trailers as long as more bytes are still to come.
        Err(status) if status.code == Code::ResourceExhausted => {
            return Err(CallFailure::Refused(status.message));
        }
        received => received,
    };
    let trailers = body.trailers().await?.unwrap_or(headers);
    match trailers.get("grpc-status").map(http::HeaderValue::as_bytes) {
        Some(b"0") => message.map_err(|status| CallFailure::Refused(status.message)),
        Some(code) => {
            let text = text_of(&trailers);
            let code = String::from_utf8_lossy(code).into_owned();
            Err(CallFailure::Refused(if text.is_empty() { format!("status {code}") } else { text }))
        }
        None => Err(CallFailure::Refused("it does not speak gRPC".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::io::DuplexStream;
    use tokio::runtime;

    use super::*;

    /// Answers one call with this body, and with no end of it.
    async fn endless(stream: DuplexStream, body: Bytes) {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
        stream.send_data(body, false).unwrap();
        while connection.accept().await.is_some() {}
    }

    #[test]
    fn answers_without_an_end_are_refused_as_too_long() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answered = runtime.block_on(async {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            tokio::spawn(endless(theirs, vec![0; 5 << 20].into()));
            let message = Zeroizing::new(b"request".to_vec());
            let call = call(ours, Operation::Wrap, message);
            tokio::time::timeout(Duration::from_secs(60), call).await.expect("it does not wait")
        });
        match answered {
            Err(CallFailure::Refused(text)) => assert_eq!(text, "the message is longer than 4 MiB"),
            Err(CallFailure::Unreachable(error)) => panic!("{error}"),
            Ok(answer) => panic!("{} bytes", answer.len()),
        }
    }
}
