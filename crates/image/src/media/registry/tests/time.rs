//! Registries that never end, and how long the client waits for them.
//!
//! Nothing here depends on the machine's speed: the bytes that the client gives up on never end, and a
//! slower machine only makes them slower. A document has a tenth of a second, in which a busy machine may not
//! even connect: where a test needs more, it tries again with more time.

use super::*;
use crate::Quiet;
use crate::registry::http::patience::LeastRate;

/// A moment, in which one more byte comes.
const MOMENT: Duration = Duration::from_millis(10);

/// Patience with blobs for a tenth of a second, in which a megabyte had to come.
fn hasty_with_blobs() -> Pace {
    let least_rate = LeastRate { bytes: 10 << 20, window: Duration::from_millis(100) };
    Pace { least_rate, ..pace() }
}

/// The same patience, and a tenth of a second for a document.
fn hasty() -> Pace {
    Pace { document: Duration::from_millis(100), ..hasty_with_blobs() }
}

fn registry(server: &Server, pace: Pace) -> Registry {
    Registry::paced(&network(), &server.host(), plain(me()), pace).unwrap()
}

fn blob_error(server: &Server, pace: Pace, size: usize) -> RegistryError {
    let descriptor = layer(&bytes(size)).descriptor().unwrap().clone();
    let blob = registry(server, pace).source(&reference(server, "a")).blob(&descriptor);
    let error = blob.open().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    *error.into_inner().unwrap().downcast().unwrap()
}

fn root_error(server: &Server, pace: Pace) -> RegistryError {
    let error = registry(server, pace).source(&reference(server, "a:1")).root().unwrap_err();
    error.into_medium().unwrap()
}

/// Starts a server and reads a manifest from it, with ever more time until the error is the expected one. Returns the
/// server.
#[track_caller]
fn error_in_time(
    start: impl Fn() -> Server,
    is_expected: impl Fn(&RegistryError) -> bool,
) -> Server {
    let mut last = None;
    for tenths in [1, 10, 100] {
        let server = start();
        let (document, longest_asked) =
            (Duration::from_millis(100) * tenths, Duration::from_secs(60));
        let pace = Pace { document, longest_asked, ..hasty() };
        let error = root_error(&server, pace);
        if is_expected(&error) {
            return server;
        }
        last = Some(error);
    }
    panic!("{last:?}");
}

#[test]
fn blob_that_comes_byte_by_byte_is_given_up() {
    let server = Server::start(|_, _| Reply::ok(bytes(1_000_000)).drip(MOMENT));
    let error = blob_error(&server, hasty_with_blobs(), 1_000_000);
    assert!(matches!(error, RegistryError::TooSlow { least: 10_485_760, .. }), "{error}");
    assert_eq!(server.lines().len(), 1);
}

#[test]
fn blob_may_come_as_slowly_as_it_likes_where_nothing_else_is_asked_for() {
    let server = Server::start(|_, _| Reply::ok(bytes(100)).drip(MOMENT));
    let least_rate = LeastRate { bytes: 0, window: Duration::from_millis(1) };
    let patient = Pace { least_rate, ..hasty_with_blobs() };
    let descriptor = layer(&bytes(100)).descriptor().unwrap().clone();
    let blob = registry(&server, patient).source(&reference(&server, "a")).blob(&descriptor);
    let mut out = Vec::new();
    blob.open().unwrap().read_to_end(&mut out).unwrap();
    assert!(out == bytes(100));
}

#[test]
fn slow_reader_of_ours_is_not_the_registrys_fault() {
    let server = Server::start(|_, _| Reply::ok(bytes(3_000_000)));
    let descriptor = layer(&bytes(3_000_000)).descriptor().unwrap().clone();
    // A rate so low that any wait for the other side in the test is fast enough.
    let least_rate = LeastRate { bytes: 2000, window: Duration::from_millis(1) };
    let pace = Pace { least_rate, ..pace() };
    let blob = registry(&server, pace).source(&reference(&server, "a")).blob(&descriptor);
    let mut reader = blob.open().unwrap();
    let mut buffer = vec![0; 64 << 10];
    let mut count = 0;
    loop {
        let read = reader.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        count += read;
        std::thread::sleep(Duration::from_millis(3));
    }
    assert_eq!(count, 3_000_000);
}

