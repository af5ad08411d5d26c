//! References: the names of images in registries, by Docker's rules.

use std::fmt;
use std::str::FromStr;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use crate::{Digest, DigestError};

const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_TAG: &str = "latest";
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// A registry and the path of a repository in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: String,
    path: String,
}

impl Repository {
    /// Returns the registry's host, with its port where one is named, such as `docker.io`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the path within the registry, such as `library/alpine`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the name as people write it: without the registry and folder that Docker adds by
    /// itself.
    pub fn familiar(&self) -> String {
        let whole = self.to_string();
        if self.registry != DEFAULT_REGISTRY {
            return whole;
        }
        // `docker.io/library/a/b` and `docker.io/a.b/c` mean something else in a shorter form.
        let short = self.path.strip_prefix("library/").unwrap_or(&self.path);
        [short, &self.path]
            .into_iter()
            .find(|name| name.parse().as_ref() == Ok(self))
            .map_or(whole, ToOwned::to_owned)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    /// Parses a name without tag or digest.
    fn from_str(name: &str) -> Result<Self, ReferenceError> {
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (first, rest.to_owned()),
            _ if name.contains('/') => (DEFAULT_REGISTRY, name.to_owned()),
            _ => (DEFAULT_REGISTRY, format!("library/{name}")),
        };
        // Docker's older name of its registry.
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let path = match path.as_str() {
            short if registry == DEFAULT_REGISTRY && !short.contains('/') => {
                format!("library/{short}")
            }
            _ => path,
        };
        if !is_host(registry) {
            return Err(ReferenceError::Registry);
        }
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ReferenceError::Uppercase);
        }
        if !path.split('/').all(is_path_component) {
            return Err(ReferenceError::Malformed);
        }
        if registry.len() + 1 + path.len() > MAX_NAME {
            return Err(ReferenceError::TooLong);
        }
        Ok(Self { registry: registry.to_owned(), path })
    }
}

/// The name of an image: a repository and a tag, a digest, or both.
///
/// With both, the digest decides, and the tag is for people. Distribution's "reference" grammar.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Returns the repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns the tag; it is `latest` if the user wrote neither tag nor digest.
    pub fn tag(&self) -> Option<&str> {
        match (&self.tag, self.digest) {
            (None, None) => Some(DEFAULT_TAG),
            (tag, _) => tag.as_deref(),
        }
    }

    /// Returns the digest, if the user wrote one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns the same image named by `digest` instead of by tag.
    pub fn at(&self, digest: Digest) -> Self {
        Self { repository: self.repository.clone(), tag: None, digest: Some(digest) }
    }

    /// Returns the name as people write it, with its tag or digest.
    pub fn familiar(&self) -> String {
        self.written(&self.repository.familiar())
    }

    fn written(&self, name: &str) -> String {
        let mut text = name.to_owned();
        if let Some(tag) = self.tag() {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
        text
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(&self.repository.to_string()))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ReferenceError::LooksLikeId);
        }
        let (rest, digest) = match text.split_once('@') {
            None => (text, None),
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
        };
        // A colon before the last slash belongs to the registry's port.
        let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_start..].split_once(':') {
            None => (rest, None),
            Some((last, tag)) => (&rest[..name_start + last.len()], Some(tag)),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag);
        }
        Ok(Self { repository: name.parse()?, tag: tag.map(ToOwned::to_owned), digest })
    }
}

/// Tells whether the first component of a name is a registry rather than a part of the path.
fn is_registry(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, after)) = rest.split_once(']') else {
                return false;
            };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            match after.strip_prefix(':') {
                None if after.is_empty() => return true,
                None => return false,
                Some(port) => ("ipv6", Some(port)),
            }
        }
        None => match text.split_once(':') {
            None => (text, None),
            Some((host, port)) => (host, Some(port)),
        },
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let port_fits =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    host.split('.').all(label) && port.is_none_or(port_fits)
}

