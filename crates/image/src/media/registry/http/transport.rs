//! Single exchanges over HTTP: redirects, time limits, and log lines that show requests.
//!
//! Other modules decide whether to repeat an exchange, and with which credentials.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Body, Method, Response, Url};

use super::answer::Answer;
use super::broken::{Broken, broken};
use super::connection::Connections;
use super::flow::{Flow, Mark};
use super::redirect::{self, MAX_REDIRECTS};
use super::retry::{Failure, Pace};
use crate::registry::RegistryError;

/// The connections to a registry, and to the hosts that it redirects to. Clones share them.
#[derive(Clone)]
pub(crate) struct Transport {
    connections: Arc<Connections>,
    /// The registry's name, for errors.
    registry: Arc<str>,
    pace: Pace,
}

/// A request that can be sent once.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// The value of `Authorization`, which goes to the origin of `home` only.
    pub(crate) authorization: Option<HeaderValue>,
    /// The URL of the registry, to which credentials belong.
    pub(crate) home: &'a Url,
    pub(crate) payload: Payload,
}

/// The body of a request.
pub(crate) enum Payload {
    /// Bytes, few or none, which can follow a redirect.
    Bytes(Bytes),
    /// A stream, which can be sent once.
    Stream {
        /// The bytes.
        body: Body,
        /// How many there are, where that is known.
        len: Option<u64>,
        /// How far they have come.
        flow: Arc<Flow>,
    },
}

impl Transport {
    /// Takes the `connections` to `registry`.
    pub(crate) fn new(registry: &str, connections: Arc<Connections>, pace: Pace) -> Self {
        Self { connections, registry: registry.into(), pace }
    }

    /// Returns how patient the client is.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Returns the same transport for the requests of one document, whose time begins now.
    pub(crate) fn for_document(&self) -> Self {
        Self { pace: self.pace.for_document(), ..self.clone() }
    }

    /// Sends a request and follows redirects.
    ///
    /// # Errors
    /// Worth another attempt: the connection failed or was silent, or the status is a passing one. Any
    /// other status is left to the caller.
    pub(crate) async fn exchange(&self, mut request: Request<'_>) -> Result<Answer, Failure> {
        for _ in 0..=MAX_REDIRECTS {
            let mut answer = self.send(&mut request).await?;
            if let Some(failure) = answer.passing() {
                return Err(failure.read(answer).await);
            }
            match self.redirect(&request, &answer)? {
                None => return Ok(answer),
                Some(url) => {
                    answer.drain().await;
                    request.url = url;
                }
            }
        }
        let request = name(&request.method, &request.url);
        Err(RegistryError::TooManyRedirects { request }.into())
    }

