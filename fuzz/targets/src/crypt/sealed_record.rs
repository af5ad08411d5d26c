//! Sealed records, in which a reader of an image can have written anything.

use sealcrate_crypt::sealed::{Home, RowKind, SealedRecord, Table};
use sealcrate_image::{Descriptor, Index, MediaType};

/// Parses a record, writes it again, and compares an index with the table in it.
pub(crate) fn run(data: &[u8]) {
    let Ok(record) = serde_json::from_slice::<SealedRecord>(data) else { return };
    let written = serde_json::to_vec(&record).expect("a record is JSON");
    let again: SealedRecord = serde_json::from_slice(&written).expect("what was written");
    assert_eq!(again, record);
    if let Some(home) = &record.home {
        assert_eq!(home.to_string().parse::<Home>().as_ref(), Ok(home));
        assert!(home.is_reached_by(home));
    }
    if let Some(table) = &record.index {
        check(table);
    }
}

/// Gives every row a child, or every second row, and compares the children's index with the table.
fn check(table: &Table) {
    for step in [1, 2] {
        let child = |place: usize| {
            let bytes = place.to_be_bytes();
            place.is_multiple_of(step).then(|| Descriptor::of(MediaType::OCI_MANIFEST, &bytes))
        };
        let children: Vec<Option<Descriptor>> = (0..table.rows.len()).map(child).collect();
        let index = Index::new(table.descriptors(&children));
        assert_eq!(index.manifests.len(), children.iter().flatten().count());
        let names_image = table.rows.iter().any(|row| matches!(row.kind, RowKind::Image(_)));
        assert!(!names_image || table.check(&index, |_| None).is_err());
        let first = table.rows.first().map(|row| row.kind);
        assert!(table.again(|row| Some(row.kind) != first).is_ok());
    }
}
