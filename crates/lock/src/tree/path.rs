//! Paths within an image: relative to its root, with nothing in them that leads elsewhere.

use std::fmt;

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::Printable;
use thiserror::Error;

/// The longest path, in bytes; the kernel's own bound, with room for the unlock folder before it.
const MAX_PATH: usize = 3840;

/// The longest name of a file, in bytes.
const MAX_NAME: usize = 255;

/// How deep folders may lie in each other.
const MAX_DEPTH: usize = 512;

/// A path below the root of an image: names with `/` between them, and none for the root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// Parses a path as tar files and users write it: `./a/b`, `/a/b/`, `a/b`.
    ///
    /// # Errors
    /// `..`, a zero byte, or more than a file system takes.
    pub fn parse(text: &[u8]) -> Result<Self, PathError> {
        let refused = |reason| PathError { path: shown(text), reason };
        let mut path = Self::default();
        let mut depth = 0;
        for name in text.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => continue,
                b".." => return Err(refused("leads out of where it is")),
                _ if name.contains(&0) => return Err(refused("has a zero byte")),
                _ if name.len() > MAX_NAME => {
                    return Err(refused("has a name of more than 255 bytes"));
                }
                _ => path = path.join(name),
            }
            depth += 1;
        }
        if path.0.len() > MAX_PATH {
            return Err(refused("is longer than 3840 bytes"));
        }
        if depth > MAX_DEPTH {
            return Err(refused("is more than 512 folders deep"));
        }
        Ok(path)
    }

    /// Returns the path as bytes, without a `/` before it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the names, from the root on.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    /// Returns the path of the entry `name` in this folder.
    pub fn join(&self, name: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend(&self.0);
        if !bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend(name);
        Self(bytes)
    }

    /// Returns the folder of the path; nothing for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].to_vec()))
    }

    /// Returns the last name; nothing for the root.
    pub fn name(&self) -> &[u8] {
        self.names().next_back().unwrap_or_default()
    }

    /// Tells whether it is `folder` or lies below it.
    pub fn is_within(&self, folder: &Self) -> bool {
        match self.0.strip_prefix(&folder.0[..]) {
            Some(rest) => rest.is_empty() || folder.0.is_empty() || rest[0] == b'/',
            None => false,
        }
    }
}

/// Shows the path as the image has it, from its root.
impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", shown(&self.0))
    }
}

/// Bytes as a terminal may show them.
fn shown(bytes: &[u8]) -> String {
    Printable(&String::from_utf8_lossy(bytes)).to_string()
}

/// A path cannot be one of an image.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the path {path:?} {reason}")]
pub struct PathError {
    path: String,
    reason: &'static str,
}

impl Classified for PathError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn every_spelling_of_a_path_is_the_same() {
        for text in ["a/b", "/a/b", "./a/b/", "a//./b"] {
            assert_eq!(path(text).as_bytes(), b"a/b", "{text}");
        }
        for text in ["", "/", "./"] {
            assert_eq!(path(text), TreePath::default(), "{text}");
        }
        assert_eq!(path("a\x1b/b").to_string(), "/a\u{fffd}/b");
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let refused = |text: &[u8]| TreePath::parse(text).unwrap_err().to_string();
        for text in ["..", "a/../b", "/..", "a/.."] {
            assert!(refused(text.as_bytes()).ends_with("leads out of where it is"), "{text}");
        }
        assert!(refused(b"a\0").ends_with("has a zero byte"));
        assert!(refused(&[b'x'; 256]).ends_with("more than 255 bytes"));
        assert!(refused(&b"abcdefgh/".repeat(500)).ends_with("longer than 3840 bytes"));
        assert!(refused(&b"a/".repeat(600)).ends_with("512 folders deep"));
    }

    #[test]
    fn what_lies_below_a_folder_is_known() {
        assert!(path("a/b").is_within(&path("a")) && path("a").is_within(&path("a")));
        assert!(path("a").is_within(&path("/")) && !path("ab").is_within(&path("a")));
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(path("a").parent(), Some(path("")));
        assert_eq!((path("").parent(), path("a/b").name()), (None, &b"b"[..]));
    }
}
