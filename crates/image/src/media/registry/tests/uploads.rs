//! Blobs that do not arrive at the first attempt, and blobs that need not be sent.

use std::sync::Mutex;

use super::*;
use crate::{Content, Meter, Progress, Quiet, Sink, Stage};

fn sink(server: &Server, pace: Pace) -> Arc<dyn Sink> {
    let access = plain(Credential::Anonymous);
    Registry::paced(&network(), &server.host(), access, pace)
        .unwrap()
        .sink(&reference(server, "a/b:1"))
}

/// Notes each call.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<(u64, Vec<String>)>>);

impl Progress for Diary {
    fn begin(&self, stage: Stage, name: &str, bytes: Option<u64>) -> Box<dyn Meter> {
        self.0.lock().unwrap().1.push(format!("{stage:?} {name} {bytes:?}"));
        Box::new(self.clone())
    }

    fn present(&self, name: &str) {
        self.0.lock().unwrap().1.push(format!("present {name}"));
    }
}

impl Meter for Diary {
    fn advance(&self, bytes: u64) {
        self.0.lock().unwrap().0 += bytes;
    }

    fn done(self: Box<Self>) {
        self.0.lock().unwrap().1.push("done".to_owned());
    }
}

#[test]
fn broken_upload_begins_again_with_the_same_bytes() {
    let server = Server::start(|seen, n| {
        if seen.is("POST") {
            // The first two uploads are cut.
            return Reply::new(202).header("Location", format!("/up/{n}"));
        }
        if seen.is("PUT") && n < 6 { Reply::none_after(200_000) } else { takes_all(seen) }
    });
    let (bytes, diary) = (bytes(5_000_000), Diary::default());
    let layer = layer(&bytes);
    sink(&server, pace()).put(&layer, &diary).unwrap();
    let seen = server.requests();
    let puts: Vec<&Request> = seen.iter().filter(|seen| seen.is("PUT")).collect();
    assert_eq!(puts.len(), 3, "{:?}", server.lines());
    assert!(puts[0].body == bytes[..200_000] && puts[2].body == bytes);
    assert_eq!(puts[2].header("content-length"), Some("5000000"));
    let diary = diary.0.lock().unwrap();
    assert_eq!(diary.0, 5_000_000, "what goes again is not counted again");
    assert_eq!(diary.1, [format!("Upload {} Some(5000000)", layer.name()), "done".to_owned()]);
}

#[test]
fn upload_that_the_registry_forgot_begins_again() {
    let server = Server::start(|seen, n| match (seen.is("PUT"), n) {
        (true, 0..4) => Reply::new(404).body(r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}"#),
        _ => takes_all(seen),
    });
    sink(&server, pace()).put(&layer(b"abc"), &Quiet).unwrap();
    assert_eq!((server.count("POST"), server.count("PUT")), (2, 2));
}

#[test]
fn lost_answer_to_an_upload_is_noticed() {
    let server = Server::start(|seen, n| match seen.is("PUT") {
        true => Reply::none_after(usize::MAX),
        false if seen.is("HEAD") && n > 0 => there(seen),
        false => takes_all(seen),
    });
    sink(&server, pace()).put(&layer(b"abc"), &Quiet).unwrap();
    assert_eq!(server.count("PUT"), 1);
}

#[test]
fn blob_that_is_there_is_not_sent() {
    let server = Server::start(|seen, _| there(seen));
    let (layer, diary) = (layer(b"abc"), Diary::default());
    sink(&server, pace()).put(&layer, &diary).unwrap();
    assert_eq!(server.lines(), [format!("HEAD /v2/a/b/blobs/{}", Digest::of(b"abc"))]);
    assert_eq!(diary.0.lock().unwrap().1, [format!("present {}", layer.name())]);
}

