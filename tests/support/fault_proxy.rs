//! A proxy before a plain registry that makes faults by script and records every request.
//!
//! It forwards heads and bodies as they are, `Host` included, so that the registry's absolute
//! `Location` addresses lead back through it.

use std::io::{self, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::fault::{Fault, Rule};
use crate::http::{Framing, Head, Piece, for_each_piece};
use crate::server::Server;

/// How long a client may go on sending a request that has been answered already.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request that came through the proxy.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// Start line and headers as the client wrote them.
    pub head: Head,
    /// How many bytes of content the client sent, as far as the proxy read them.
    pub body_length: u64,
    /// The status that the client got; `None` if it got none.
    pub status: Option<u16>,
}

/// The running proxy; it accepts no more connections when it goes out of scope.
#[derive(Debug)]
pub struct FaultProxy {
    server: Server,
    script: Arc<Script>,
}

impl FaultProxy {
    /// Starts a proxy before `upstream` (`127.0.0.1:PORT`). Of the rules that match a request the
    /// first one counts, and all of them count the request.
    pub fn start(upstream: &str, rules: Vec<Rule>) -> Self {
        let script = Arc::new(Script {
            upstream: upstream.to_owned(),
            rules: Mutex::new(rules),
            requests: Mutex::new(Vec::new()),
        });
        let server = Server::start({
            let script = Arc::clone(&script);
            move |stream| script.serve(stream)
        });
        Self { server, script }
    }

    /// `127.0.0.1:PORT`, to be used in place of the registry's host.
    pub fn host(&self) -> String {
        self.server.host()
    }

    /// Adds a rule after the others, for requests from now on.
    pub fn add_rule(&self, rule: Rule) {
        lock(&self.script.rules).push(rule);
    }

    /// The requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.script.requests).clone()
    }
}

/// The state that the connections' threads share.
#[derive(Debug)]
struct Script {
    upstream: String,
    rules: Mutex<Vec<Rule>>,
    requests: Mutex<Vec<RecordedRequest>>,
}

/// Whether the client's connection can take another request.
#[derive(PartialEq, Eq)]
enum Connection {
    Open,
    Spent,
}

