//! Images that stay in clear beside their encrypted copies. A new image replaces at most the one that
//! had its name.

use std::path::Path;

use sealcrate_image::Location;

use crate::talk;

/// Says in one line if an image in clear at `from` stays beside its encrypted copy at `to`.
pub(crate) fn tell(from: &Location, to: &Location) {
    if let Some(text) = stays(from, to) {
        talk::note(text);
    }
}

fn stays(from: &Location, to: &Location) -> Option<String> {
    match (from, to) {
        (Location::Registry(from), Location::Registry(to))
            if from.repository() == to.repository() =>
        {
            let repository = to.repository().familiar();
            Some(format!(
                "layers that lie in {repository} in clear stay there until the registry removes them"
            ))
        }
        (
            Location::OciLayout { folder: from, name: old },
            Location::OciLayout { folder: to, name: new },
        ) if old != new && is_same(from, to) => {
            let old =
                old.as_deref().map_or_else(|| "without a name".to_owned(), |it| format!("as {it}"));
            Some(format!("the image in clear stays in {} {old}", from.display()))
        }
        _ => None,
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(from: &str, to: &str) -> Option<String> {
        stays(&from.parse().unwrap(), &to.parse().unwrap())
    }

    #[test]
    fn what_stays_in_clear_beside_the_new_image_is_told() {
        let registry = said("docker://x.example/app:1", "docker://x.example/app:1").unwrap();
        assert!(registry.contains("x.example/app in clear stay there"), "{registry}");
        assert_eq!(said("docker://x.example/app:1", "docker://x.example/other:1"), None);
        let layout = said("oci:/tmp:1", "oci:/tmp/../tmp:2").unwrap();
        assert_eq!(layout, "the image in clear stays in /tmp as 1");
        assert!(said("oci:/tmp", "oci:/tmp:2").unwrap().ends_with("without a name"));
        // The new one has taken its name.
        assert_eq!(said("oci:/tmp:1", "oci:/tmp:1"), None);
        assert_eq!(said("oci:/tmp:1", "oci:/var:2"), None);
    }
}
