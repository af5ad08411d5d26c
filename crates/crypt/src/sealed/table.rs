//! The table of an index, which lists its children. Every encrypted child seals the same table.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{ATTESTED, Descriptor, Digest, Index, MediaType, Platform, Remarks};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ImageIdentity;
use crate::random::random;

/// The promises of an index about its children.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// The random ID of one sealing of the index, so that children of two sealings do not mix.
    id: String,
    /// The type of the index before encryption.
    pub media_type: MediaType,
    /// The remarks of the index before encryption.
    #[serde(flatten)]
    pub remarks: Remarks,
    /// The children, in order.
    pub rows: Vec<Row>,
}

/// One child of an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The child.
    #[serde(flatten)]
    pub kind: RowKind,
    /// The platform that the index states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The annotations of the child's descriptor before encryption.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The artifact type that the child's descriptor states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// The row of the image that an attestation describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<usize>,
}

/// The child of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RowKind {
    /// An encrypted image.
    Image(ImageIdentity),
    /// A child in clear, by the digest of its manifest.
    Manifest(Digest),
}

impl Row {
    /// Describes the child that had the descriptor `descriptor` in the index before encryption.
    /// `attested` finds the row of the child with a manifest's digest.
    pub fn new(
        kind: RowKind,
        descriptor: &Descriptor,
        attested: impl Fn(Digest) -> Option<usize>,
    ) -> Self {
        let mut annotations = descriptor.annotations.clone();
        let digest = annotations.get(ATTESTED).and_then(|text| text.parse().ok());
        let about = digest.and_then(attested);
        if about.is_some() {
            annotations.remove(ATTESTED);
        }
        let Descriptor { platform, artifact_type, .. } = descriptor.clone();
        Self { kind, platform, annotations, artifact_type, about }
    }

    /// Tells whether `descriptor` states the same platform.
    fn has_platform_of(&self, descriptor: &Descriptor) -> bool {
        let normalised = |platform: &Option<Platform>| platform.as_ref().map(Platform::normalised);
        normalised(&self.platform) == normalised(&descriptor.platform)
    }
}

impl Table {
    /// Draws the table of an index of the type `media_type`.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn draw(media_type: MediaType, remarks: Remarks, rows: Vec<Row>) -> io::Result<Self> {
        let id = STANDARD.encode(random::<16>()?);
        Ok(Self { id, media_type, remarks, rows })
    }

    /// Draws the table anew, with the rows for which `stay` is true.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn again(&self, stay: impl Fn(&Row) -> bool) -> io::Result<Self> {
        let mut places = Vec::with_capacity(self.rows.len());
        let mut count = 0;
        for row in &self.rows {
            places.push(stay(row).then_some(count));
            count += usize::from(stay(row));
        }
        let rows = self.rows.iter().filter(|row| stay(row)).cloned().map(|row| Row {
            about: row.about.and_then(|about| places.get(about).copied().flatten()),
            ..row
        });
        Self::draw(self.media_type.clone(), self.remarks.clone(), rows.collect())
    }

    /// Returns the table that is common to all `sealed` ones, which have one entry for each
    /// encrypted child. Returns `None` if no child has a table.
    ///
    /// # Errors
    /// Only some children have a table, or the tables differ.
    pub fn common<'t>(
        sealed: impl IntoIterator<Item = Option<&'t Self>>,
    ) -> Result<Option<&'t Self>, TableError> {
        let mut sealed = sealed.into_iter();
        let Some(first) = sealed.next() else { return Ok(None) };
        if sealed.all(|other| other == first) { Ok(first) } else { Err(TableError::Differ) }
    }

    /// Checks that `index` has exactly these children, in this order. `identity` returns the
    /// identity of a child that is an encrypted image.
    ///
    /// # Errors
    /// Children are missing, added or exchanged, or stand for another platform.
    pub fn check(
        &self,
        index: &Index,
        identity: impl Fn(&Descriptor) -> Option<ImageIdentity>,
    ) -> Result<(), TableError> {
        let (expected, found) = (self.rows.len(), index.manifests.len());
        if expected != found {
            return Err(TableError::Count { expected, found });
        }
        for (row, child) in self.rows.iter().zip(&index.manifests) {
            let is_same = match row.kind {
                RowKind::Image(image) => identity(child) == Some(image),
                RowKind::Manifest(digest) => child.digest == digest,
            };
            if !is_same || !row.has_platform_of(child) {
                return Err(TableError::Child(child.digest.short()));
            }
        }
        Ok(())
    }

    /// Checks that the image of `kind` may have been chosen from `index` as `child`. The image must
    /// have a row, and the index must list the platforms of the table.
    ///
    /// # Errors
    /// There is no such row; platforms are missing or added.
    pub fn check_child(
        &self,
        index: &Index,
        child: &Descriptor,
        kind: RowKind,
    ) -> Result<(), TableError> {
        if !self.rows.iter().any(|row| row.kind == kind && row.has_platform_of(child)) {
            return Err(TableError::Child(child.digest.short()));
        }
        let normalised = |platform: &Option<Platform>| platform.as_ref().map(Platform::normalised);
        let mine: BTreeSet<_> = self.rows.iter().map(|row| normalised(&row.platform)).collect();
        let its: BTreeSet<_> = index.manifests.iter().map(|it| normalised(&it.platform)).collect();
        if mine == its { Ok(()) } else { Err(TableError::Platforms) }
    }

    /// Tells whether the table names a child in clear with the digest `digest`.
    pub fn names(&self, digest: Digest) -> bool {
        self.rows.iter().any(|row| row.kind == RowKind::Manifest(digest))
    }

    /// Returns the descriptors of a new index. `children` has the new manifest of each row, or
    /// `None` for a row that is left out.
    pub fn descriptors(&self, children: &[Option<Descriptor>]) -> Vec<Descriptor> {
        let rows = self.rows.iter().zip(children);
        rows.filter_map(|(row, child)| {
            let mut descriptor = child.clone()?;
            descriptor.platform.clone_from(&row.platform);
            descriptor.annotations.clone_from(&row.annotations);
            descriptor.artifact_type.clone_from(&row.artifact_type);
            if let Some(about) = row.about.and_then(|about| children.get(about)?.as_ref()) {
                descriptor.annotations.insert(ATTESTED.to_owned(), about.digest.to_string());
            }
            Some(descriptor)
        })
        .collect()
    }
}

