//! Images that stay in clear beside their encrypted copies. A new image replaces at most the one that
//! had its name.

use std::path::Path;

use sealcrate_image::Location;

/// An image in clear that stays beside its encrypted copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftBehind {
    /// Layers stay in a repository until its registry removes them.
    Repository(String),
    /// An image stays in a layout.
    Layout {
        /// The folder of the layout.
        folder: String,
        /// The name of the image, if it has one.
        name: Option<String>,
    },
}

impl LeftBehind {
    /// Returns the image in clear at `from` that stays beside its encrypted copy at `to`, if one stays.
    pub fn of(from: &Location, to: &Location) -> Option<Self> {
        match (from, to) {
            (Location::Registry(from), Location::Registry(to))
                if from.repository() == to.repository() =>
            {
                Some(Self::Repository(to.repository().familiar()))
            }
            (
                Location::OciLayout { folder: from, name: old },
                Location::OciLayout { folder: to, name: new },
            ) if old != new && is_same(from, to) => {
                Some(Self::Layout { folder: from.display().to_string(), name: old.clone() })
            }
            _ => None,
        }
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

    fn left(from: &str, to: &str) -> Option<LeftBehind> {
        LeftBehind::of(&from.parse().unwrap(), &to.parse().unwrap())
    }

    #[test]
    fn images_in_clear_beside_the_new_one_are_found() {
        let layout = |name: Option<&str>| {
            let (folder, name) = ("/tmp".to_owned(), name.map(str::to_owned));
            Some(LeftBehind::Layout { folder, name })
        };
        let registry = left("docker://x.example/app:1", "docker://x.example/app:1");
        assert_eq!(registry, Some(LeftBehind::Repository("x.example/app".to_owned())));
        assert_eq!(left("docker://x.example/app:1", "docker://x.example/other:1"), None);
        assert_eq!(left("oci:/tmp:1", "oci:/tmp/../tmp:2"), layout(Some("1")));
        assert_eq!(left("oci:/tmp", "oci:/tmp:2"), layout(None));
        // The new one has taken its name.
        assert_eq!(left("oci:/tmp:1", "oci:/tmp:1"), None);
        assert_eq!(left("oci:/tmp:1", "oci:/var:2"), None);
    }
}
