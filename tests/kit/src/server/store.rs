//! The blobs that a scripted registry keeps.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::request::Request;
use crate::digest_of;

/// Bytes under their digests.
#[derive(Debug, Default)]
pub(super) struct Store(Mutex<HashMap<String, Vec<u8>>>);

impl Store {
    /// Keeps the body of a request, and returns its digest.
    ///
    /// The digest that the address states counts, since the bytes of a blob may have come before.
    pub(super) fn keep(&self, request: &Request) -> String {
        let stated = request.line().split_once("digest=").map(|(_, digest)| digest);
        let stated = stated.map(|digest| digest.replace("%3A", ":")).filter(|it| is_digest(it));
        let digest = stated.unwrap_or_else(|| digest_of(&request.body));
        let mut blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.insert(digest.clone(), request.body.clone());
        digest
    }

    /// Returns the digest at the end of the path, and its bytes.
    pub(super) fn find(&self, request: &Request) -> Option<(String, Vec<u8>)> {
        let digest = request.line().rsplit('/').next()?;
        let blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some((digest.to_owned(), blobs.get(digest)?.clone()))
    }
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}
