//! No folder holds more files than somebody can look over.

use std::path::Path;

use super::{entries, folders, workspace};

/// How many Rust files a folder may hold.
const MOST: usize = 14;

/// Returns a line for each folder below `root` with more than `most` files.
fn wrong(root: &Path, most: usize) -> String {
    let mut wrong = String::new();
    for folder in folders(root) {
        let files = entries(&folder);
        let count =
            files.iter().filter(|file| file.extension().is_some_and(|end| end == "rs")).count();
        if count > most {
            let name = folder.strip_prefix(root).unwrap_or(&folder);
            wrong += &format!("{} holds {count} files, more than {most}\n", name.display());
        }
    }
    wrong
}

#[test]
fn no_folder_holds_too_many_files() {
    let wrong = wrong(&workspace(), MOST);
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn rust_files_of_a_folder_are_counted() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("a/b");
    std::fs::create_dir_all(root.path().join("target")).unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["1.rs", "2.rs", "3.rs", "4.txt"] {
        std::fs::write(folder.join(name), "").unwrap();
        std::fs::write(root.path().join("target").join(name), "").unwrap();
    }
    assert_eq!(wrong(root.path(), 3), "");
    assert_eq!(wrong(root.path(), 2), "a/b holds 3 files, more than 2\n");
}
