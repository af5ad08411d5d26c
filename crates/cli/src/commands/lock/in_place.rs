//! Warns of private files that a program can replace by files in clear.

use std::fmt::Write as _;

use sealcrate_lock::SingleLinks;

use crate::output::talk;

/// How many folders are told of.
const FOLDERS: usize = 10;

/// How many files of a folder are told of.
const FILES: usize = 5;

/// Lists private files that are single links in clear folders, and says how a folder is unlocked whole.
pub(super) fn warn(all: &[SingleLinks]) {
    for links in all.iter().take(FOLDERS) {
        talk::warn(text(links));
    }
    if all.len() > FOLDERS {
        talk::warn(format!(
            "{} more folders have private files that are single links",
            all.len() - FOLDERS
        ));
    }
}

fn text(links: &SingleLinks) -> String {
    let SingleLinks { folder, files, whole_bytes } = links;
    let names = files.iter().take(FILES).map(|file| {
        let name = file.names().next_back().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    });
    let mut text = format!(
        "an edit in place of private files in {folder} puts cleartext on a disk, since each is a \
         single link in a clear folder: {}",
        names.collect::<Vec<_>>().join(", ")
    );
    if files.len() > FILES {
        let _ = write!(text, " and {} more", files.len() - FILES);
    }
    if let Some(bytes) = whole_bytes {
        let mib = bytes.div_ceil(1 << 20);
        let _ = write!(
            text,
            "; --whole {folder} unlocks the whole folder, with {mib} MiB of clear files"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use sealcrate_lock::TreePath;

    use super::*;

    fn links(count: usize, whole_bytes: Option<u64>) -> SingleLinks {
        let path = |text: String| TreePath::parse(text.as_bytes()).unwrap();
        let files = (0..count).map(|number| path(format!("app/{number}"))).collect();
        SingleLinks { folder: path("app".to_owned()), files, whole_bytes }
    }

    #[test]
    fn long_lists_are_cut_and_folders_that_stay_are_not_offered() {
        let text = text(&links(7, None));
        assert!(text.ends_with(": 0, 1, 2, 3, 4 and 2 more"), "{text}");
    }

    #[test]
    fn folder_is_offered_with_what_it_takes() {
        let text = text(&links(1, Some((1 << 20) + 1)));
        assert!(
            text.ends_with(": 0; --whole /app unlocks the whole folder, with 2 MiB of clear files"),
            "{text}"
        );
    }
}
