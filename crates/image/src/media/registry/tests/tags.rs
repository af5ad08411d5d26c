//! Requests for the digest of a tag, without its manifest.

use super::*;
use crate::{Family, RawManifest, ReadError};

fn manifest() -> RawManifest {
    image(vec![layer(b"abc")]).with_manifest(Family::Oci).unwrap().manifest.unwrap()
}

/// Asks a registry that answers as `script` says for a tag. Returns the digest, and the requests.
fn ask(
    script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
) -> (Result<Option<Digest>, ReadError>, Vec<String>) {
    let server = Server::start(script);
    let registry = connect(&server, Credential::Anonymous);
    let answer = registry.digest(&reference(&server, "a:1"));
    (answer, server.lines())
}

#[test]
fn digest_of_a_tag_costs_one_request() {
    let digest = Digest::of(b"it");
    let told = move |seen: &Request, _| {
        assert!(seen.header("accept").unwrap().contains("vnd.oci.image.index"));
        Reply::new(200).header("Docker-Content-Digest", digest.to_string())
    };
    let (answer, asked) = ask(told);
    assert_eq!(answer.unwrap(), Some(digest));
    assert_eq!(asked, ["HEAD /v2/a/manifests/1"]);
}

#[test]
fn tag_that_is_not_there_names_nothing() {
    assert_eq!(ask(|_, _| Reply::new(404)).0.unwrap(), None);
}

#[test]
fn registry_that_does_not_tell_the_digest_has_to_show_the_manifest() {
    let raw = manifest();
    for untold in [None, Some("sha512:ab"), Some("")] {
        let bytes = raw.bytes().to_vec();
        let (answer, asked) = ask(move |seen, _| match (seen.is("HEAD"), untold) {
            (true, None) => Reply::new(200),
            (true, Some(text)) => Reply::new(200).header("Docker-Content-Digest", text),
            _ => Reply::ok(bytes.clone()),
        });
        assert_eq!(answer.unwrap(), Some(raw.digest()));
        assert_eq!(asked, ["HEAD /v2/a/manifests/1", "GET /v2/a/manifests/1"]);
    }
}

#[test]
fn answer_without_sense_is_no_answer() {
    for status in [200, 403, 418] {
        let (answer, _) = ask(move |seen, _| match seen.is("HEAD") {
            true => Reply::new(status),
            false => Reply::ok("<html>"),
        });
        assert!(answer.is_err(), "{status}");
    }
}
