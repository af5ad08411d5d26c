//! The check that each library lists all of its public errors where their classes are looked up.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{entries, folders, workspace};

/// Returns the public types in `text` that derive `Error`.
fn errors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut derives = false;
    for line in text.lines() {
        if let Some(list) = line.strip_prefix("#[derive(") {
            let mut names = list.trim_end_matches(")]").split(", ");
            derives = names.any(|name| name == "Error");
        } else if let Some((_, rest)) =
            line.split_once("pub enum ").or_else(|| line.split_once("pub struct "))
        {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
            if std::mem::take(&mut derives) {
                found.insert(name);
            }
        } else if line.is_empty() {
            derives = false;
        }
    }
    found
}

/// Returns the public errors of the crate in `folder` that its `class.rs` does not list.
fn unlisted(folder: &Path) -> Vec<String> {
    let files: Vec<PathBuf> =
        folders(&folder.join("src")).iter().flat_map(|folder| entries(folder)).collect();
    let text = |path: &PathBuf| fs::read_to_string(path).expect("a source file is text");
    let list = files.iter().find(|path| path.ends_with("class.rs")).map(text);
    let list = list.expect("a library has a class.rs");
    let listed: BTreeSet<&str> = list.split(|c: char| !c.is_alphanumeric()).collect();
    let sources = files.iter().filter(|path| path.extension().is_some_and(|it| it == "rs"));
    let all = sources.flat_map(|path| errors(&text(path)));
    all.filter(|name| !listed.contains(name.as_str())).collect()
}

#[test]
fn libraries_list_all_of_their_errors() {
    let libraries = ["agefile", "core", "crypt", "image", "lock", "openpgp", "pack", "packfile"];
    for library in libraries {
        let missing = unlisted(&workspace().join("crates").join(library));
        assert!(missing.is_empty(), "class.rs of crates/{library} does not list {missing:?}");
    }
}

#[test]
fn public_errors_are_found_in_a_source() {
    let text = "#[derive(Debug, Error)]\n#[non_exhaustive]\npub enum One {}\n\n\
        #[derive(Debug, Error)]\nstruct Private;\n\n#[derive(Debug)]\npub struct NoError;\n";
    assert_eq!(errors(text), BTreeSet::from(["One".to_owned()]));
}
