//! Manifests that are read and written, and the checks on them.

use super::*;
use crate::{Family, Outgoing, Quiet, RawManifest, ReadError};

fn manifest() -> RawManifest {
    image(vec![layer(b"abc")]).with_manifest(Family::Oci).unwrap().manifest.unwrap()
}

fn source_error(error: ReadError) -> RegistryError {
    error.into_medium().unwrap()
}

#[test]
fn manifest_is_asked_for_in_every_form_and_by_digest_where_there_is_one() {
    let raw = manifest();
    let bytes = raw.bytes().to_vec();
    let server = Server::start(move |_, _| Reply::ok(bytes.clone()));
    let registry = connect(&server, Credential::Anonymous);
    let both = reference(&server, &format!("a:1@{}", raw.digest()));
    assert_eq!(registry.source(&both).root().unwrap(), raw);
    let seen = &server.requests()[0];
    assert_eq!(seen.line(), format!("GET /v2/a/manifests/{}", raw.digest()));
    let accept = seen.header("accept").unwrap();
    for media_type in [
        MediaType::DOCKER_MANIFEST,
        MediaType::DOCKER_INDEX,
        MediaType::OCI_MANIFEST,
        MediaType::OCI_INDEX,
    ] {
        assert!(accept.split(", ").any(|one| one == media_type.as_str()), "{accept}");
    }
}

#[test]
fn other_bytes_than_those_named_are_damage() {
    let raw = manifest();
    let bytes = raw.bytes().to_vec();
    let server = Server::start(move |_, _| Reply::ok(bytes.clone()));
    let registry = connect(&server, Credential::Anonymous);
    let other = reference(&server, "a").at(Digest::of(b"other"));
    let error = source_error(registry.source(&other).root().unwrap_err());
    assert!(matches!(error, RegistryError::Damaged(Damage::Digest { .. })), "{error}");

    let source = registry.source(&reference(&server, "a"));
    let descriptor = raw.descriptor();
    assert_eq!(source.manifest(&descriptor).unwrap(), raw);
    for size in [descriptor.size - 1, descriptor.size + 1] {
        let wrong = Descriptor { size, ..descriptor.clone() };
        let error = source_error(source.manifest(&wrong).unwrap_err());
        assert!(matches!(error, RegistryError::Damaged(_)), "{error}");
    }
}

#[test]
fn manifest_over_its_bound_is_not_read() {
    let server = Server::start(|_, _| Reply::ok(vec![b' '; (4 << 20) + 1]));
    let source = connect(&server, Credential::Anonymous).source(&reference(&server, "a"));
    let error = source_error(source.root().unwrap_err());
    assert!(matches!(error, RegistryError::AnswerTooLong { .. }), "{error}");
}

#[test]
fn missing_image_is_named() {
    let server = Server::start(|_, _| {
        Reply::new(404).body(r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}"#)
    });
    let name = reference(&server, "a/b:1");
    let error = connect(&server, me()).source(&name).root().unwrap_err();
    let expected = format!("{name} is not in the registry: MANIFEST_UNKNOWN: unknown");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn manifest_goes_last_and_under_its_tag() {
    let server = Server::start(|seen, _| takes_all(seen));
    let sink = connect(&server, Credential::Anonymous).sink(&reference(&server, "a:1"));
    let image = image(vec![layer(b"abc")]);
    sink.put(&image.layers[0], &Quiet).unwrap();
    let written = sink.commit(&Outgoing::built(image.clone())).unwrap();
    let seen = server.requests();
    let [.., last, read_back] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(read_back.line(), format!("GET /v2/a/manifests/{}", written.digest));
    assert_eq!(last.line(), "PUT /v2/a/manifests/1");
    assert_eq!(last.header("content-type"), Some(MediaType::DOCKER_MANIFEST.as_str()));
    let raw = RawManifest::recognise(None, last.body.clone()).unwrap();
    assert_eq!(raw.descriptor(), written);
    let config = seen.iter().rfind(|seen| seen.line().contains("/up/")).unwrap();
    assert_eq!(config.body, image.config);
}

#[test]
fn kept_manifest_and_index_go_as_they_are() {
    let server = Server::start(|seen, _| takes_all(seen));
    let sink = connect(&server, Credential::Anonymous).sink(&reference(&server, "a:1"));
    let raw = manifest();
    let kept = Image { manifest: Some(raw.clone()), ..image(vec![layer(b"abc")]) };
    sink.put_child(&Outgoing::built(kept)).unwrap();
    let last = server.requests().pop().unwrap();
    assert_eq!(last.line(), format!("PUT /v2/a/manifests/{}", raw.digest()));
    assert_eq!(last.body, raw.bytes());
    let index = crate::Index::new(vec![raw.descriptor()]).to_raw();
    assert_eq!(sink.commit_index(&index).unwrap(), index.descriptor());
    let seen = server.requests();
    let [.., last, _read_back] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(last.line(), "PUT /v2/a/manifests/1");
    assert_eq!(last.header("content-type"), Some(MediaType::OCI_INDEX.as_str()));
    assert_eq!(last.body, index.bytes());
}

#[test]
fn registry_that_stored_another_manifest_is_not_believed() {
    let server = Server::start(|seen, _| match seen.line().contains("/manifests/") {
        true => Reply::new(201).header("Docker-Content-Digest", Digest::of(b"x").to_string()),
        false => takes_all(seen),
    });
    let sink = connect(&server, Credential::Anonymous).sink(&reference(&server, "a:1"));
    let error = registry_error(sink.commit(&Outgoing::built(image(vec![]))).unwrap_err());
    assert!(matches!(error, RegistryError::Damaged(Damage::Digest { .. })), "{error}");
}

#[test]
fn image_is_written_under_no_digest_but_its_own() {
    let server = Server::start(|seen, _| takes_all(seen));
    let raw = manifest();
    let registry = connect(&server, Credential::Anonymous);
    let name = reference(&server, "a");
    registry.sink(&name.at(raw.digest())).commit_index(&raw).unwrap();
    let place = format!("/v2/a/manifests/{}", raw.digest());
    assert_eq!(server.lines(), [format!("PUT {place}"), format!("GET {place}")]);
    let error = registry.sink(&name.at(Digest::of(b"x"))).commit_index(&raw).unwrap_err();
    let error = registry_error(error);
    assert!(matches!(error, RegistryError::OtherDigest { .. }), "{error}");
    assert_eq!(server.lines().len(), 2);
}
