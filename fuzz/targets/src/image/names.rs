//! Names of images that people type: references, locations, platforms, digests.

use sealcrate_image::{Digest, EngineName, Location, Platform, Reference, Repository};

/// Parses bytes as each kind of name. Writes the name, and parses it once more.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        for spelling in [reference.to_string(), reference.familiar()] {
            let again: Reference = spelling.parse().expect("what was written");
            assert_eq!(same(&again), same(&reference), "{spelling:?}");
        }
        let at = reference.at(Digest::of(data));
        assert_eq!(at.to_string().parse(), Ok(at));
    }
    if let Ok(repository) = text.parse::<Repository>() {
        for spelling in [repository.to_string(), repository.familiar()] {
            assert_eq!(spelling.parse().as_ref(), Ok(&repository), "{spelling:?}");
        }
    }
    if let Ok(name) = text.parse::<EngineName>() {
        let again: EngineName = name.to_string().parse().expect("what was written");
        assert_eq!(again.to_string(), name.to_string());
    }
    if let Ok(location) = text.parse::<Location>() {
        let again: Location = location.to_string().parse().expect("what was written");
        assert_eq!(again.to_string(), location.to_string());
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse().as_ref(), Ok(&platform));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
}

/// Returns the meaning of a reference: a missing tag is the usual one.
fn same(reference: &Reference) -> (&Repository, Option<&str>, Option<Digest>) {
    (reference.repository(), reference.tag(), reference.digest())
}