/// Why an index is not the one in which its images were sealed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// A child is not among the sealed ones.
    #[error("the index was tampered with: child {0} is another one than was sealed")]
    Child(String),
    /// Children are missing or were added.
    #[error("the index was tampered with: it has {found} children, and was sealed with {expected}")]
    Count {
        /// The number of sealed children.
        expected: usize,
        /// The number of children in the index.
        found: usize,
    },
    /// The children come from several indexes.
    #[error("the index was tampered with: its images were sealed in different indexes")]
    Differ,
    /// Platforms are missing or were added.
    #[error("the index was tampered with: it lists other platforms than were sealed")]
    Platforms,
}

impl Classified for TableError {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    fn child(name: &str, platform: &str) -> Descriptor {
        let mut child = Descriptor::of(MediaType::OCI_MANIFEST, name.as_bytes());
        child.platform = Some(self::platform(platform));
        child
    }

    fn identity(child: &Descriptor) -> ImageIdentity {
        ImageIdentity::of(child.platform.as_ref(), None, [child.digest])
    }

    fn sealed() -> (Index, Table) {
        let mut attestation = child("attestation", "unknown/unknown");
        let (amd, arm) = (child("amd", "linux/amd64"), child("arm", "linux/arm64"));
        attestation.annotations.insert(ATTESTED.to_owned(), arm.digest.to_string());
        let index = Index::new(vec![amd, arm, attestation]);
        let places = |digest| index.manifests.iter().position(|child| child.digest == digest);
        let row = |(place, child): (usize, &Descriptor)| {
            let kind = match place {
                2 => RowKind::Manifest(child.digest),
                _ => RowKind::Image(identity(child)),
            };
            Row::new(kind, child, places)
        };
        let rows = index.manifests.iter().enumerate().map(row).collect();
        let table = Table::draw(MediaType::OCI_INDEX, Remarks::default(), rows).unwrap();
        (index, table)
    }

    fn check(table: &Table, index: &Index) -> Result<(), TableError> {
        table.check(index, |child| Some(identity(child)))
    }

    #[test]
    fn missing_added_exchanged_and_relabelled_children_are_refused() {
        let (index, table) = sealed();
        assert_eq!(check(&table, &index), Ok(()));
        assert!(table.names(index.manifests[2].digest));
        assert!(!table.names(index.manifests[0].digest));
        let changes: [fn(&mut Vec<Descriptor>); 6] = [
            |all| all[2].digest = Digest::of(b"another attestation"),
            |all| drop(all.pop()),
            |all| all.push(child("more", "linux/386")),
            |all| all.swap(0, 1),
            |all| all[0] = child("other", "linux/amd64"),
            |all| all[2].platform = Some(platform("linux/amd64")),
        ];
        for change in changes {
            let mut changed = index.clone();
            change(&mut changed.manifests);
            assert!(check(&table, &changed).is_err(), "{changed:?}");
        }
    }

    #[test]
    fn reader_of_one_child_checks_its_row_and_the_platforms() {
        let (mut index, table) = sealed();
        let arm = index.manifests[1].clone();
        let kind = RowKind::Image(identity(&arm));
        assert_eq!(table.check_child(&index, &arm, kind), Ok(()));
        let other = RowKind::Image(identity(&child("other", "linux/arm64")));
        assert!(table.check_child(&index, &arm, other).is_err());
        index.manifests.remove(0);
        assert_eq!(table.check_child(&index, &arm, kind), Err(TableError::Platforms));
    }

    #[test]
    fn tables_of_two_sealings_do_not_mix() {
        let (_, table) = sealed();
        let again = table.again(|_| true).unwrap();
        assert_eq!(Table::common([Some(&table), Some(&table)]), Ok(Some(&table)));
        assert_eq!(Table::common([None, None]), Ok(None));
        assert_eq!(Table::common([Some(&table), Some(&again)]), Err(TableError::Differ));
        assert_eq!(Table::common([Some(&table), None]), Err(TableError::Differ));
        assert_eq!(Table::common([None, Some(&table)]), Err(TableError::Differ));
    }

    #[test]
    fn attestations_follow_the_image_that_they_are_about() {
        let (_, table) = sealed();
        let json = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<Table>(&json).unwrap(), table);
        let new = |name: &str| Some(Descriptor::of(MediaType::OCI_MANIFEST, name.as_bytes()));
        let all = table.descriptors(&[new("1"), new("2"), new("3")]);
        assert_eq!(all[2].annotations[ATTESTED], all[1].digest.to_string());
        assert_eq!(all[1].platform, Some(platform("linux/arm64")));
        let without = table.descriptors(&[new("1"), new("2"), None]);
        assert_eq!(without.len(), 2);
        let first = table.rows[0].clone();
        let fewer = table.again(|row| *row != first).unwrap();
        let all = fewer.descriptors(&[new("2"), new("3")]);
        assert_eq!(all[1].annotations[ATTESTED], all[0].digest.to_string());
    }
}
