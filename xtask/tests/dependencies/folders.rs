//! No folder holds more files than somebody can look over.

use std::path::Path;

use super::known::LARGE_FOLDERS;
use super::{entries, folders, workspace};

/// How many Rust files a folder may hold.
const MOST: usize = 14;

/// Returns a line for each folder below `root` with more than `most` files. The folders in `larger` may hold
/// more.
fn wrong(root: &Path, most: usize, larger: &[(&str, usize)]) -> String {
    let mut wrong = String::new();
    for folder in folders(root) {
        let files = entries(&folder);
        let count =
            files.iter().filter(|file| file.extension().is_some_and(|end| end == "rs")).count();
        let name = folder.strip_prefix(root).unwrap_or(&folder);
        let known = larger.iter().find(|(known, _)| Path::new(known) == name);
        match known {
            Some(_) if count <= most => {
                wrong +=
                    &format!("{} holds {count} files: take it from the list\n", name.display());
            }
            Some((_, known)) if count > *known => {
                wrong += &format!(
                    "{} holds {count} files, more than the {known} of the list\n",
                    name.display()
                );
            }
            None if count > most => {
                wrong += &format!("{} holds {count} files, more than {most}\n", name.display());
            }
            _ => {}
        }
    }
    for (known, _) in larger {
        if !root.join(known).is_dir() {
            wrong += &format!("{known} is gone: take it from the list\n");
        }
    }
    wrong
}

#[test]
fn no_folder_holds_too_many_files() {
    let wrong = wrong(&workspace(), MOST, LARGE_FOLDERS);
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn folders_are_counted_and_known_ones_have_to_shrink() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("a/b");
    std::fs::create_dir_all(root.path().join("target")).unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["1.rs", "2.rs", "3.rs", "4.txt"] {
        std::fs::write(folder.join(name), "").unwrap();
        std::fs::write(root.path().join("target").join(name), "").unwrap();
    }
    assert_eq!(wrong(root.path(), 3, &[]), "");
    assert_eq!(wrong(root.path(), 2, &[]), "a/b holds 3 files, more than 2\n");
    assert_eq!(wrong(root.path(), 2, &[("a/b", 3)]), "");
    assert_eq!(wrong(root.path(), 3, &[("a/b", 3)]), "a/b holds 3 files: take it from the list\n");
    assert_eq!(wrong(root.path(), 3, &[("c", 9)]), "c is gone: take it from the list\n");
}
