//! Tests of loads into an engine.

use std::io::Read;
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::archive::DockerArchive;
use crate::engine::fake::{Caller, Fake, hang, image, layer, soon};
use crate::{Content, Damage, Quiet};

const LOAD: &str = "POST /images/load?quiet=true";

/// More than the channel, the socket and every buffer between them hold.
const MUCH: usize = 16 << 20;

fn damaged(bytes: Vec<u8>) -> Layer {
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    layer(bytes).with_content(Arc::new(other))
}

/// An engine of the classic store that holds `image`, and loads as `load` says.
fn holding(image: &Image, load: impl Fn(Caller) + Send + Sync + 'static) -> Fake {
    let (id, diff_ids) = (image.id(), held::diff_ids(image));
    Fake::start(
        move |request, mut caller| {
            if request == LOAD { load(caller) } else { caller.classic(request, id, &diff_ids) }
        },
    )
}

fn sink(fake: &Fake) -> Arc<dyn Sink> {
    fake.connect().sink(Some(&"app:1".parse().unwrap()))
}

/// Loads `image` into an engine that holds it and loads as `load` says.
fn loaded(
    image: Image,
    load: impl Fn(Caller) + Send + Sync + 'static,
) -> Result<Descriptor, WriteError> {
    let fake = holding(&image, load);
    soon(move || {
        let sink = sink(&fake);
        for layer in &image.layers {
            sink.put(layer, &Quiet)?;
        }
        sink.commit(&Outgoing::built(image.clone()))
    })
}

fn engines(result: Result<Descriptor, WriteError>) -> EngineError {
    match result {
        Err(error) => error.into_medium().unwrap(),
        Ok(descriptor) => panic!("{descriptor:?}"),
    }
}

fn is_damage(error: &WriteError) -> bool {
    matches!(error, WriteError::Io(error)
        if error.get_ref().is_some_and(|inner| inner.is::<Damage>()))
}

#[test]
fn what_many_threads_put_is_one_archive_of_the_image() {
    let image = image((0..4).map(|i| layer(vec![i; MUCH / 4])).collect());
    let (sender, bodies) = mpsc::channel();
    let fake = holding(&image, move |mut caller| {
        sender.send(caller.body().unwrap()).unwrap();
        caller.answer(200, b"{\"stream\":\"Loaded image: app:1\\n\"}\r\n");
    });
    let sink = sink(&fake);
    thread::scope(|scope| {
        for layer in &image.layers {
            let sink = &sink;
            scope.spawn(move || sink.put(layer, &Quiet).unwrap());
        }
    });
    assert_eq!(sink.commit(&Outgoing::built(image.clone())).unwrap().digest, image.id());
    assert!(sink.commit(&Outgoing::built(image)).is_err(), "it was loaded twice");
    let archive = DockerArchive::open_bytes(&bodies.recv().unwrap()).unwrap();
    assert_eq!(archive.repo_tags(), ["app:1"]);
}

#[test]
fn digest_in_a_name_is_left_out() {
    let image = image(vec![layer(vec![1; 9])]);
    let digest = Digest::of(b"a manifest");
    for (name, tags) in [(format!("app:1@{digest}"), 1), (format!("app@{digest}"), 0)] {
        let (sender, bodies) = mpsc::channel();
        let said = format!("{{\"stream\":\"Loaded image ID: {}\\n\"}}\n", image.id());
        let fake = holding(&image, move |mut caller| {
            sender.send(caller.body().unwrap()).unwrap();
            caller.answer(200, said.as_bytes());
        });
        let sink = fake.connect().sink(Some(&name.parse().unwrap()));
        sink.put(&image.layers[0], &Quiet).unwrap();
        sink.commit(&Outgoing::built(image.clone())).unwrap();
        let archive = DockerArchive::open_bytes(&bodies.recv().unwrap()).unwrap();
        assert_eq!(archive.repo_tags().len(), tags, "{name}");
    }
}

