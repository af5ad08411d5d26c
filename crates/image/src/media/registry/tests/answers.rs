//! Successful answers. One server gives them to every request; a registry gives them after it has
//! stored the bytes.

use super::*;
use crate::{Outgoing, Quiet, RawManifest, Sink};

/// The answer of a portal to every request.
const PORTAL: &str = "<html>please log in to the network</html>";

fn sink(server: &Server) -> Arc<dyn Sink> {
    connect(server, Credential::Anonymous).sink(&reference(server, "a:1"))
}

fn index() -> RawManifest {
    crate::Index::new(Vec::new()).to_raw()
}

fn put(server: &Server) -> Result<(), WriteError> {
    sink(server).put(&layer(b"abc"), &Quiet)
}

fn commit(server: &Server) -> Result<(), RegistryError> {
    sink(server).commit_index(&index()).map(|_| ()).map_err(registry_error)
}

#[test]
fn nothing_is_stored_at_somebody_who_answers_everything_alike() {
    for status in [200, 201, 202, 204] {
        let server = Server::start(move |_, _| Reply::new(status).body(PORTAL));
        let image = image(vec![layer(b"abc")]);
        let sink = sink(&server);
        if status == 200 {
            assert_eq!(sink.present(&image).unwrap(), [false]);
        }
        assert!(sink.put(&image.layers[0], &Quiet).is_err(), "{status}");
        assert!(sink.commit(&Outgoing::built(image.clone())).is_err(), "{status}");
        assert!(sink.commit_index(&index()).is_err(), "{status}");
    }
}

#[test]
fn size_of_a_blob_shows_that_it_is_there_and_another_does_not() {
    for (length, is_there) in [(3, true), (4, false)] {
        let server = Server::start(move |seen, _| match seen.is("HEAD") {
            true => Reply::ok(vec![7; length]),
            false => takes_all(seen),
        });
        put(&server).unwrap();
        assert_eq!(server.count("PUT") == 0, is_there);
    }
}

#[test]
fn upload_is_believed_by_its_digest_or_one_question() {
    // The registry states nothing at the upload, and has the blob, or has it not.
    for is_kept in [true, false] {
        let server = Server::start(move |seen, n| match (seen.is("PUT"), seen.is("HEAD")) {
            (true, _) => Reply::new(201),
            (_, true) if n > 0 && is_kept => there(seen),
            _ => takes_all(seen),
        });
        let error = put(&server).err().map(registry_error);
        assert!(
            matches!(
                (&error, is_kept),
                (None, true) | (Some(RegistryError::NotStored { .. }), false)
            ),
            "{error:?}"
        );
        assert_eq!(server.count("HEAD"), 2, "{:?}", server.lines());
    }
}

#[test]
fn blob_of_another_digest_is_damage_wherever_it_is_stated() {
    let other = || Digest::of(b"x").to_string();
    for method in ["HEAD", "PUT"] {
        let server = Server::start(move |seen, _| match seen.is(method) {
            true => Reply::new(if method == "PUT" { 201 } else { 200 })
                .header("Docker-Content-Digest", other()),
            false => takes_all(seen),
        });
        let error = registry_error(put(&server).unwrap_err());
        assert!(matches!(error, RegistryError::Damaged(_)), "{method}: {error}");
    }
}

#[test]
fn upload_is_done_by_its_own_statuses_alone() {
    for (status, is_done) in [(201, true), (204, true), (200, false), (202, false), (206, false)] {
        let server = Server::start(move |seen, _| match seen.is("PUT") {
            true => {
                Reply::new(status).header("Docker-Content-Digest", Digest::of(b"abc").to_string())
            }
            false => takes_all(seen),
        });
        assert_eq!(put(&server).is_ok(), is_done, "{status}");
    }
}

#[test]
fn manifest_is_read_back_and_compared() {
    let raw = index();
    for (served, is_done) in [(raw.bytes().to_vec(), true), (PORTAL.into(), false)] {
        let server = Server::start(move |seen, _| match seen.is("GET") {
            true => Reply::ok(served.clone()),
            false => Reply::new(201),
        });
        let outcome = commit(&server);
        assert_eq!(outcome.is_ok(), is_done, "{outcome:?}");
        assert_eq!((server.count("PUT"), server.count("GET")), (1, 1));
    }
}

#[test]
fn manifest_that_comes_a_little_later_is_waited_for_and_one_that_never_comes_is_an_error() {
    let late = Server::start(|seen, n| match seen.is("GET") && n < 3 {
        true => Reply::new(404),
        false => takes_all(seen),
    });
    commit(&late).unwrap();
    assert_eq!(late.count("GET"), 3);
    let never = Server::start(|seen, _| match seen.is("GET") {
        true => Reply::new(404),
        false => takes_all(seen),
    });
    let error = commit(&never).unwrap_err();
    assert!(matches!(error, RegistryError::NotStored { .. }), "{error}");
}

#[test]
fn manifests_have_their_own_statuses_too() {
    for (status, is_done) in [(201, true), (202, true), (200, false), (204, false)] {
        let raw = index();
        let server = Server::start(move |seen, _| match seen.is("GET") {
            true => Reply::ok(raw.bytes().to_vec()),
            false => Reply::new(status),
        });
        assert_eq!(commit(&server).is_ok(), is_done, "{status}");
    }
}

#[test]
fn child_of_an_index_is_believed_by_its_digest_or_one_question() {
    let child = || Image { manifest: Some(index()), ..image(Vec::new()) };
    // States its digest; states nothing and has it; states nothing and has it not.
    for (states, has, questions, is_done) in
        [(true, false, 0, true), (false, true, 1, true), (false, false, 1, false)]
    {
        let server = Server::start(move |seen, _| match seen.line().contains("/manifests/") {
            true if seen.is("PUT") && !states => Reply::new(201),
            true if seen.is("HEAD") && has => there(seen),
            true if seen.is("HEAD") => Reply::new(404),
            _ => takes_all(seen),
        });
        let outcome = sink(&server).put_child(&Outgoing::built(child()));
        assert_eq!(outcome.is_ok(), is_done, "{:?}", server.lines());
        assert_eq!(server.count("HEAD /v2/a/manifests/"), questions);
    }
}

#[test]
fn mounted_blob_is_believed_by_its_digest_or_one_question() {
    for (has, is_mounted) in [(true, true), (false, false)] {
        let server = Server::start(move |seen, _| match seen.is("POST") {
            true => Reply::new(201).header("Location", "/v2/a/blobs/x"),
            false if has => there(seen),
            false => Reply::new(404),
        });
        let from = reference(&server, "other:1");
        let mounted = sink(&server).mount(&layer(b"abc"), from.repository());
        assert_eq!(mounted.unwrap(), is_mounted);
        assert_eq!(server.count("HEAD"), 1);
    }
}
