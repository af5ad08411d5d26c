//! PathRules: files that stay in the clear, folders that stay folders, and reasons against locking.

use std::collections::BTreeSet;

use sealcrate_lock::{
    Changes, Difference, DifferenceError, PathRules, Privileges, Problem, TreePath, UnlockedKind,
};

use crate::steps::append;

fn refused(tar: &[u8], rules: &PathRules) -> Vec<Problem> {
    let changes = [Changes::read(0, tar).unwrap()];
    match Difference::of(&changes, &BTreeSet::from([0]), rules) {
        Err(DifferenceError::Problems(problems)) => problems,
        other => panic!("{other:?}"),
    }
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text.as_bytes()).unwrap()
}

#[test]
fn everything_that_stands_against_locking_is_named() {
    let mut builder = tar::Builder::new(Vec::new());
    let regular = tar::EntryType::Regular;
    for file in ["etc/passwd", "etc/hosts", "data/x", ".sealcrate/init"] {
        append(&mut builder, file, regular, 0o644, b"x", "");
    }
    append(&mut builder, "su", regular, 0o4755, b"x", "");
    append(&mut builder, "node", tar::EntryType::Char, 0o644, b"", "");
    let tar = builder.into_inner().unwrap();
    let rules = PathRules { volumes: vec![path("data")], ..PathRules::default() };
    let expected = [
        Problem::Ours,
        Problem::Volume(path("data/x"), path("data")),
        Problem::OfEngines(path("etc/hosts")),
        Problem::OfEngines(path("etc/passwd")),
        Problem::Device(path("node")),
        Problem::SetId(path("su")),
    ];
    assert_eq!(refused(&tar, &rules), expected);
}

#[test]
fn what_is_said_to_be_public_stays_in_the_clear() {
    let mut builder = tar::Builder::new(Vec::new());
    for file in ["etc/passwd", "app/public/x", "app/secret"] {
        append(&mut builder, file, tar::EntryType::Regular, 0o644, b"x", "");
    }
    let changes = [Changes::read(0, builder.into_inner().unwrap().as_slice()).unwrap()];
    let public = vec![path("etc/passwd"), path("app/public")];
    let rules = PathRules { public, ..PathRules::default() };
    let difference = Difference::of(&changes, &BTreeSet::from([0]), &rules).unwrap();
    let skeleton: Vec<_> =
        difference.skeleton.0.iter().map(|entry| entry.path.to_string()).collect();
    let expected = ["/app", "/app/public", "/app/public/x", "/app/secret", "/etc", "/etc/passwd"];
    assert_eq!(skeleton, expected);
    let unlocked: Vec<_> = difference.unlocked.iter().map(|entry| entry.path.to_string()).collect();
    let back = ["/app/public", "/etc", "/dev", "/proc", "/sys"];
    assert_eq!(unlocked, [&["/", "/app", "/app/secret"][..], &back].concat());
}

#[test]
fn mountpoints_are_folders_even_where_everything_around_is_private() {
    let mut builder = tar::Builder::new(Vec::new());
    append(&mut builder, "app/x", tar::EntryType::Regular, 0o644, b"x", "");
    let changes = [Changes::read(0, builder.into_inner().unwrap().as_slice()).unwrap()];
    let rules = PathRules { mountpoints: vec![path("app/data/in")], ..PathRules::default() };
    let difference = Difference::of(&changes, &BTreeSet::from([0]), &rules).unwrap();
    let skeleton: Vec<_> = difference
        .skeleton
        .0
        .iter()
        .map(|entry| {
            (entry.path.to_string(), matches!(entry.kind, sealcrate_lock::SkeletonKind::Folder(_)))
        })
        .collect();
    let expected = [("/app", true), ("/app/data", true), ("/app/data/in", true), ("/app/x", false)];
    assert_eq!(skeleton, expected.map(|(path, is_folder)| (path.to_owned(), is_folder)));
}

