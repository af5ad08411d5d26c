//! The proxy before a scripted registry.

use std::time::{Duration, Instant};

use super::*;
use crate::http::{Response, read_body, request};
use crate::{Gate, Reply, Server};

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

/// Starts a registry that keeps uploads.
fn registry() -> Server {
    Server::start(|request, _| match request.head.method() {
        "POST" => {
            let host = request.header("Host").unwrap_or_default();
            Reply::new(202).header("Location", format!("http://{host}/up/1?state=s"))
        }
        "PUT" => Reply::stored(),
        _ if request.line() == "GET /v2/" => Reply::ok("{}"),
        _ => Reply::served(),
    })
}

/// Tells whether a blob reached the registry whole.
fn has_blob(registry: &Server) -> bool {
    registry.requests().iter().any(|request| request.is("PUT") && request.is_whole)
}

/// A registry that holds the blob, and a proxy with one rule for its download.
fn proxy_with(fault: Fault) -> (Server, FaultProxy) {
    let registry = registry();
    assert_eq!(upload(&registry.host()).unwrap().status, 201);
    let rule = Rule::new("GET", "/blobs/sha256", fault).once();
    let proxy = FaultProxy::start(&registry.host(), vec![rule]);
    (registry, proxy)
}

fn assert_second_download_is_right(proxy: &FaultProxy) {
    assert_eq!(download(proxy).unwrap().body, CONTENT);
}

#[test]
fn without_rules_nothing_is_changed() {
    let registry = registry();
    let proxy = FaultProxy::start(&registry.host(), Vec::new());
    assert_eq!(upload(&proxy.host()).unwrap().status, 201);
    assert_second_download_is_right(&proxy);
    let requests = proxy.requests();
    let seen: Vec<_> = requests
        .iter()
        .map(|request| (request.head.method(), request.body_length, request.status))
        .collect();
    let length = CONTENT.len() as u64;
    assert_eq!(seen, [("POST", 0, Some(202)), ("PUT", length, Some(201)), ("GET", 0, Some(200))]);
    assert_eq!(requests[0].head.header("Host"), Some(proxy.host().as_str()));
}

#[test]
fn a_connection_carries_several_requests() {
    let registry = registry();
    let proxy = FaultProxy::start(&registry.host(), Vec::new());
    let mut stream = TcpStream::connect(proxy.host()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..3 {
        stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let head = ResponseHead::read(&mut reader).unwrap().unwrap();
        let framing = head.framing("GET").unwrap();
        assert_eq!(read_body(&mut reader, framing).unwrap(), b"{}");
    }
}

#[test]
fn an_upload_is_cut_before_its_body() {
    let registry = registry();
    let rule = Rule::new("PUT", "/up/", Fault::CutBeforeRequestBody).once();
    let proxy = FaultProxy::start(&registry.host(), vec![rule]);
    assert!(upload(&proxy.host()).is_err());
    assert_eq!(proxy.requests()[1].status, None);
    assert!(!has_blob(&registry));
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
    assert!(has_blob(&registry));
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
    let registry = registry();
    let rule = Rule::new("PUT", "/up/", Fault::CutRequestAfter(5)).once();
    let proxy = FaultProxy::start(&registry.host(), vec![rule]);
    assert!(upload(&proxy.host()).is_err());
    assert!(!has_blob(&registry));
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
    let gate = Gate::default();
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
