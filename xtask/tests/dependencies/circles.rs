//! No files of a crate import from each other in a circle, and its top folders have an order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::files::{Imports, imports};
use super::{folders, workspace};

/// The top folders of crates: each may import from those before it, and from itself.
const ORDERS: [(&str, &[&str]); 2] = [
    ("crates/image/src", &["model", "transfer", "media"]),
    ("crates/lock/src", &["tree", "difference", "closure", "payload", "config", "unlock", "lock"]),
];

/// Returns the roots of all libraries and programs in the workspace, and of the stubs.
fn roots() -> Vec<PathBuf> {
    let sources = folders(&workspace())
        .into_iter()
        .filter(|folder| folder.ends_with("src") && folder.with_file_name("Cargo.toml").is_file());
    let roots = sources.flat_map(|source| [source.join("lib.rs"), source.join("main.rs")]);
    roots.filter(|root| root.is_file()).collect()
}

/// Returns the files that `start` imports from, at any remove.
fn reached<'i>(imports: &'i Imports, start: &Path) -> BTreeSet<&'i Path> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![start];
    while let Some(file) = waiting.pop() {
        for other in imports.get(file).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(other.as_path()) {
                waiting.push(other);
            }
        }
    }
    found
}

/// Returns the sets of files that all import from each other, at any remove.
fn circles(imports: &Imports) -> BTreeSet<BTreeSet<&Path>> {
    let reached: BTreeMap<&Path, BTreeSet<&Path>> =
        imports.keys().map(|file| (file.as_path(), reached(imports, file))).collect();
    let reaches =
        |from: &Path, to: &Path| reached.get(from).is_some_and(|found| found.contains(to));
    let within = reached.keys().filter(|file| reaches(file, file));
    within
        .map(|file| {
            reached
                .keys()
                .copied()
                .filter(|other| reaches(file, other) && reaches(other, file))
                .collect()
        })
        .collect()
}

/// Says for each pair of files in a circle which names the first takes from the second.
fn told(circle: &BTreeSet<&Path>, imports: &Imports) -> String {
    let mut lines = String::new();
    for from in circle {
        for (to, names) in imports.get(*from).into_iter().flatten() {
            if circle.contains(to.as_path()) {
                let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                lines += &format!("  {} -> {}: {names}\n", from.display(), to.display());
            }
        }
    }
    lines
}

/// Returns a line for each circle of `imports`.
fn wrong_circles(imports: &Imports) -> String {
    let lines = circles(imports)
        .into_iter()
        .map(|circle| format!("these files import from each other:\n{}", told(&circle, imports)));
    lines.collect()
}

/// Returns a line for each import between top folders of the source folder `source` that runs against
/// `order`.
fn wrong_order(imports: &Imports, source: &Path, order: &[&str]) -> String {
    // Files at the top, as the root, stand above all folders.
    let rank = |file: &Path| {
        let mut parts = file.strip_prefix(source).ok()?.components();
        let (top, rest) = (parts.next()?, parts.next());
        let top = top.as_os_str().to_string_lossy();
        let rank = match rest {
            Some(_) => order.iter().position(|folder| *folder == top),
            None => Some(order.len()),
        };
        Some(rank.unwrap_or_else(|| panic!("{} has no place in the order", file.display())))
    };
    let mut wrong = String::new();
    for (from, others) in imports {
        for (to, names) in others {
            if rank(from) < rank(to) {
                wrong += &format!("{} imports {names:?} from {}\n", from.display(), to.display());
            }
        }
    }
    wrong
}

#[test]
fn no_files_import_from_each_other() {
    let roots = roots().into_iter();
    let wrong: String = roots.map(|root| wrong_circles(&imports(&root, &workspace()))).collect();
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn top_folders_keep_their_order() {
    for (source, order) in ORDERS {
        let source = Path::new(source);
        let imports = imports(&workspace().join(source).join("lib.rs"), &workspace());
        let wrong = wrong_order(&imports, source, order);
        assert!(wrong.is_empty(), "{wrong}");
        for folder in order {
            assert!(workspace().join(source).join(folder).is_dir(), "{folder} is no folder");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(arrows: &[(&str, &str)]) -> Imports {
        let mut imports = Imports::new();
        for (from, to) in arrows {
            imports
                .entry(from.into())
                .or_default()
                .entry(to.into())
                .or_default()
                .insert("X".into());
        }
        imports
    }

    #[test]
    fn circles_are_found_whole_and_apart() {
        let imports = graph(&[
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("c", "d"),
            ("d", "e"),
            ("f", "g"),
            ("g", "f"),
        ]);
        let set = |names: &'static [&str]| names.iter().map(Path::new).collect::<BTreeSet<_>>();
        assert_eq!(circles(&imports), BTreeSet::from([set(&["a", "b", "c"]), set(&["f", "g"])]));
        assert_eq!(circles(&graph(&[("a", "b"), ("a", "c"), ("b", "c")])), BTreeSet::new());
    }

    #[test]
    fn circle_is_told_with_the_names_that_close_it() {
        let imports = graph(&[("a", "b"), ("b", "a"), ("b", "c")]);
        let told = "these files import from each other:\n  a -> b: X\n  b -> a: X\n";
        assert_eq!(wrong_circles(&imports), told);
        assert_eq!(wrong_circles(&graph(&[("a", "b")])), "");
    }

    #[test]
    fn upper_folders_import_from_lower_ones_alone() {
        let wrong =
            |from, to| wrong_order(&graph(&[(from, to)]), Path::new("src"), &["low", "high"]);
        assert_eq!(wrong("src/high/a.rs", "src/low/b.rs"), "");
        assert_eq!(wrong("src/low/a.rs", "src/low/x/b.rs"), "");
        assert_eq!(wrong("src/lib.rs", "src/high/b.rs"), "");
        assert_ne!(wrong("src/low/x/a.rs", "src/high/b.rs"), "");
        assert_ne!(wrong("src/low/a.rs", "src/lib.rs"), "");
    }

    #[test]
    #[should_panic(expected = "src/new/a.rs has no place in the order")]
    fn folder_without_a_place_is_not_passed_over() {
        wrong_order(&graph(&[("src/new/a.rs", "src/low/b.rs")]), Path::new("src"), &["low"]);
    }
}
