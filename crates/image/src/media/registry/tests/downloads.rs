//! Blobs that come in pieces, or not as they should.

use super::*;

/// A layer in the registry that `server` plays.
fn remote(server: &Server, pace: Pace, descriptor: &Descriptor) -> Layer {
    let access = plain(Credential::Anonymous);
    let registry = Registry::paced(&network(), &server.host(), access, pace).unwrap();
    let blob = registry.source(&reference(server, "a/b")).blob(descriptor);
    Layer::stored(descriptor.clone(), None, blob)
}

fn fetch(server: &Server, wanted: &[u8]) -> io::Result<Vec<u8>> {
    read(&remote(server, pace(), layer(wanted).descriptor().unwrap()))
}

/// The position from which a request wants the blob.
fn start(seen: &Request) -> usize {
    let range = seen.header("range").map(|range| range.strip_prefix("bytes=").unwrap());
    range.map_or(0, |range| range.strip_suffix('-').unwrap().parse().unwrap())
}

#[test]
fn broken_download_goes_on_where_it_broke_as_often_as_it_takes() {
    let bytes = bytes(1_000_000);
    let server = Server::start({
        let bytes = bytes.clone();
        move |seen, _| {
            let start = start(seen);
            let rest = &bytes[start..];
            let reply = Reply::new(if start > 0 { 206 } else { 200 })
                .header("Content-Range", format!("bytes {start}-999999/1000000"))
                .body(rest);
            if rest.len() > 100_000 { reply.cut_after(100_000) } else { reply }
        }
    });
    assert!(fetch(&server, &bytes).unwrap() == bytes);
    let starts: Vec<usize> = server.requests().iter().map(start).collect();
    assert!(starts.len() >= 10 && starts.windows(2).all(|pair| pair[0] < pair[1]), "{starts:?}");
}

#[test]
fn server_without_ranges_sends_again_what_is_known() {
    let bytes = bytes(500_000);
    let server = Server::start({
        let bytes = bytes.clone();
        move |_, n| {
            let reply = Reply::ok(bytes.clone());
            if n < 3 { reply.cut_after(100_000 * (n + 1)) } else { reply }
        }
    });
    assert!(fetch(&server, &bytes).unwrap() == bytes);
    assert_eq!(server.lines().len(), 4);
}

#[test]
fn connection_that_never_brings_anything_is_given_up() {
    let bytes = bytes(1000);
    let server = Server::start({
        let bytes = bytes.clone();
        move |seen, _| match start(seen) {
            0 => Reply::ok(bytes.clone()).cut_after(500),
            _ => Reply::none_after(0),
        }
    });
    let error = fetch(&server, &bytes).unwrap_err();
    let inner = error.get_ref().unwrap().downcast_ref::<RegistryError>();
    assert!(matches!(inner, Some(RegistryError::Transport { .. })), "{error}");
    assert_eq!(server.lines().len(), 1 + 4, "the first, which brought something, and the rest");
}

#[test]
fn silent_connection_is_left() {
    let bytes = bytes(1000);
    let server = Server::start({
        let bytes = bytes.clone();
        move |seen, n| match n {
            0 => Reply::never(),
            1 => Reply::ok(bytes.clone()).silent_after(500),
            _ => Reply::new(206)
                .header("Content-Range", format!("bytes {}-999/1000", start(seen)))
                .body(&bytes[start(seen)..]),
        }
    });
    let hasty = Pace { idle: Duration::from_secs(1), ..pace() };
    let descriptor = layer(&bytes).descriptor().unwrap().clone();
    assert!(read(&remote(&server, hasty, &descriptor)).unwrap() == bytes);
    assert_eq!(start(&server.requests()[2]), 500);
}

#[test]
fn part_that_begins_elsewhere_is_refused() {
    let bytes = bytes(1000);
    let server = Server::start({
        let bytes = bytes.clone();
        move |seen, _| match start(seen) {
            0 => Reply::ok(bytes.clone()).cut_after(500),
            _ => Reply::new(206).header("Content-Range", "bytes 0-999/1000").body(bytes.clone()),
        }
    });
    let error = fetch(&server, &bytes).unwrap_err();
    assert!(error.to_string().ends_with("another part than was asked for"), "{error}");
    assert_eq!(server.lines().len(), 2);
}

#[test]
fn wrong_lengths_and_digests_are_damage() {
    let bytes = bytes(1000);
    for (served, expected) in [(999, "ends after 999"), (1001, "longer"), (5_000_000, "longer")] {
        let server = Server::start(move |seen, _| match start(seen) {
            0 => Reply::ok(super::bytes(served)),
            _ => Reply::new(416),
        });
        let error = fetch(&server, &bytes).unwrap_err();
        assert!(damage(&error).to_string().contains(expected), "{error}");
    }
    let server = Server::start(|_, _| Reply::ok(vec![7; 1000]));
    assert!(matches!(damage(&fetch(&server, &bytes).unwrap_err()), Damage::Digest { .. }));
}

#[test]
fn no_more_than_one_byte_too_many_is_read() {
    let server = Server::start(|_, _| Reply::ok(vec![7; 1_000_000]));
    let descriptor = layer(&[7; 10]).descriptor().unwrap().clone();
    let mut out = Vec::new();
    let reading = remote(&server, pace(), &descriptor);
    reading.content().open().unwrap().read_to_end(&mut out).unwrap();
    assert_eq!(out.len(), 11);
}

#[test]
fn missing_blob_is_named() {
    let server = Server::start(|_, _| Reply::new(404));
    let error = fetch(&server, b"abc").unwrap_err();
    let name = format!("{}/a/b@{}", server.host(), Digest::of(b"abc"));
    assert_eq!(error.to_string(), format!("{name} is not in the registry"));
}

#[test]
fn urls_of_a_descriptor_are_never_fetched() {
    let away = Server::start(|_, _| Reply::ok("abc"));
    let server = Server::start(|_, _| Reply::new(404));
    let mut descriptor = layer(b"abc").descriptor().unwrap().clone();
    descriptor.urls = vec![away.url("/abc")];
    assert!(read(&remote(&server, pace(), &descriptor)).is_err());
    assert_eq!((server.lines().len(), away.lines().len()), (1, 0));
}
