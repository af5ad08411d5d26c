//! The index of a locked image: entries stay within the unlock folder and the layers, and checks
//! within the image.

use sealcrate_packfile::index::{
    CheckKind, Command, EntryKind, Index, Needs, index_head, write_holes, write_index,
};

/// Takes bytes as an index, and once more behind the head that they should have.
pub(crate) fn run(data: &[u8]) {
    check(data);
    check(&[&index_head(data.len() as u64)[..], data].concat());
}

fn check(bytes: &[u8]) {
    let Ok(index) = Index::parse(bytes) else { return };
    assert_eq!(Command::parse(index.encoded_command), Ok(index.command));
    let layers: Vec<_> = index.layers().collect();
    let entries: Vec<_> = index.entries().collect();

    let checks: Vec<_> = index.checks().collect();

    let mut written = Vec::new();
    let (all_layers, all) = (layers.iter().copied(), entries.iter().copied());
    let (command, config, all_checks) = (&index.command, index.config, checks.iter().copied());
    write_index(index.unlock_on, command, config, all_layers, all, all_checks, &mut written);
    write_holes(index.holes, &mut written);
    let written = [&index_head(written.len() as u64)[..], &written].concat();
    // A layer of the first version is written as one of the second, which is longer.
    assert!(written.len() >= bytes.len());
    if written.len() == bytes.len() {
        assert!(written == bytes, "it is written otherwise than it was");
    }
    let again = Index::parse(&written).expect("it has just been written");
    assert!(again.layers().eq(layers.iter().copied()));
    assert!(again.entries().eq(entries.iter().copied()));
    assert!(again.checks().eq(checks.iter().copied()));
    assert_eq!(again.holes, index.holes);
    for check in &checks {
        assert!(is_within(check.path), "{check:?}");
        assert!(!matches!(check.kind, CheckKind::Link(target) if target.contains(&0)));
    }

    let (mut end, mut total, mut is_after_folders) = ((0, 0), 0_u64, false);
    for entry in &entries {
        assert!(entry.path.is_empty() || is_within(entry.path), "{entry:?}");
        match entry.kind {
            EntryKind::Folder => assert!(!is_after_folders, "{entry:?}"),
            EntryKind::File { layer, offset, len } => {
                assert!((layer as usize) < layers.len(), "{entry:?}");
                assert!((layer, offset) >= end, "{entry:?}");
                end = (layer, offset.checked_add(len).expect("an end"));
                total = total.saturating_add(len);
            }
            EntryKind::HardLink(target) => assert!(is_within(target), "{entry:?}"),
            EntryKind::Symlink(target) => assert!(!target.contains(&0), "{entry:?}"),
            EntryKind::Fifo => {}
        }
        is_after_folders |= entry.kind != EntryKind::Folder;
    }
    let needs = Needs::of(&index);
    assert!(needs.bytes >= total.saturating_sub(index.holes) && needs.files > entries.len() as u64);
}

/// Tells whether a path leads down from its start, and not into our own folder.
fn is_within(path: &[u8]) -> bool {
    let mut names = path.split(|byte| *byte == b'/');
    let is_name = |name: &[u8]| {
        !matches!(name, b"" | b"." | b"..") && name.len() <= 255 && !name.contains(&0)
    };
    names.all(is_name) && path.split(|byte| *byte == b'/').next() != Some(b".sealcrate")
}