#[test]
fn error_in_a_good_answer_fails() {
    for (detail, words) in
        [("{\"message\":\"bad\"}", "bad"), ("{\"code\":1}", "(it does not say why)")]
    {
        let error = engines(loaded(image(vec![layer(vec![1; 9])]), move |mut caller| {
            caller.body().unwrap();
            let line = format!("{{\"stream\":\"x\"}}\r\n{{\"errorDetail\":{detail}}}\r\n");
            caller.answer(200, line.as_bytes());
        }));
        let is_told = matches!(&error, EngineError::Refused { status: None, said }
            if said == words);
        assert!(is_told, "{error:?}");
    }
}

#[test]
fn absent_layer_is_told_apart() {
    let error = engines(loaded(image(vec![layer(vec![1; 9])]), |mut caller| {
        caller.body().unwrap();
        let said = "open /x/1.tar: no such file or directory";
        caller.answer(200, format!("{{\"errorDetail\":{{\"message\":\"{said}\"}}}}\n").as_bytes());
    }));
    assert!(matches!(error, EngineError::LayerGone { .. }), "{error:?}");
}

#[test]
fn layer_that_the_engine_finds_to_be_another_is_told_apart() {
    let error = engines(loaded(image(vec![layer(vec![1; 9])]), |mut caller| {
        caller.body().unwrap();
        let said = "invalid diffID for layer 0: expected 1, got 2";
        caller.answer(200, format!("{{\"errorDetail\":{{\"message\":\"{said}\"}}}}\n").as_bytes());
    }));
    assert!(matches!(error, EngineError::OtherLayer { .. }), "{error:?}");
}

