//! The head of a program that is packed for a folder.

use sealcrate_packfile::{FOLDER_PREFIX, FolderHead, folder_head_len, is_place};

/// Parses bytes as a head, and writes the parsed head again.
pub(crate) fn run(data: &[u8]) {
    let Some(prefix) = data.first_chunk::<FOLDER_PREFIX>() else { return };
    let Ok(len) = folder_head_len(*prefix) else { return };
    let Some(head) = data.get(..len) else { return };
    let Ok(parsed) = FolderHead::parse(head) else { return };
    assert!(is_place(parsed.path()));
    for entry in parsed.entries() {
        let mut names = entry.path.split(|byte| *byte == b'/');
        assert!(names.all(|name| !matches!(name, b"" | b"." | b"..")), "{entry:?}");
        assert!(!entry.path.contains(&0), "{entry:?}");
    }
    let mut again = Vec::new();
    FolderHead::write(parsed.path(), parsed.entries(), &mut again).expect("it was one");
    // Bits of modes that nobody looks at may be missing.
    let again = FolderHead::parse(&again).expect("it was written");
    assert!(again.entries().eq(parsed.entries()) && again.path() == parsed.path());
}
