//! Homes: the repositories that images were pushed to.

use std::fmt;

use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{ReferenceError, Repository};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The normalised host and repository that an image was pushed to.
///
/// The host is in lower case and without the port 443. A host of one word without another port gets
/// the port 443. `index.docker.io` becomes `docker.io`, and a Docker Hub name of one word gets
/// `library/` before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Home(Repository);

impl Home {
    /// Takes the repository that an image is pushed to.
    pub fn of(repository: &Repository) -> Self {
        let host = repository.registry().to_ascii_lowercase();
        let host = host.strip_suffix(":443").unwrap_or(&host);
        let at = |host: &str| {
            let name: Result<Repository, _> = format!("{host}/{}", repository.path()).parse();
            name.ok().filter(|name| name.registry() == host)
        };
        // A host of one word in lower case looks like a path, unless it has a port.
        let normalised = at(host).or_else(|| at(&format!("{host}:443")));
        Self(normalised.unwrap_or_else(|| repository.clone()))
    }

    /// Tells whether a reader may read an image of this home from `place`. One path must be the
    /// tail of the other, in whole components. Hosts do not count: caches, ports and inner names
    /// change them.
    pub fn is_reached_by(&self, place: &Self) -> bool {
        let (mine, others) = (self.0.path(), place.0.path());
        let is_tail = |long: &str, short: &str| {
            long.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        is_tail(mine, others) || is_tail(others, mine)
    }

    /// Checks that a reader may read an image of `home` from `place`. An image without a home
    /// passes. If `expected` is given, the home must be that one, and `place` does not count.
    ///
    /// # Errors
    /// The image has another home.
    pub fn check(
        home: Option<&Self>,
        place: Option<&Self>,
        expected: Option<&Self>,
    ) -> Result<(), HomeError> {
        let Some(home) = home else { return Ok(()) };
        let other = |place: &Self| HomeError { home: home.clone(), place: place.clone() };
        match (expected, place) {
            (Some(expected), _) if expected == home => Ok(()),
            (Some(expected), _) => Err(other(expected)),
            (None, Some(place)) if !home.is_reached_by(place) => Err(other(place)),
            (None, _) => Ok(()),
        }
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Home {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl std::str::FromStr for Home {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Ok(Self::of(&text.parse()?))
    }
}

impl From<Home> for String {
    fn from(home: Home) -> Self {
        home.to_string()
    }
}

/// Says that an image belongs to another repository than the one that it came from.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the image was pushed to {home}, and is read from {place}")]
pub struct HomeError {
    home: Home,
    place: Home,
}

impl Classified for HomeError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(text: &str) -> Home {
        text.parse().unwrap()
    }

    #[test]
    fn hosts_are_normalised() {
        for (one, other) in [
            ("GHCR.io/acme/app", "ghcr.io/acme/app"),
            ("ghcr.io:443/acme/app", "ghcr.io/acme/app"),
            ("alpine", "docker.io/library/alpine"),
            ("index.docker.io/acme/app", "acme/app"),
        ] {
            assert_eq!(home(one), home(other));
        }
        for one_word in ["registry:443/app", "REGISTRY/app", "Registry:443/app"] {
            assert_eq!(home(one_word).to_string(), "registry:443/app");
        }
        assert_eq!(home("LOCALHOST/app").to_string(), "localhost/app");
        assert_eq!(home("REGISTRY:5000/app").to_string(), "registry:5000/app");
        assert_eq!(home("[::1]:443/app").to_string(), "[::1]/app");
        assert_ne!(home("localhost:5000/app"), home("localhost:5001/app"));
        let json = serde_json::to_string(&home("x.example/a")).unwrap();
        assert_eq!(serde_json::from_str::<Home>(&json).unwrap(), home("x.example/a"));
        assert!(serde_json::from_str::<Home>(r#""x.example/A""#).is_err());
    }

    #[test]
    fn paths_reach_each_other_by_whole_components() {
        let app = home("ghcr.io/acme/app");
        for place in ["cache.example/ghcr.io/acme/app", "localhost:5000/app", "x.example/acme/app"]
        {
            assert!(app.is_reached_by(&home(place)), "{place}");
        }
        for place in [
            "ghcr.io/acme/other",
            "ghcr.io/acme/my-app",
            "x.example/other/app",
            "x.example/big-acme/app",
            "x.example/pp",
        ] {
            assert!(!app.is_reached_by(&home(place)), "{place}");
        }
    }

    #[test]
    fn stated_home_counts_instead_of_the_place() {
        let (app, other) = (home("x.example/app"), home("x.example/other"));
        assert!(Home::check(Some(&app), Some(&other), None).is_err());
        assert!(Home::check(Some(&app), Some(&other), Some(&app)).is_ok());
        assert!(Home::check(Some(&app), Some(&app), Some(&other)).is_err());
        assert!(Home::check(None, Some(&other), Some(&app)).is_ok());
        assert!(Home::check(Some(&app), None, None).is_ok());
    }
}
