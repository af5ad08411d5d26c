//! Blobs that go up while they are made.

use std::thread;

use super::*;
use crate::{Content, Quiet, Sink};

const HALF: usize = 200_000;

/// Bytes whose second half comes later.
struct Made {
    pause: Duration,
}

impl Content for Made {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let bytes = bytes(2 * HALF);
        let first = io::Cursor::new(bytes[..HALF].to_vec());
        let second =
            Late { pause: Some(self.pause), rest: io::Cursor::new(bytes[HALF..].to_vec()) };
        Ok(Box::new(first.chain(second)))
    }
}

struct Late {
    pause: Option<Duration>,
    rest: io::Cursor<Vec<u8>>,
}

impl Read for Late {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(pause) = self.pause.take() {
            thread::sleep(pause);
        }
        self.rest.read(buffer)
    }
}

fn made() -> Made {
    Made { pause: Duration::ZERO }
}

fn sink(server: &Server, pace: Pace) -> Arc<dyn Sink> {
    Registry::paced(&network(), &server.host(), plain(me()), pace)
        .unwrap()
        .sink(&reference(server, "a/b:1"))
}

fn takes_streams(seen: &Request) -> Reply {
    match seen.is("PATCH") {
        true => Reply::new(202).header("Location", "/up/2?state=t"),
        false => takes_all(seen),
    }
}

#[test]
fn digest_is_told_when_all_bytes_are_there() {
    let server = Server::start(|seen, _| takes_streams(seen));
    let sink = sink(&server, pace());
    let layer = layer(&bytes(2 * HALF));
    assert!(sink.upload_streaming("it", &made(), &Quiet).unwrap().settle(&layer));
    let digest = layer.digest().unwrap().to_string().replace(':', "%3A");
    let put = format!("PUT /up/2?state=t&digest={digest}");
    assert_eq!(server.lines(), ["POST /v2/a/b/blobs/uploads/", "PATCH /up/1?state=s", &put]);
    let seen = server.requests();
    assert!(seen[1].body == bytes(2 * HALF));
    assert_eq!(seen[2].header("content-length"), Some("0"));
}

#[test]
fn stream_that_is_refused_or_cut_is_given_up_for_an_upload() {
    let refusals: [fn() -> Reply; 5] = [
        || Reply::new(404),
        || Reply::new(500),
        || Reply::new(202),
        || Reply::none_after(HALF),
        || Reply::new(413),
    ];
    for refusal in refusals {
        let server = Server::start(move |seen, _| match seen.is("PATCH") {
            true => refusal(),
            false => takes_all(seen),
        });
        let sink = sink(&server, pace());
        assert!(sink.upload_streaming("it", &made(), &Quiet).is_none(), "{:?}", server.lines());
        sink.put(&layer(&bytes(2 * HALF)), &Quiet).unwrap();
        assert_eq!((server.count("PATCH"), server.count("PUT")), (1, 1));
    }
}

#[test]
fn digest_that_is_refused_is_given_up_for_an_upload() {
    for status in [400, 404, 500] {
        let server = Server::start(move |seen, _| match seen.line().contains("state=t") {
            true => Reply::new(status),
            false => takes_streams(seen),
        });
        let sink = sink(&server, pace());
        let upload = sink.upload_streaming("it", &made(), &Quiet).unwrap();
        assert!(!upload.settle(&layer(&bytes(2 * HALF))), "{status}");
    }
}

#[test]
fn bytes_that_are_never_made_get_no_digest() {
    struct Fails;
    impl Content for Fails {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            struct Failing;
            impl Read for Failing {
                fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                    Err(io::Error::other("the source is damaged"))
                }
            }
            Ok(Box::new(io::Cursor::new(bytes(HALF)).chain(Failing)))
        }
    }
    let answers: [fn(&Request) -> Reply; 2] = [takes_streams, |seen| match seen.is("PATCH") {
        true => Reply::never(),
        false => takes_all(seen),
    }];
    for answer in answers {
        let server = Server::start(move |seen, _| answer(seen));
        assert!(sink(&server, pace()).upload_streaming("it", &Fails, &Quiet).is_none());
        assert_eq!(server.count("PUT"), 0);
        assert_eq!(server.count("DELETE /up/1?state=s"), 1);
        // It may break off before its first byte has come.
        let is_whole = |seen: &Request| seen.is("PATCH") && seen.is_whole;
        assert!(!server.requests().iter().any(is_whole), "a part was passed off as the whole");
    }
}

#[test]
fn stream_waits_longer_for_its_bytes_than_for_its_connection() {
    let pace = Pace { idle: Duration::from_secs(1), ..pace() };
    let server = Server::start(|seen, _| takes_streams(seen));
    let slow = Made { pause: 2 * pace.idle };
    assert!(sink(&server, pace.clone()).upload_streaming("it", &slow, &Quiet).is_some());
    let server = Server::start(|seen, _| match seen.is("PATCH") {
        true => Reply::never(),
        false => takes_all(seen),
    });
    let pace = Pace { digestion: pace.idle, ..pace };
    assert!(sink(&server, pace).upload_streaming("it", &made(), &Quiet).is_none());
}
