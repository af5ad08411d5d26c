//! The options about reaching registries. They say which registry they are for.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use sealcrate_image::registry::Patience;
use sealcrate_image::{Expansion, Location, Repository};
use thiserror::Error;

use super::common::ImageName;
use crate::output::failure::Usage;

/// Stands for an option without a value: no argument can hold a zero byte.
const NO_VALUE: &str = "\0";

/// How registries are reached, and how much is borne of what comes from outside.
#[derive(Debug, Args)]
pub(crate) struct RegistryArgs {
    /// Speak plain HTTP to a registry, and send it your login in clear (repeatable)
    ///
    /// It holds for the registry HOST[:PORT], as image names have it, and for the token servers which
    /// that registry names. Without a host it holds for the registry that push writes to or pull reads
    /// from, and with other commands for the one that they name. copy between two registries needs a
    /// host.
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = NO_VALUE,
        help_heading = "Registry"
    )]
    pub(crate) plain_http: Vec<Meant>,
    /// Trust the certificate authorities in this PEM file, too (repeatable)
    ///
    /// HOST[:PORT]= before the file says which registry that holds for, with the servers to which it
    /// sends. Without a host it holds as --plain-http does. A relative file with an equals sign in its
    /// name needs a slash before that sign: ./NAME.
    #[arg(
        long,
        value_name = "[HOST[:PORT]=]FILE",
        value_parser = OsStringValueParser::new().try_map(|text| Authority::parse(&text)),
        help_heading = "Registry"
    )]
    pub(crate) ca: Vec<Authority>,
    /// How many blobs go up or come down at once
    #[arg(long, value_name = "N", default_value_t = 4, help_heading = "Registry",
        value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) jobs: u8,
    /// How long a registry may take for a manifest, config or token, with all attempts
    #[arg(long, value_name = "SECONDS", default_value_t = 300, help_heading = "Bounds",
        value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) timeout: u32,
    /// How many bytes of a blob have to move in a second, on the average of a minute (0: any)
    #[arg(long, value_name = "BYTES", default_value_t = 1024, help_heading = "Bounds")]
    pub(crate) min_rate: u64,
    /// How many bytes a layer of more than 1 GiB may unpack to for each of its own
    #[arg(long, value_name = "N", default_value_t = Expansion::DEFAULT_RATIO, help_heading = "Bounds")]
    pub(crate) max_ratio: u32,
}

impl RegistryArgs {
    /// Returns how many bytes layers may unpack to.
    pub(crate) fn expansion(&self) -> Expansion {
        Expansion::to(self.max_ratio)
    }

    /// Returns how long registries may take.
    pub(crate) fn patience(&self) -> Patience {
        let documents = Duration::from_secs(self.timeout.into());
        Patience { documents, least_rate: self.min_rate }
    }

    /// Returns the registries that the user wants to reach over plain HTTP.
    ///
    /// # Errors
    /// An option without a host, where the command is about several registries.
    pub(crate) fn plain_hosts(&self, main: &MainRegistry) -> Result<Vec<RegistryHost>, Usage> {
        let hosts = self.plain_http.iter().map(|meant| meant.host("--plain-http", main));
        hosts.filter_map(Result::transpose).collect()
    }

    /// Returns the files of authorities, each with the registry that it is for.
    ///
    /// # Errors
    /// An option without a host, where the command is about several registries.
    pub(crate) fn authorities(
        &self,
        main: &MainRegistry,
    ) -> Result<Vec<(RegistryHost, PathBuf)>, Usage> {
        let authorities = self.ca.iter().map(|authority| {
            let host = authority.meant.host("--ca", main)?;
            Ok(host.map(|host| (host, authority.file.clone())))
        });
        authorities.filter_map(Result::transpose).collect()
    }
}

/// The registry that an option is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// The one that the command is about.
    Main,
    /// The one of this name.
    Named(RegistryHost),
}

impl Meant {
    fn host(&self, option: &str, main: &MainRegistry) -> Result<Option<RegistryHost>, Usage> {
        match (self, main) {
            (Self::Named(host), _) => Ok(Some(host.clone())),
            (Self::Main, MainRegistry::None) => Ok(None),
            (Self::Main, MainRegistry::One(host)) => Ok(Some(host.clone())),
            (Self::Main, MainRegistry::Several(one, other)) => {
                let text = format!(
                    "{option} has to say which registry it is for, {one} or {other}: {option}={one}"
                );
                Err(Usage(text))
            }
        }
    }
}

