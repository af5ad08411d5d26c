//! Locations: where an image is read from or written to, in skopeo's spellings.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

use crate::{Reference, ReferenceError};

/// A place that holds an image, and the image's name there.
///
/// containers-transports(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `docker-archive:FILE[:NAME:TAG]`: a file as `docker save` writes it.
    DockerArchive {
        /// The file.
        file: PathBuf,
        /// The name of the image among several, or the name that the written image gets.
        name: Option<Reference>,
    },
    /// `docker-daemon:NAME:TAG`: an image in the Docker engine.
    DockerDaemon(EngineName),
    /// `oci:DIR[:TAG]`: a folder in OCI image layout.
    OciLayout {
        /// The folder.
        folder: PathBuf,
        /// The layout's name of the image (`org.opencontainers.image.ref.name`).
        name: Option<String>,
    },
    /// `oci-archive:FILE[:TAG]`: a tar file of an OCI image layout.
    OciArchive {
        /// The file.
        file: PathBuf,
        /// The layout's name of the image.
        name: Option<String>,
    },
    /// `docker://NAME[:TAG|@DIGEST]`: an image in a registry.
    Registry(Reference),
}

/// A name by which an engine knows an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineName {
    /// An image by name and tag.
    Named(Reference),
    /// An image by ID, `sha256:…`, or a beginning of its digits.
    Id(String),
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(&name.familiar()),
            Self::Id(id) => f.write_str(id),
        }
    }
}

impl FromStr for EngineName {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let digits = text.strip_prefix("sha256:");
        let is_hex = |digits: &str| {
            (4..=64).contains(&digits.len())
                && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        if digits.is_some_and(is_hex) || (text.len() == 64 && is_hex(text)) {
            return Ok(Self::Id(text.to_owned()));
        }
        text.parse().map(Self::Named)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, path, name) = match self {
            Self::DockerArchive { file, name } => {
                ("docker-archive", file, name.as_ref().map(Reference::familiar))
            }
            Self::DockerDaemon(name) => return write!(f, "docker-daemon:{name}"),
            Self::OciLayout { folder, name } => ("oci", folder, name.clone()),
            Self::OciArchive { file, name } => ("oci-archive", file, name.clone()),
            Self::Registry(reference) => return write!(f, "docker://{}", reference.familiar()),
        };
        write!(f, "{transport}:{}", path.display())?;
        name.map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let Some((transport, rest)) = text.split_once(':') else {
            return Err(LocationError::NoTransport(text.to_owned()));
        };
        match transport {
            "docker" => {
                let name = rest.strip_prefix("//").ok_or(LocationError::Slashes)?;
                Ok(Self::Registry(reference(name)?))
            }
            "docker-archive" => {
                let (file, name) = path_and_name(rest)?;
                Ok(Self::DockerArchive { file, name: name.map(reference).transpose()? })
            }
            "docker-daemon" => rest
                .parse()
                .map(Self::DockerDaemon)
                .map_err(|source| LocationError::Name { name: rest.to_owned(), source }),
            "oci" => {
                let (folder, name) = path_and_name(rest)?;
                Ok(Self::OciLayout { folder, name: name.map(layout_name).transpose()? })
            }
            "oci-archive" => {
                let (file, name) = path_and_name(rest)?;
                Ok(Self::OciArchive { file, name: name.map(layout_name).transpose()? })
            }
            other => Err(LocationError::UnknownTransport(other.to_owned())),
        }
    }
}

fn reference(name: &str) -> Result<Reference, LocationError> {
    name.parse().map_err(|source| LocationError::Name { name: name.to_owned(), source })
}

/// Splits at the first colon, as skopeo does: a path with a colon in it cannot be named.
fn path_and_name(rest: &str) -> Result<(PathBuf, Option<&str>), LocationError> {
    let (path, name) = match rest.split_once(':') {
        None => (rest, None),
        Some((path, name)) => (path, Some(name)),
    };
    if path.is_empty() {
        return Err(LocationError::NoPath);
    }
    Ok((path.into(), name))
}

/// OCI image specification, "Pre-Defined Annotation Keys", grammar of `ref.name`.
fn layout_name(name: &str) -> Result<String, LocationError> {
    let component = |part: &str| {
        !part.is_empty()
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:@+".contains(&b))
    };
    if name.len() > 255 || !name.split('/').all(component) {
        return Err(LocationError::LayoutName(name.to_owned()));
    }
    Ok(name.to_owned())
}

/// Why a text is no location.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocationError {
    /// The name within a layout has characters that may not be there.
    #[error("{0:?} cannot name an image in an OCI layout")]
    LayoutName(String),
    /// The name after the transport is malformed.
    #[error("invalid image name {name:?}")]
    Name {
        /// The name.
        name: String,
        /// Why the name is malformed.
        source: ReferenceError,
    },
    /// No path follows the transport.
    #[error("the path is missing")]
    NoPath,
    /// No transport stands before the name.
    #[error("{0:?} does not begin with a transport")]
    NoTransport(String),
    /// `docker:` is not followed by two slashes.
    #[error("a registry's image is written docker://NAME")]
    Slashes,
    /// The transport is not known.
    #[error("unknown transport {0:?}")]
    UnknownTransport(String),
}

impl Classified for LocationError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read_and_written_alike() {
        for text in [
            "docker://quay.io/me/app:1",
            "docker-daemon:me/app:1",
            "docker-archive:/tmp/a.tar",
            "docker-archive:a.tar:me/app:1",
            "oci:dir",
            "oci:dir:v1",
            "oci-archive:f.tar:v1",
        ] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
        let id = format!("docker-daemon:sha256:{}", "0".repeat(64));
        assert!(matches!(id.parse(), Ok(Location::DockerDaemon(EngineName::Id(_)))));
    }

    #[test]
    fn malformed_locations_are_refused() {
        for (text, error) in [
            ("app", LocationError::NoTransport("app".into())),
            ("app:1", LocationError::UnknownTransport("app".into())),
            ("docker:app", LocationError::Slashes),
            ("oci:", LocationError::NoPath),
            ("oci:dir:", LocationError::LayoutName(String::new())),
            ("oci:dir:a/../b", LocationError::LayoutName("a/../b".into())),
            (
                "docker://A b",
                LocationError::Name { name: "A b".into(), source: ReferenceError::Uppercase },
            ),
        ] {
            assert_eq!(text.parse::<Location>(), Err(error), "{text}");
        }
    }
}