impl Script {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut client = Client { writer: stream.try_clone()?, reader: BufReader::new(stream) };
        while let Some(head) = Head::read(&mut client.reader)? {
            let index = self.record(&head);
            let fault = self.fault_for(&head);
            let done = self.exchange(&mut client, head, fault.as_ref(), index);
            if !matches!(done, Ok(Connection::Open)) {
                // The acceptor's threads hold no other copy, so the client sees the end now.
                let _ = client.writer.shutdown(Shutdown::Both);
                return done.map(drop);
            }
        }
        Ok(())
    }

    fn record(&self, head: &Head) -> usize {
        let mut requests = lock(&self.requests);
        requests.push(RecordedRequest { head: head.clone(), body_length: 0, status: None });
        requests.len() - 1
    }

    fn fault_for(&self, head: &Head) -> Option<Fault> {
        let mut found = None;
        for rule in lock(&self.rules).iter_mut() {
            if rule.applies(head) && found.is_none() {
                found = Some(rule.fault.clone());
            }
        }
        found
    }

    fn exchange(
        &self,
        client: &mut Client,
        mut head: Head,
        fault: Option<&Fault>,
        index: usize,
    ) -> io::Result<Connection> {
        match fault {
            Some(Fault::CutBeforeRequestBody) => return Ok(Connection::Spent),
            Some(Fault::Answer { status, headers }) => {
                return self.answer(client, &head, *status, headers, b"", index);
            }
            Some(Fault::Serve { content_type, body }) => {
                let headers = [("Content-Type".to_owned(), content_type.clone())];
                return self.answer(client, &head, 200, &headers, body, index);
            }
            Some(Fault::RedirectTo(host)) => {
                let location = format!("http://{host}{}", head.target());
                let headers = [("Location".to_owned(), location)];
                return self.answer(client, &head, 307, &headers, b"", index);
            }
            Some(Fault::Delay(time)) => thread::sleep(*time),
            Some(Fault::Hold(gate)) => gate.wait(),
            Some(Fault::Authorize(value)) => {
                let is_it = |name: &str| name.eq_ignore_ascii_case("Authorization");
                head.headers.retain(|(name, _)| !is_it(name));
                head.headers.push(("Authorization".to_owned(), value.clone()));
            }
            _ => (),
        }
        self.forward(client, &head, fault, index)
    }

    /// Reads the request to its end, so that the client has no reason to miss the answer.
    fn answer(
        &self,
        client: &mut Client,
        head: &Head,
        status: u16,
        headers: &[(String, String)],
        body: &[u8],
        index: usize,
    ) -> io::Result<Connection> {
        for_each_piece(&mut client.reader, head.request_framing()?, |piece| {
            self.count_body(index, &piece);
            Ok(())
        })?;
        lock(&self.requests)[index].status = Some(status);
        let mut headers = headers.to_vec();
        headers.push(("Content-Length".to_owned(), body.len().to_string()));
        let start_line = format!("HTTP/1.1 {status} Scripted");
        Head { start_line, headers }.write(&mut client.writer)?;
        client.writer.write_all(body)?;
        Ok(Connection::Open)
    }

    /// Sends the request on and the response back at the same time, since a server may answer
    /// before it has read everything.
    fn forward(
        &self,
        client: &mut Client,
        head: &Head,
        fault: Option<&Fault>,
        index: usize,
    ) -> io::Result<Connection> {
        let mut upstream = TcpStream::connect(&self.upstream)?;
        let mut from_upstream = BufReader::new(upstream.try_clone()?);
        let framing = head.request_framing()?;
        head.write(&mut upstream)?;
        let Client { reader, writer } = client;
        thread::scope(|scope| {
            let sending = scope.spawn(|| {
                let (mut is_open, mut received) = (true, 0);
                for_each_piece(reader, framing, |piece| {
                    self.count_body(index, &piece);
                    if let Piece::Content(bytes) = &piece {
                        received += bytes.len() as u64;
                    }
                    if matches!(fault, Some(Fault::CutRequestAfter(end)) if *end < received) {
                        // Ends the wait for the response, and with it both connections.
                        let _ = upstream.shutdown(Shutdown::Both);
                        return Err(io::Error::other("cut by the script"));
                    }
                    let bytes = match piece {
                        Piece::Content(bytes) => &*bytes,
                        Piece::Frame(bytes) => bytes,
                    };
                    // The proxy still reads bytes that the server no longer takes, so that the
                    // client has no reason to miss the answer.
                    is_open = is_open && upstream.write_all(bytes).is_ok();
                    Ok(())
                })
            });
            let response = self.send_back(&mut from_upstream, writer, head, fault, index);
            // Nothing follows on this connection, and a thread that writes to it should not wait.
            let _ = from_upstream.get_ref().shutdown(Shutdown::Both);
            let deadline = Instant::now() + PATIENCE;
            while response.is_ok() && !sending.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            let connection = match response {
                Ok(_) if !sending.is_finished() => Ok(Connection::Spent),
                response => response,
            };
            if !matches!(connection, Ok(Connection::Open)) {
                // Wakes the sending thread, if it still waits for the client.
                let _ = writer.shutdown(Shutdown::Both);
            }
            connection
        })
    }

    fn send_back(
        &self,
        upstream: &mut BufReader<TcpStream>,
        client: &mut TcpStream,
        request: &Head,
        fault: Option<&Fault>,
        index: usize,
    ) -> io::Result<Connection> {
        let (mut head, status) = loop {
            let head = Head::read(upstream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let status = head.status()?;
            if status >= 200 {
                break (head, status);
            }
            head.write(client)?;
        };
        let framing = head.response_framing(request.method())?;
        match fault {
            Some(Fault::ClaimDigest(digest)) => {
                head.replace_header("Docker-Content-Digest", digest);
            }
            Some(Fault::MisstateLength(by)) => {
                if let Some(length) = head.header("Content-Length") {
                    let length: u64 = length.parse().map_err(io::Error::other)?;
                    let wrong = length.saturating_add_signed(*by).to_string();
                    head.replace_header("Content-Length", &wrong);
                }
            }
            _ => (),
        }
        lock(&self.requests)[index].status = Some(status);
        head.write(client)?;
        let mut sent = 0;
        for_each_piece(upstream, framing, |piece| match piece {
            Piece::Frame(bytes) => client.write_all(bytes),
            Piece::Content(bytes) => {
                let start = sent;
                sent += bytes.len() as u64;
                match fault {
                    Some(Fault::CutResponseAfter(end)) if *end < sent => {
                        let rest = usize::try_from(end - start).unwrap_or(usize::MAX);
                        client.write_all(&bytes[..rest])?;
                        return Err(io::Error::other("cut by the script"));
                    }
                    Some(Fault::FlipResponseByte(at)) if (start..sent).contains(at) => {
                        let at = usize::try_from(at - start).unwrap_or(usize::MAX);
                        bytes[at] ^= 0xff;
                    }
                    Some(Fault::Trickle(pause)) => {
                        return bytes.chunks(1).try_for_each(|byte| {
                            thread::sleep(*pause);
                            client.write_all(byte)
                        });
                    }
                    _ => (),
                }
                client.write_all(bytes)
            }
        })?;
        let ends = framing == Framing::UntilClose
            || matches!(fault, Some(Fault::MisstateLength(_)))
            || [request, &head].iter().any(|head| head.header("Connection") == Some("close"));
        Ok(if ends { Connection::Spent } else { Connection::Open })
    }

    fn count_body(&self, index: usize, piece: &Piece<'_>) {
        if let Piece::Content(bytes) = piece {
            lock(&self.requests)[index].body_length += bytes.len() as u64;
        }
    }
}