#[test]
fn each_digest_is_asked_for_once() {
    let there = Digest::of(b"there").to_string();
    let server = Server::start(move |seen, _| match seen.line().ends_with(&there) {
        true => super::there(seen),
        false => takes_all(seen),
    });
    let unpacked = Layer::decrypted(
        MediaType::DOCKER_LAYER,
        1,
        crate::DiffId(Digest::of(b"x")),
        Arc::new(b"x".to_vec()),
    );
    let image = image(vec![layer(b"there"), layer(b"new"), unpacked, layer(b"new")]);
    let sink = sink(&server, pace());
    assert_eq!(sink.present(&image).unwrap(), [true, false, false, false]);
    assert_eq!(server.count("HEAD"), 2);
    sink.put(&image.layers[1], &Quiet).unwrap();
    assert_eq!((server.count("HEAD"), server.count("PUT")), (2, 1));
    assert!(matches!(sink.put(&image.layers[2], &Quiet), Err(WriteError::Manifest(_))));
}

#[test]
fn failing_layer_is_the_error_and_is_not_tried_again() {
    struct Failing;
    impl Content for Failing {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            struct Fails;
            impl Read for Fails {
                fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                    Err(io::Error::other("the disk is gone"))
                }
            }
            Ok(Box::new(io::Cursor::new(vec![7; 300_000]).chain(Fails)))
        }
    }
    let server = Server::start(|seen, _| takes_all(seen));
    let broken = layer(&[7; 600_000]).with_content(Arc::new(Failing));
    let error = sink(&server, pace()).put(&broken, &Quiet).unwrap_err();
    assert_eq!(error.to_string(), "the disk is gone");
    assert_eq!(server.count("POST"), 1);
}

#[test]
fn layer_of_another_digest_is_damage_even_if_the_registry_takes_it() {
    let server = Server::start(|seen, _| takes_all(seen));
    let wrong = layer(b"abc").with_content(Arc::new(b"abd".to_vec()));
    let WriteError::Io(error) = sink(&server, pace()).put(&wrong, &Quiet).unwrap_err() else {
        panic!("another error")
    };
    assert!(matches!(damage(&error), Damage::Digest { .. }));
}

#[test]
fn early_refusal_ends_the_upload() {
    let server = Server::start(|seen, _| match seen.is("PUT") {
        true => Reply::new(403).early(1000),
        false => takes_all(seen),
    });
    let patient = Pace { idle: Duration::from_secs(3600), ..pace() };
    let error = sink(&server, patient).put(&layer(&bytes(30_000_000)), &Quiet).unwrap_err();
    let error = registry_error(error);
    assert!(matches!(error, RegistryError::Denied { .. }), "{error}");
}

#[test]
fn upload_that_nobody_takes_is_left() {
    let server = Server::start(|seen, _| match seen.is("PUT") {
        true => Reply::never(),
        false => takes_all(seen),
    });
    let hasty = Pace { attempts: 1, idle: Duration::from_secs(1), ..pace() };
    let error = sink(&server, hasty).put(&layer(&bytes(30_000_000)), &Quiet).unwrap_err();
    let error = registry_error(error);
    assert!(matches!(error, RegistryError::Transport { .. }), "{error}");
    assert_eq!(server.count("PUT"), 1);
}

#[test]
fn registry_may_think_about_an_upload_for_longer_than_connections_may_be_silent() {
    const IDLE: Duration = Duration::from_secs(1);
    let server = Server::start(|seen, _| {
        if seen.is("PUT") {
            std::thread::sleep(2 * IDLE);
        }
        takes_all(seen)
    });
    let hasty = Pace { attempts: 1, idle: IDLE, ..pace() };
    sink(&server, hasty).put(&layer(b"abc"), &Quiet).unwrap();
}

#[test]
fn empty_blob_is_sent_with_its_length() {
    let server = Server::start(|seen, _| takes_all(seen));
    sink(&server, pace()).put(&layer(b""), &Quiet).unwrap();
    let seen = server.requests();
    assert_eq!(seen.last().unwrap().header("content-length"), Some("0"));
}