#[test]
fn answer_before_the_body_is_read_ends_the_load() {
    let error = engines(loaded(image(vec![layer(vec![1; MUCH])]), |mut caller| {
        caller.answer(500, br#"{"message":"no space"}"#);
        hang();
    }));
    let is_told = matches!(&error, EngineError::Refused { status: Some(500), said }
        if said == "no space");
    assert!(is_told, "{error:?}");
}

#[test]
fn answer_before_a_close_is_read() {
    let error = engines(loaded(image(vec![layer(vec![1; MUCH])]), |mut caller| {
        caller.read_some(1 << 20);
        caller.answer(500, br#"{"message":"no space"}"#);
        caller.close();
    }));
    assert!(matches!(error, EngineError::Refused { status: Some(500), .. }), "{error:?}");
}

#[test]
fn engine_that_says_all_is_well_too_early_fails() {
    let error = engines(loaded(image(vec![layer(vec![1; MUCH])]), |mut caller| {
        caller.answer(200, b"{\"stream\":\"Loaded image: app:1\"}\n");
        hang();
    }));
    assert!(matches!(error, EngineError::EndedEarly), "{error:?}");
}

#[test]
fn engine_that_dies_fails() {
    let error =
        engines(loaded(image(vec![layer(vec![1; MUCH])]), |mut caller| caller.read_some(9)));
    assert!(matches!(error, EngineError::Connection { .. }), "{error:?}");
    let error = engines(loaded(image(vec![layer(vec![1; 9])]), |mut caller| {
        caller.body().unwrap();
    }));
    assert!(matches!(error, EngineError::Connection { .. }), "{error:?}");
}

#[test]
fn engine_without_the_image_fails() {
    let wanted = image(vec![layer(vec![1; 9])]);
    let answer = |mut caller: Caller| {
        caller.body().unwrap();
        caller.answer(200, b"");
    };
    // It holds another image under the name.
    let fake = holding(&image(vec![layer(vec![2; 9])]), answer);
    let sink = sink(&fake);
    sink.put(&wanted.layers[0], &Quiet).unwrap();
    let error = engines(sink.commit(&Outgoing::built(wanted)));
    assert!(matches!(error, EngineError::NotLoaded { .. }), "{error:?}");
}

#[test]
fn damaged_layer_cuts_the_load() {
    for answers_first in [false, true] {
        let bad = image(vec![layer(vec![1; 9]), damaged(vec![2; MUCH])]);
        let (sender, bodies) = mpsc::channel();
        let error = loaded(bad, move |mut caller| {
            if answers_first {
                caller.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            }
            sender.send(caller.body()).unwrap();
        });
        assert!(is_damage(&error.unwrap_err()));
        assert!(bodies.recv().unwrap().is_err(), "the body ended well");
    }
}

#[test]
fn damaged_layer_is_told_though_the_engine_hangs() {
    let error = loaded(image(vec![damaged(vec![2; 9])]), |mut caller| {
        caller.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        hang();
    });
    assert!(is_damage(&error.unwrap_err()));
}

#[test]
fn every_layer_fails_as_the_first_that_failed() {
    let wanted = image(vec![damaged(vec![1; MUCH]), layer(vec![2; 9]), layer(vec![3; 9])]);
    let fake = holding(&wanted, |mut caller| drop(caller.body()));
    let sink = sink(&fake);
    let put = |layer| sink.put(layer, &Quiet);
    assert!(is_damage(&put(&wanted.layers[0]).unwrap_err()));
    thread::scope(|scope| {
        for layer in &wanted.layers[1..] {
            scope.spawn(move || assert!(is_damage(&put(layer).unwrap_err())));
        }
    });
    assert!(is_damage(&sink.commit(&Outgoing::built(wanted)).unwrap_err()));
}

#[test]
fn what_reading_fails_with_can_be_told_by_every_layer() {
    struct Broken;
    impl Content for Broken {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            Err(io::Error::new(io::ErrorKind::InvalidData, Cause))
        }
    }
    #[derive(Debug, thiserror::Error)]
    #[error("a cause of another crate's")]
    struct Cause;
    let bad = layer(vec![1; 9]).with_content(Arc::new(Broken));
    let wanted = image(vec![bad, layer(vec![2; 9])]);
    let fake = holding(&wanted, |mut caller| drop(caller.body()));
    let sink = sink(&fake);
    for layer in &wanted.layers {
        let Err(WriteError::Io(error)) = sink.put(layer, &Quiet) else { panic!("no I/O error") };
        let shared = error.get_ref().and_then(|shared| shared.source());
        let inner = shared.and_then(|error| error.downcast_ref::<io::Error>()?.get_ref());
        assert!(inner.is_some_and(|cause| cause.is::<Cause>()), "{error:?}");
    }
}

#[test]
fn load_that_is_not_committed_is_cut() {
    let wanted = image(vec![layer(vec![1; MUCH])]);
    let (sender, bodies) = mpsc::channel();
    let fake = holding(&wanted, move |mut caller| sender.send(caller.body()).unwrap());
    soon(move || sink(&fake).put(&wanted.layers[0], &Quiet)).unwrap();
    assert!(bodies.recv().unwrap().is_err(), "the body ended well");
}

#[test]
fn other_stores_are_checked_by_layers() {
    let wanted = image(vec![layer(vec![1; 9])]);
    for (diff_ids, is_loaded) in [(held::diff_ids(&wanted), true), (vec![], false)] {
        let fake = Fake::start(move |request, mut caller| match request {
            "GET /version" => caller.json(&serde_json::json!({})),
            LOAD => {
                caller.body().unwrap();
                caller.answer(200, b"{\"stream\":\"Loaded image: app:1\"}\n");
            }
            other => caller.classic(other, Digest::of(b"a manifest"), &diff_ids),
        });
        let sink = sink(&fake);
        sink.put(&wanted.layers[0], &Quiet).unwrap();
        assert_eq!(sink.commit(&Outgoing::built(wanted.clone())).is_ok(), is_loaded);
    }
}

#[test]
fn index_is_refused() {
    let fake = holding(&image(vec![]), |_| ());
    let index = RawManifest::new(MediaType::OCI_INDEX, b"{}".to_vec());
    assert!(matches!(sink(&fake).commit_index(&index), Err(WriteError::NoIndex("the engine"))));
}

#[test]
fn load_that_was_given_up_followed_the_error_of_another_layer() {
    let other = WriteError::from(crate::archive::ArchiveError::NoDiffId("a layer".into()));
    let told = Failure::of(other).to_error();
    assert!(matches!(told.medium(), Some(EngineError::GivenUp { .. })), "{told:?}");
    assert!(told.follows_another());
}