#[test]
fn private_files_in_mountpoints_are_refused_or_left_out() {
    let tar = |files: &[&str]| {
        let mut builder = tar::Builder::new(Vec::new());
        for file in files {
            append(&mut builder, file, tar::EntryType::Regular, 0o644, file.as_bytes(), "");
        }
        builder.into_inner().unwrap()
    };
    let (clear, private) =
        (tar(&["data/old", "b/x"]), tar(&["data/old", "data/in/x", "data/y", "a"]));
    let layers: Vec<_> = [clear, private]
        .iter()
        .enumerate()
        .map(|(place, tar)| Changes::read(place, tar.as_slice()).unwrap())
        .collect();
    let mut rules = PathRules { mountpoints: vec![path("data")], ..PathRules::default() };
    let found = ["data/in", "data/old", "data/y"]
        .map(|found| Problem::Mountpoint(path(found), path("data")));
    match Difference::of(&layers, &BTreeSet::from([1]), &rules) {
        Err(DifferenceError::Problems(problems)) => assert_eq!(problems, found),
        other => panic!("{other:?}"),
    }
    rules.privileges = Privileges::LeaveOut;
    let difference = Difference::of(&layers, &BTreeSet::from([1]), &rules).unwrap();
    assert_eq!(difference.left_out, found);
    let skeleton: Vec<_> = difference.skeleton.0.iter().map(|entry| &entry.path).collect();
    let whiteout = path("data/old");
    assert!(skeleton.contains(&&whiteout), "the clear file does not come back");
    assert!(!skeleton.iter().any(|path| path.is_within(&self::path("data/in"))), "{skeleton:?}");
    let unlocked = difference.unlocked.iter().filter(|entry| entry.path.is_within(&path("data")));
    let kinds: Vec<_> = unlocked.map(|entry| &entry.kind).collect();
    assert_eq!(kinds, [&UnlockedKind::Symlink(b"/data".to_vec())], "a link back, and nothing else");
    // In the clear there is no link.
    let rules = PathRules {
        public: vec![path("data")],
        ..PathRules { privileges: Privileges::Refuse, ..rules }
    };
    Difference::of(&layers, &BTreeSet::from([1]), &rules).unwrap();
}

#[test]
fn folders_with_too_many_clear_files_are_named() {
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..1001 {
        let path = format!("many/{number}");
        append(&mut builder, &path, tar::EntryType::Regular, 0o644, b"x", "");
    }
    append(&mut builder, "few/1", tar::EntryType::Regular, 0o644, b"x", "");
    let clear = builder.into_inner().unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    for path in ["many/private", "few/private"] {
        append(&mut builder, path, tar::EntryType::Regular, 0o644, b"x", "");
    }
    let private = builder.into_inner().unwrap();
    let layers = [Changes::read(0, &clear[..]).unwrap(), Changes::read(1, &private[..]).unwrap()];
    let difference = Difference::of(&layers, &BTreeSet::from([1]), &PathRules::default()).unwrap();
    assert_eq!(difference.crowded, [path("many")]);
    let unlocked = |name| difference.unlocked.iter().any(|entry| entry.path == path(name));
    assert!(unlocked("many/private") && !unlocked("many/1") && unlocked("few/1"));
    // Where all are too many, the fullest have none, wherever they lie.
    let tar = |name: &str| {
        let mut builder = tar::Builder::new(Vec::new());
        for (folder, count) in [("a", 900), ("b", 800), ("c", 700), ("d", 10)] {
            for number in 0..count {
                let path = format!("{folder}/{name}{number}");
                append(&mut builder, &path, tar::EntryType::Regular, 0o644, b"x", "");
            }
        }
        builder.into_inner().unwrap()
    };
    let (clear, private) = (tar("clear"), tar("private"));
    let layers = [Changes::read(0, &clear[..]).unwrap(), Changes::read(1, &private[..]).unwrap()];
    let difference = Difference::of(&layers, &BTreeSet::from([1]), &PathRules::default()).unwrap();
    assert_eq!(difference.crowded, [path("a")]);
}
