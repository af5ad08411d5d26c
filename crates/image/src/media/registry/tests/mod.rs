//! Tests of the registry against a scripted server.

mod answers;
mod authentication;
mod clear;
mod connections;
mod downloads;
mod manifests;
mod privacy;
mod redirects;
mod retries;
mod streamed;
mod tags;
mod time;
mod uploads;

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use sealcrate_test_kit::{Reply, Request, Server};
use zeroize::Zeroizing;

use super::{Access, Credential, Network, Registry, RegistryError, SchemePolicy};
use crate::registry::http::retry::Pace;
use crate::{Damage, Descriptor, Digest, Image, Layer, MediaType, Reference, Runtime, WriteError};

/// Waits so short that a test does not notice them.
fn pace() -> Pace {
    Pace {
        first_wait: Duration::from_millis(2),
        longest_wait: Duration::from_millis(10),
        longest_asked: Duration::from_millis(200),
        ..Pace::default()
    }
}

fn network() -> Network {
    Network::new(&Runtime::default()).unwrap()
}

fn plain(credential: Credential) -> Access {
    Access { scheme: SchemePolicy::PlainHttp, credential, ..Access::default() }
}

fn me() -> Credential {
    Credential::Basic { username: "me".into(), password: Zeroizing::new("hush".into()) }
}

/// Basic authentication as [`me`].
const ME: &str = "Basic bWU6aHVzaA==";

fn connect(server: &Server, credential: Credential) -> Registry {
    Registry::paced(&network(), &server.host(), plain(credential), pace()).unwrap()
}

fn reference(server: &Server, rest: &str) -> Reference {
    format!("{}/{rest}", server.host()).parse().unwrap()
}

fn layer(bytes: &[u8]) -> Layer {
    let descriptor = Descriptor::of(MediaType::DOCKER_LAYER_GZIP, bytes);
    Layer::stored(descriptor, None, Arc::new(bytes.to_vec()))
}

fn image(layers: Vec<Layer>) -> Image {
    Image::new(b"{}".to_vec(), layers)
}

/// A layer's worth of bytes in which no two parts are alike.
fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Answers as a registry does that is empty at first and stores every blob.
fn takes_all(seen: &Request) -> Reply {
    if seen.is("POST") {
        return Reply::new(202).header("Location", "/up/1?state=s");
    }
    if seen.is("PUT") { Reply::stored() } else { Reply::served() }
}

/// Answers that the registry has the blob whose digest ends the path.
fn there(seen: &Request) -> Reply {
    let digest = seen.line().rsplit('/').next().unwrap();
    Reply::new(200).header("Docker-Content-Digest", digest)
}

fn read(layer: &Layer) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    layer.open()?.read_to_end(&mut out).map(|_| out)
}

fn damage(error: &io::Error) -> &Damage {
    error.get_ref().and_then(|inner| inner.downcast_ref()).unwrap_or_else(|| panic!("{error}"))
}

fn registry_error(error: WriteError) -> RegistryError {
    error.into_medium().unwrap()
}