impl FromStr for Meant {
    type Err = RegistryHostError;

    fn from_str(text: &str) -> Result<Self, RegistryHostError> {
        if text == NO_VALUE { Ok(Self::Main) } else { text.parse().map(Self::Named) }
    }
}

/// A file of certificate authorities, and the registry that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    meant: Meant,
    file: PathBuf,
}

impl Authority {
    /// Parses `[HOST[:PORT]=]FILE`. A text with a slash before its first equals sign is a file, since no
    /// host has a slash.
    fn parse(text: &OsStr) -> Result<Self, AuthorityError> {
        let bytes = text.as_bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=');
        let (meant, file) = match equals.map(|at| (&bytes[..at], &bytes[at + 1..])) {
            Some((host, file)) if !host.contains(&b'/') => {
                let host = String::from_utf8_lossy(host);
                let host: RegistryHost = host.parse().map_err(AuthorityError::Host)?;
                (Meant::Named(host), OsStr::from_bytes(file))
            }
            _ => (Meant::Main, text),
        };
        if file.is_empty() {
            return Err(AuthorityError::NoFile);
        }
        Ok(Self { meant, file: OsString::from(file).into() })
    }
}

/// The name of a registry: a host, with its port where one is named, as image names have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistryHost(String);

impl RegistryHost {
    /// Takes the name of the registry that a repository is in.
    fn of(repository: &Repository) -> Self {
        Self(repository.registry().to_owned())
    }

    /// Tells whether this is the registry of `repository`. The case of letters does not count.
    pub(crate) fn holds(&self, repository: &Repository) -> bool {
        self.0.eq_ignore_ascii_case(repository.registry())
    }
}

impl fmt::Display for RegistryHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RegistryHost {
    type Err = RegistryHostError;

    fn from_str(text: &str) -> Result<Self, RegistryHostError> {
        // With a path behind it, a name parses as a host only if it is one.
        let repository = format!("{text}/a/b").parse::<Repository>();
        match repository {
            Ok(repository) if repository.path() == "a/b" => Ok(Self::of(&repository)),
            _ => Err(RegistryHostError),
        }
    }
}

/// Tells that a text is no host of a registry.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a registry is HOST[:PORT], as in the names of images")]
pub(crate) struct RegistryHostError;

/// Why a text names no file of authorities.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum AuthorityError {
    /// There is something before an equals sign that is no registry.
    #[error("{0}; a file with an equals sign in its name is written as ./NAME")]
    Host(RegistryHostError),
    /// Nothing is behind the equals sign.
    #[error("it names no file")]
    NoFile,
}

/// The registry that a command is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MainRegistry {
    /// There is none.
    None,
    /// There is one.
    One(RegistryHost),
    /// There are two at least, these among them.
    Several(RegistryHost, RegistryHost),
}

impl MainRegistry {
    /// Takes the registry that a repository is in.
    pub(crate) fn of(repository: &Repository) -> Self {
        Self::One(RegistryHost::of(repository))
    }