    async fn send(&self, request: &mut Request<'_>) -> Result<Answer, Failure> {
        let at_home = redirect::same_origin(&request.url, request.home);
        let client = if at_home { &self.connections.home } else { &self.connections.away };
        let mut builder = client
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone());
        if let (true, Some(value)) = (at_home, &request.authorization) {
            builder = builder.header(AUTHORIZATION, value.clone());
        }
        let mut watched = None;
        match &mut request.payload {
            Payload::Bytes(bytes) if bytes.is_empty() && !bears_body(&request.method) => {}
            Payload::Bytes(bytes) if bytes.is_empty() => {
                builder = builder.header(CONTENT_LENGTH, 0);
            }
            Payload::Bytes(bytes) => builder = builder.body(bytes.clone()),
            Payload::Stream { body, len, flow } => {
                if let Some(len) = *len {
                    builder = builder.header(CONTENT_LENGTH, len);
                }
                builder = builder.body(std::mem::replace(body, Body::from(Bytes::new())));
                watched = Some(flow.clone());
            }
        }
        let name = name(&request.method, &request.url);
        let begun = Instant::now();
        let outcome = self.patiently(builder.send(), watched).await;
        let took = begun.elapsed().as_millis();
        match outcome {
            Ok(response) => {
                let status = response.status();
                tracing::debug!("{name}: {} in {took} ms", status.as_u16());
                Ok(Answer {
                    status,
                    headers: response.headers().clone(),
                    url: request.url.clone(),
                    request: name,
                    at_home,
                    registry: self.registry.clone(),
                    response,
                    pace: self.pace.clone(),
                    end: self.pace.end_of_document(),
                })
            }
            Err(error) => {
                tracing::debug!("{name}: failed after {took} ms");
                Err(broken(name, error, &self.pace))
            }
        }
    }

    /// Waits for the head of an answer, as long as bytes of the request go out fast enough, or there are
    /// none to send yet.
    async fn patiently(
        &self,
        send: impl Future<Output = reqwest::Result<Response>>,
        watched: Option<Arc<Flow>>,
    ) -> Result<Response, Broken> {
        let mut send = std::pin::pin!(send);
        let mark = || watched.as_ref().map(|flow| flow.mark());
        loop {
            let before = mark();
            let limit = match before {
                Some(mark) if mark.is_at_end() => self.pace.digestion,
                _ => self.pace.idle,
            };
            match tokio::time::timeout(self.pace.within(limit), &mut send).await {
                Ok(outcome) => return outcome.map_err(Broken::Http),
                Err(_) if self.pace.is_over() => return Err(Broken::Late),
                Err(_) if before.is_some_and(Mark::is_dry) => {}
                Err(_) if mark() == before => return Err(Broken::Silent),
                Err(_) => {
                    let sent = before.zip(mark()).and_then(|(before, now)| now.sent_since(before));
                    if sent.is_some_and(|sent| self.pace.least_rate.is_missed(sent, limit)) {
                        return Err(Broken::Slow);
                    }
                }
            }
        }
    }

    /// Tells where an answer redirects to, if it does.
    fn redirect(&self, request: &Request<'_>, answer: &Answer) -> Result<Option<Url>, Failure> {
        let reads = request.method == Method::GET || request.method == Method::HEAD;
        let keeps_method = matches!(answer.status.as_u16(), 307 | 308);
        let repeatable = matches!(request.payload, Payload::Bytes(_));
        if !(keeps_method && repeatable || reads && matches!(answer.status.as_u16(), 301..=303)) {
            return Ok(None);
        }
        let location = answer.header(&LOCATION).ok_or_else(|| answer.no_sense("no Location"))?;
        let to = redirect::resolve(&answer.url, location)?;
        // The body may be a secret, such as a refresh token in a form.
        if !reads && !redirect::same_origin(&answer.url, &to) {
            let (request, to) = (answer.request.clone(), redirect::shown(&to));
            return Err(RegistryError::RedirectAway { request, to }.into());
        }
        Ok(Some(to))
    }
}

/// Tells whether a request of this method states a length even if its body is empty.
fn bears_body(method: &Method) -> bool {
    method == Method::POST || method == Method::PUT
}

/// Returns the name of a request, to show to people.
fn name(method: &Method, url: &Url) -> String {
    format!("{method} {}", redirect::shown(url))
}

#[cfg(test)]
mod tests {
    use std::task::Poll;
    use std::time::Duration;

    use super::*;
    use crate::registry::Access;
    use crate::registry::http::patience::LeastRate;

    /// Returns why an upload ends that moves one byte at each look, and that breaks in the end.
    fn upload(least: u64) -> Broken {
        let least_rate = LeastRate { bytes: least, window: Duration::from_millis(5) };
        let pace = Pace { idle: Duration::from_millis(5), least_rate, ..Pace::default() };
        let connections = Connections::new(&Access::default(), true, pace.connect).unwrap();
        let transport = Transport::new("r.io", Arc::new(connections), pace);
        let flow = Arc::new(Flow::offered(1 << 40));
        let looks = flow.clone();
        let send = std::future::poll_fn(move |_| {
            looks.take(1);
            match looks.mark().has_taken(100) {
                true => Poll::Ready(Err(reqwest::Client::new().get("::").build().unwrap_err())),
                false => Poll::Pending,
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(transport.patiently(send, Some(flow))).unwrap_err()
    }

    #[test]
    fn upload_that_moves_is_slow_only_below_the_least_rate() {
        assert!(matches!(upload(1 << 40), Broken::Slow));
        assert!(matches!(upload(0), Broken::Http(_)));
    }
}