/// Lower-case letters and digits, with separators between them: one `.`, one or two `_`, or any
/// number of `-`.
fn is_path_component(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    alphanumeric(first)
        && alphanumeric(last)
        && text
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(|gap| matches!(gap, "" | "." | "_" | "__") || gap.bytes().all(|b| b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// Why a text is no reference.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The part after `@` is no digest.
    #[error("the part after \"@\" is no digest")]
    Digest(#[from] DigestError),
    /// 64 hexadecimal digits: an image ID rather than a name.
    #[error("64 hexadecimal digits are an image ID, not a name")]
    LooksLikeId,
    /// A component of the path is empty or has characters that may not be there.
    #[error("a repository name is made of lower-case letters, digits, and single separators")]
    Malformed,
    /// The registry's host or port is malformed.
    #[error("the registry's host or port is malformed")]
    Registry,
    /// The tag has characters that may not be there, or too many.
    #[error("a tag is up to 128 letters, digits, \"_\", \".\" and \"-\"")]
    Tag,
    /// The name is longer than 255 bytes.
    #[error("the name is longer than 255 bytes")]
    TooLong,
    /// The repository has upper-case letters.
    #[error("a repository name must be lower case")]
    Uppercase,
}

impl Classified for ReferenceError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Usage)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> String {
        text.parse::<Reference>().unwrap_or_else(|e| panic!("{text}: {e}")).to_string()
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        for (short, long) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3", "docker.io/library/alpine:3"),
            ("me/app", "docker.io/me/app:latest"),
            ("docker.io/alpine", "docker.io/library/alpine:latest"),
            ("index.docker.io/me/app", "docker.io/me/app:latest"),
            ("localhost/app", "localhost/app:latest"),
            ("localhost:5000/app:1", "localhost:5000/app:1"),
            ("quay.io/a/b/c:x_Y.z-1", "quay.io/a/b/c:x_Y.z-1"),
            ("[::1]:5000/app", "[::1]:5000/app:latest"),
            ("Host/app", "Host/app:latest"),
            ("a__b/c-.d", ""),
            ("a__b/c--d.e", "docker.io/a__b/c--d.e:latest"),
        ] {
            if long.is_empty() {
                assert!(short.parse::<Reference>().is_err(), "{short}");
            } else {
                assert_eq!(canonical(short), long);
            }
        }
    }

    #[test]
    fn digest_may_stand_with_or_without_tag() {
        let digest = Digest::of(b"");
        let by_digest: Reference = format!("alpine@{digest}").parse().unwrap();
        assert_eq!((by_digest.tag(), by_digest.digest()), (None, Some(digest)));
        let both: Reference = format!("localhost:1/a:b@{digest}").parse().unwrap();
        assert_eq!((both.tag(), both.digest()), (Some("b"), Some(digest)));
        assert_eq!(both.to_string(), format!("localhost:1/a:b@{digest}"));
    }

    #[test]
    fn familiar_names_drop_what_docker_adds() {
        for text in ["alpine:latest", "me/app:1", "quay.io/me/app:1"] {
            assert_eq!(text.parse::<Reference>().unwrap().familiar(), text);
        }
    }

    #[test]
    fn familiar_names_keep_what_would_be_missed() {
        for (text, familiar) in [
            ("docker.io/library/me/app:1", "library/me/app:1"),
            ("docker.io/quay.io/app:1", "docker.io/quay.io/app:1"),
            ("docker.io/library/quay.io/app:1", "library/quay.io/app:1"),
            ("docker.io/localhost/app:1", "docker.io/localhost/app:1"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().familiar(), familiar);
        }
    }

    #[test]
    fn malformed_names_are_refused() {
        let long = "a/".repeat(130) + "a";
        for (text, error) in [
            ("", ReferenceError::Malformed),
            ("a//b", ReferenceError::Malformed),
            ("-a", ReferenceError::Malformed),
            ("a..b", ReferenceError::Malformed),
            ("a___b", ReferenceError::Malformed),
            ("a/../b", ReferenceError::Malformed),
            ("a b", ReferenceError::Malformed),
            ("a?b", ReferenceError::Malformed),
            ("me/App", ReferenceError::Uppercase),
            ("a:", ReferenceError::Tag),
            ("a:.b", ReferenceError::Tag),
            ("host:99999/a", ReferenceError::Registry),
            ("host:+1/a", ReferenceError::Registry),
            ("-h.io/a", ReferenceError::Registry),
            ("[::1/a", ReferenceError::Registry),
            ("a@sha256:1", ReferenceError::Digest(DigestError::Malformed)),
            (&long, ReferenceError::TooLong),
            (&"0".repeat(64), ReferenceError::LooksLikeId),
        ] {
            assert_eq!(text.parse::<Reference>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_parses_again_to_the_same(text in "[a-zA-Z0-9.:/@_-]{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                let again: Reference = reference.to_string().parse().unwrap();
                prop_assert_eq!(again.to_string(), reference.to_string());
                prop_assert_eq!(reference.familiar().parse::<Reference>().unwrap().to_string(), reference.to_string());
            }
        }
    }
}