    /// Finds the registry among the places that a command names.
    pub(crate) fn among<'a>(locations: impl IntoIterator<Item = &'a Location>) -> Self {
        let repositories = locations.into_iter().filter_map(|location| match location {
            Location::Registry(reference) => Some(reference.repository()),
            _ => None,
        });
        repositories.fold(Self::None, |found, repository| match found {
            Self::None => Self::of(repository),
            Self::One(host) if !host.holds(repository) => {
                Self::Several(host, RegistryHost::of(repository))
            }
            other => other,
        })
    }

    /// Finds the registry in the name of an image, which without a transport is one in a registry.
    pub(crate) fn in_name(name: &ImageName) -> Self {
        match name {
            ImageName::Location(location) => Self::among([location]),
            ImageName::Name(reference) => Self::of(reference.repository()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        name: String,
        #[command(flatten)]
        registry: RegistryArgs,
    }

    fn parse(words: &[&str]) -> Result<RegistryArgs, String> {
        let line = Line::try_parse_from([&["it", "name"], words].concat());
        line.map(|line| line.registry).map_err(|error| error.to_string())
    }

    fn host(text: &str) -> RegistryHost {
        text.parse().unwrap()
    }

    fn location(text: &str) -> Location {
        text.parse().unwrap()
    }

    #[test]
    fn option_without_a_host_takes_no_word_that_follows() {
        let line = Line::try_parse_from(["it", "--plain-http", "name"]).unwrap();
        assert_eq!(
            (line.name.as_str(), &line.registry.plain_http[..]),
            ("name", &[Meant::Main][..])
        );
        let hosts = ["--plain-http", "--plain-http=localhost:5000", "--plain-http=[::1]:80"];
        let named = |text| Meant::Named(host(text));
        assert_eq!(
            parse(&hosts).unwrap().plain_http,
            [Meant::Main, named("localhost:5000"), named("[::1]:80")]
        );
    }

    #[test]
    fn option_with_an_empty_or_malformed_host_is_a_mistake() {
        for word in [
            "--plain-http=",
            "--plain-http=registry",
            "--plain-http=http://localhost",
            "--plain-http=localhost/a",
            "--plain-http=localhost:99999",
            "--ca==file",
            "--ca=registry=file",
            "--ca=r.io=",
            "--ca=",
        ] {
            assert!(parse(&[word]).is_err(), "{word}");
        }
    }

    #[test]
    fn file_with_an_equals_sign_is_told_from_a_host_by_a_slash() {
        let authority = |text: &str| {
            let args = parse(&["--ca", text]).unwrap();
            (args.ca[0].meant.clone(), args.ca[0].file.display().to_string())
        };
        for file in ["ca.pem", "/a=b/c:d.pem", "./r.io=ca.pem", "r.io:5000", "a/b=c"] {
            assert_eq!(authority(file), (Meant::Main, file.to_owned()));
        }
        for (text, name, file) in [
            ("r.io=ca.pem", "r.io", "ca.pem"),
            ("r.io:5000=/a=b", "r.io:5000", "/a=b"),
            ("[::1]:5000=x", "[::1]:5000", "x"),
            ("localhost==", "localhost", "="),
        ] {
            assert_eq!(authority(text), (Meant::Named(host(name)), file.to_owned()));
        }
    }

    #[test]
    fn docker_hub_is_meant_by_each_of_its_names() {
        let repository = "alpine".parse().unwrap();
        for name in ["docker.io", "index.docker.io", "DOCKER.io"] {
            assert!(host(name).holds(&repository), "{name}");
        }
        assert!(!host("r.io").holds(&repository));
    }

    #[test]
    fn option_without_a_host_is_for_the_one_registry_or_none() {
        let args = parse(&["--plain-http", "--ca=x", "--plain-http=q.io"]).unwrap();
        let main = MainRegistry::among([&location("docker://r.io/a"), &location("oci:x")]);
        assert_eq!(args.plain_hosts(&main).unwrap(), [host("r.io"), host("q.io")]);
        assert_eq!(args.authorities(&main).unwrap(), [(host("r.io"), "x".into())]);
        let none = MainRegistry::among([&location("oci:x")]);
        assert_eq!(args.plain_hosts(&none).unwrap(), [host("q.io")]);
        assert!(args.authorities(&none).unwrap().is_empty());
    }

    #[test]
    fn option_without_a_host_is_a_mistake_between_two_registries() {
        let (one, other) = (location("docker://r.io/a"), location("docker://r.io:5000/a"));
        let main = MainRegistry::among([&one, &one, &other]);
        for option in ["--plain-http", "--ca=x"] {
            let args = parse(&[option]).unwrap();
            let plain = args.plain_hosts(&main).err();
            let mistake = plain.or_else(|| args.authorities(&main).err());
            let text = mistake.expect("one of the two is asked for").to_string();
            assert!(text.contains("r.io or r.io:5000"), "{text}");
        }
        let named = parse(&["--plain-http=r.io", "--ca=r.io:5000=x"]).unwrap();
        assert_eq!(named.plain_hosts(&main).unwrap(), [host("r.io")]);
        assert_eq!(named.authorities(&main).unwrap(), [(host("r.io:5000"), "x".into())]);
        assert_eq!(MainRegistry::among([&one, &one]), MainRegistry::One(host("r.io")));
    }
}