#[test]
fn connections_that_bring_one_byte_each_are_not_made_for_ever() {
    let server = Server::start(|seen, _| {
        let range = seen.header("range").map(|range| range.strip_prefix("bytes=").unwrap());
        let start: usize =
            range.map_or(0, |range| range.strip_suffix('-').unwrap().parse().unwrap());
        Reply::new(if start > 0 { 206 } else { 200 })
            .header("Content-Range", format!("bytes {start}-999999/1000000"))
            .body(vec![7; 1_000_000 - start])
            .cut_after(1)
    });
    let error = blob_error(&server, pace(), 1_000_000);
    assert!(matches!(error, RegistryError::Transport { .. }), "{error}");
    assert_eq!(server.lines().len(), 5);
}

#[test]
fn server_that_begins_anew_each_time_does_not_do_so_for_ever() {
    let server = Server::start(|_, n| Reply::ok(bytes(3_000_000)).cut_after((n + 1) * 200_000));
    let error = blob_error(&server, pace(), 3_000_000);
    assert!(matches!(error, RegistryError::Transport { .. }), "{error}");
    assert_eq!(server.lines().len(), 5);
}

#[test]
fn manifest_that_comes_byte_by_byte_is_given_up() {
    let server = Server::start(|_, _| Reply::ok(vec![b' '; 1_000_000]).drip(MOMENT));
    let error = root_error(&server, hasty());
    let request = format!("GET {}", server.url("/v2/a/manifests/1"));
    assert_eq!(error.to_string(), format!("{request} was not answered in full within 0.1 s"));
}

#[test]
fn config_that_comes_byte_by_byte_is_given_up_however_slowly_layers_may_come() {
    let server = Server::start(|_, _| Reply::ok(bytes(1_000_000)).drip(MOMENT));
    let least_rate = LeastRate { bytes: 0, window: Duration::from_millis(1) };
    let pace = Pace { least_rate, ..hasty() };
    let descriptor = layer(&bytes(1_000_000)).descriptor().unwrap().clone();
    let config = registry(&server, pace).source(&reference(&server, "a")).config(&descriptor);
    let error = config.open().unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    let error = *error.into_inner().unwrap().downcast::<RegistryError>().unwrap();
    assert!(matches!(error, RegistryError::TooLate { .. }), "{error}");
}

#[test]
fn token_that_comes_byte_by_byte_is_given_up() {
    let start = || {
        Server::start(|seen, _| {
            if seen.line().contains("/token") {
                return Reply::ok(vec![b' '; 200_000]).drip(MOMENT);
            }
            let realm = format!("http://{}/token", seen.header("host").unwrap());
            Reply::new(401).header("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))
        })
    };
    let is_late = |error: &RegistryError| match error {
        RegistryError::TooLate { request, .. } => request.contains("/token"),
        _ => false,
    };
    let server = error_in_time(start, is_late);
    assert_eq!(server.count("GET /token"), 1);
}

#[test]
fn complaint_that_never_ends_is_not_waited_for() {
    let complaint = || Reply::new(404).body(vec![b' '; 60_000]).drip(MOMENT);
    let is_not_found = |error: &RegistryError| matches!(error, RegistryError::NotFound { .. });
    error_in_time(|| Server::start(move |_, _| complaint()), is_not_found);
}

#[test]
fn attempts_and_waits_share_the_time_of_a_document() {
    let start = || Server::start(|_, _| Reply::new(503).header("Retry-After", "60"));
    let is_refusal =
        |error: &RegistryError| matches!(error, RegistryError::Status { status: 503, .. });
    let server = error_in_time(start, is_refusal);
    assert_eq!(server.lines().len(), 1, "there is no time for another attempt");
}

#[test]
fn registry_that_never_answers_is_left_when_the_time_is_over() {
    let server = Server::start(|_, _| Reply::never());
    let error = root_error(&server, hasty());
    assert!(matches!(error, RegistryError::TooLate { .. }), "{error}");
}

#[test]
fn upload_that_goes_more_slowly_than_it_has_to_is_given_up() {
    // The server reads a little at a time.
    let server = Server::start(|seen, _| match seen.is("PUT") {
        true => Reply::stored().sip(64 << 10, MOMENT),
        false => takes_all(seen),
    });
    let least_rate = LeastRate { bytes: 10 << 30, window: Duration::from_millis(200) };
    let hasty = Pace { idle: Duration::from_millis(200), least_rate, ..pace() };
    let sink = registry(&server, hasty).sink(&reference(&server, "a:1"));
    let error = registry_error(sink.put(&layer(&bytes(60_000_000)), &Quiet).unwrap_err());
    // If the server reads so little that nothing more fits into the connection, the connection is silent.
    let is_given_up =
        matches!(error, RegistryError::TooSlow { .. } | RegistryError::Transport { .. });
    assert!(is_given_up, "{error}");
}