struct Client {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Response, request};
    use crate::{Anonymous, Registry, TokenIssuer, TokenLife};
    #[cfg(feature = "engine")]
    use crate::{Builder, Engine};

    const CONTENT: &[u8] = b"the content of a blob";
    const DIGEST: &str = "sha256:3050dfab150d230d72db0866c67c2bb23958b48333d21608524d1a9f4698b5b0";

    fn upload(host: &str) -> io::Result<Response> {
        let begun = request("POST", host, "/v2/a/blobs/uploads/", &[], b"")?;
        let location = begun.head.header("Location").unwrap_or_default().to_owned();
        let Some(target) = location.strip_prefix(&format!("http://{host}")) else {
            return Ok(begun);
        };
        request("PUT", host, &format!("{target}&digest={DIGEST}"), &[], CONTENT)
    }

    fn download(proxy: &FaultProxy) -> io::Result<Response> {
        request("GET", &proxy.host(), &format!("/v2/a/blobs/{DIGEST}"), &[], b"")
    }

    /// A registry that holds the blob, and a proxy with one rule for its download.
    fn proxy_with(fault: Fault) -> (Registry, FaultProxy) {
        let registry = Registry::plain();
        assert_eq!(upload(registry.host()).unwrap().status, 201);
        let rule = Rule::new("GET", "/blobs/sha256", fault).once();
        let proxy = FaultProxy::start(registry.host(), vec![rule]);
        (registry, proxy)
    }

    fn assert_second_download_is_right(proxy: &FaultProxy) {
        assert_eq!(download(proxy).unwrap().body, CONTENT);
    }

    #[test]
    fn without_rules_nothing_is_changed() {
        let registry = Registry::plain();
        let proxy = FaultProxy::start(registry.host(), Vec::new());
        assert_eq!(upload(&proxy.host()).unwrap().status, 201);
        assert_second_download_is_right(&proxy);
        let requests = proxy.requests();
        let seen: Vec<_> = requests
            .iter()
            .map(|request| (request.head.method(), request.body_length, request.status))
            .collect();
        let length = CONTENT.len() as u64;
        assert_eq!(
            seen,
            [("POST", 0, Some(202)), ("PUT", length, Some(201)), ("GET", 0, Some(200))]
        );
        assert_eq!(requests[0].head.header("Host"), Some(proxy.host().as_str()));
    }

    #[test]
    fn a_connection_carries_several_requests() {
        let registry = Registry::plain();
        let proxy = FaultProxy::start(registry.host(), Vec::new());
        let mut stream = TcpStream::connect(proxy.host()).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for _ in 0..3 {
            stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let head = Head::read(&mut reader).unwrap().unwrap();
            let framing = head.response_framing("GET").unwrap();
            assert_eq!(crate::http::read_body(&mut reader, framing).unwrap(), b"{}");
        }
    }

    #[cfg(feature = "engine")]
    #[test]
    fn the_engine_pushes_and_pulls_through_it() {
        let engine = Engine::from_env();
        let registry = Registry::plain();
        let proxy = FaultProxy::start(registry.host(), Vec::new());
        let built = engine.build(
            Builder::Classic,
            "FROM scratch\nCOPY file /file\n",
            &[("file", &[7; 100_000])],
        );
        let name = format!("{}/team/app:first", proxy.host());
        let _tagged = engine.remove_on_drop(&name);
        engine.run(&["tag", built.name(), &name]);
        engine.run(&["push", &name]);
        assert_eq!(registry.tags("team/app"), ["first"]);
        // The engine sends a layer in one chunked PATCH.
        let requests = proxy.requests();
        let patch = requests.iter().find(|request| request.head.method() == "PATCH").unwrap();
        assert_eq!(patch.head.header("Transfer-Encoding"), Some("chunked"));
        assert!(patch.body_length > 0);
        let id = engine.image_id(&name);
        engine.run(&["image", "rm", "--force", &id]);
        engine.run(&["pull", &name]);
        assert_eq!(engine.image_id(&name), id);
    }

    #[test]
    fn an_answer_arrives_that_came_before_the_end_of_the_request() {
        let life = TokenLife::honest(Duration::from_secs(60));
        let issuer = TokenIssuer::start(Anonymous::Refused, life);
        let registry = Registry::with_tokens(&issuer);
        let proxy = FaultProxy::start(registry.host(), Vec::new());
        let body = vec![0; 32 << 20];
        let target = "/v2/a/blobs/uploads/x";
        let response = request("PUT", &proxy.host(), target, &[], &body).unwrap();
        assert_eq!(response.status, 401);
    }

    #[test]
    fn an_upload_is_cut_before_its_body() {
        let registry = Registry::plain();
        let rule = Rule::new("PUT", "/blobs/uploads", Fault::CutBeforeRequestBody).once();
        let proxy = FaultProxy::start(registry.host(), vec![rule]);
        assert!(upload(&proxy.host()).is_err());
        assert_eq!(proxy.requests()[1].status, None);
        assert_eq!(registry.blobs(), [] as [&std::path::Path; 0]);
        assert_eq!(upload(&proxy.host()).unwrap().status, 201);
    }

    #[test]
    fn a_download_is_cut_in_its_middle() {
        let (_registry, proxy) = proxy_with(Fault::CutResponseAfter(5));
        let error = download(&proxy).unwrap_err();
        assert_eq!(error.to_string(), "body is cut off");
        assert_second_download_is_right(&proxy);
    }

    #[test]
    fn a_byte_is_flipped() {
        let (_registry, proxy) = proxy_with(Fault::FlipResponseByte(2));
        let body = download(&proxy).unwrap().body;
        assert_eq!((&body[..2], body[2], &body[3..]), (&CONTENT[..2], !b'e', &CONTENT[3..]));
        assert_second_download_is_right(&proxy);
    }

    #[test]
    fn the_length_is_misstated_both_ways() {
        let (_registry, proxy) = proxy_with(Fault::MisstateLength(-1));
        assert_eq!(download(&proxy).unwrap().body, &CONTENT[..CONTENT.len() - 1]);
        proxy.add_rule(Rule::new("GET", "/blobs/", Fault::MisstateLength(1)).once());
        assert_eq!(download(&proxy).unwrap_err().to_string(), "body is cut off");
        assert_second_download_is_right(&proxy);
    }

    #[test]
    fn the_digest_header_lies() {
        let (_registry, proxy) = proxy_with(Fault::ClaimDigest("sha256:00".into()));
        let response = download(&proxy).unwrap();
        assert_eq!(response.head.header("docker-content-digest"), Some("sha256:00"));
        assert_second_download_is_right(&proxy);
    }

    #[test]
    fn statuses_are_answered_for_the_chosen_occurrences() {
        let (registry, proxy) = proxy_with(Fault::answer(429, Some(7)));
        let response = download(&proxy).unwrap();
        assert_eq!(response.status, 429);
        assert_eq!(response.head.header("Retry-After"), Some("7"));
        proxy.add_rule(Rule::new("POST", "/uploads/", Fault::answer(503, None)).only(2..=3));
        let statuses = [(); 4].map(|()| upload(&proxy.host()).unwrap().status);
        assert_eq!(statuses, [201, 503, 503, 201]);
        assert_eq!(registry.blobs().len(), 1);
    }

    #[test]
    fn a_redirect_names_the_other_host() {
        let (_registry, proxy) = proxy_with(Fault::RedirectTo("127.0.0.1:9".into()));
        let response = download(&proxy).unwrap();
        let location = format!("http://127.0.0.1:9/v2/a/blobs/{DIGEST}");
        assert_eq!((response.status, response.head.header("Location")), (307, Some(&*location)));
    }

    #[test]
    fn an_upload_is_cut_in_its_middle() {
        let registry = Registry::plain();
        let rule = Rule::new("PUT", "/blobs/uploads", Fault::CutRequestAfter(5)).once();
        let proxy = FaultProxy::start(registry.host(), vec![rule]);
        assert!(upload(&proxy.host()).is_err());
        assert_eq!(registry.blobs(), [] as [&std::path::Path; 0]);
        assert_eq!(upload(&proxy.host()).unwrap().status, 201);
    }

    #[test]
    fn other_content_is_served() {
        let body = b"other content".to_vec();
        let (_registry, proxy) =
            proxy_with(Fault::Serve { content_type: "text/plain".into(), body: body.clone() });
        let response = download(&proxy).unwrap();
        assert_eq!((response.status, response.body), (200, body));
        assert_second_download_is_right(&proxy);
    }

    #[test]
    fn a_gate_holds_requests_until_it_is_opened() {
        let gate = crate::Gate::default();
        let (registry, proxy) = proxy_with(Fault::Hold(gate.clone()));
        thread::scope(|scope| {
            let held = scope.spawn(|| download(&proxy).unwrap());
            while proxy.requests().is_empty() {
                thread::yield_now();
            }
            assert_eq!(proxy.requests()[0].status, None, "it is held");
            assert!(!held.is_finished());
            gate.open();
            assert_eq!(held.join().unwrap().body, CONTENT);
        });
        drop(registry);
    }

    #[test]
    fn a_delay_takes_its_time() {
        let (_registry, proxy) = proxy_with(Fault::Delay(Duration::from_millis(300)));
        let start = Instant::now();
        assert_eq!(download(&proxy).unwrap().body, CONTENT);
        assert!(start.elapsed() >= Duration::from_millis(300));
    }
}
