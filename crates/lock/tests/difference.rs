//! Whatever layers do: what is clear, with the skeleton over it and what is unlocked where its links
//! lead, is the whole image.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use sealcrate_lock::{
    Changes, Difference, DifferenceError, Privileges, Problem, Rules, TreePath, UNLOCK_FOLDER,
    Unlocked, UnlockedKind,
};

/// One step of a layer, as tar files have it.
#[derive(Clone, Debug)]
enum Step {
    File(&'static str, u8),
    Folder(&'static str, u32),
    HardLink(&'static str, &'static str),
    Opaque(&'static str),
    Symlink(&'static str, &'static str),
    Whiteout(&'static str),
}

const PATHS: [&str; 13] = [
    "a", "a/b", "a/b/c", "a/b/d", "z", "a/e", "f", "etc", "etc/g", "var/run", "etc/g/h", "i/j",
    "i/j/k",
];

const TARGETS: [&str; 9] = ["b", "../f", "/a/b", "../../f", "c", "g/h", "../a/b/../e", "e", ".."];

/// What a path leads to at the end: its kind and content, and mode; of files, which names are the
/// same one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Thing {
    File { content: Vec<u8>, mode: u32, inode: usize },
    Folder { mode: u32 },
    Symlink(String),
}

fn append(
    builder: &mut tar::Builder<Vec<u8>>,
    path: &str,
    kind: tar::EntryType,
    mode: u32,
    content: &[u8],
    target: &str,
) {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_mtime(u64::from(mode));
    header.set_uid(u64::from(mode & 7));
    header.set_gid(5);
    match kind {
        tar::EntryType::Symlink | tar::EntryType::Link => {
            builder.append_link(&mut header, path, target).unwrap();
        }
        _ => builder.append_data(&mut header, path, content).unwrap(),
    }
}

fn tar_of(steps: &[Step]) -> Vec<u8> {
    use tar::EntryType;
    let mut builder = tar::Builder::new(Vec::new());
    for step in steps {
        let builder = &mut builder;
        match step {
            Step::File(path, content) => {
                append(
                    builder,
                    path,
                    EntryType::Regular,
                    0o640,
                    &vec![*content; usize::from(*content) * 7],
                    "",
                );
            }
            Step::Folder(path, mode) => {
                append(builder, &format!("{path}/"), EntryType::Directory, *mode, b"", "");
            }
            Step::HardLink(path, target) => {
                append(builder, path, EntryType::Link, 0o600, b"", target);
            }
            Step::Opaque(path) => {
                append(builder, &format!("{path}/.wh..wh..opq"), EntryType::Regular, 0, b"", "");
            }
            Step::Symlink(path, target) => {
                append(builder, path, EntryType::Symlink, 0o777, b"", target);
            }
            Step::Whiteout(path) => {
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
                let path = format!("{folder}/.wh.{name}");
                append(builder, path.trim_start_matches('/'), EntryType::Regular, 0, b"", "");
            }
        }
    }
    builder.into_inner().unwrap()
}

/// A file system as a flat list, on which layers are laid by the words of the specification.
#[derive(Clone, Debug, Default, PartialEq)]
struct Flat(BTreeMap<String, Thing>);

impl Flat {
    fn remove_below(&mut self, path: &str) {
        self.0.retain(|other, _| !other.starts_with(&format!("{path}/")));
    }

    /// Lays a layer over it. Tells whether that can be done.
    fn apply(&mut self, steps: &[Step], next: &mut usize) -> bool {
        for step in steps {
            match step {
                Step::Opaque(path) => self.remove_below(path),
                Step::Whiteout(path) => {
                    self.0.remove(*path);
                    self.remove_below(path);
                }
                _ => {}
            }
        }
        let mut own = BTreeSet::new();
        for step in steps {
            let (path, thing) = match step {
                Step::File(path, content) => {
                    *next += 1;
                    let content = vec![*content; usize::from(*content) * 7];
                    (*path, Thing::File { content, mode: 0o640, inode: *next })
                }
                Step::Folder(path, mode) => (*path, Thing::Folder { mode: *mode }),
                Step::HardLink(path, target) => match self.0.get(*target) {
                    None | Some(Thing::Folder { .. }) => return false,
                    Some(thing) => (*path, thing.clone()),
                },
                Step::Symlink(path, target) => (*path, Thing::Symlink((*target).to_owned())),
                Step::Opaque(_) | Step::Whiteout(_) => continue,
            };
            let mut folder = String::new();
            for name in path.split('/') {
                if !folder.is_empty() {
                    let there = self.0.get(&folder);
                    if !matches!(there, Some(Thing::Folder { .. })) {
                        if there.is_some() && own.contains(&folder) {
                            return false;
                        }
                        self.0.insert(folder.clone(), Thing::Folder { mode: 0o755 });
                    }
                    folder.push('/');
                }
                folder.push_str(name);
            }
            if !matches!(thing, Thing::Folder { .. }) {
                self.remove_below(path);
            }
            self.0.insert(path.to_owned(), thing);
            own.insert(path.to_owned());
        }
        true
    }

    /// Follows every link on the way to a path but the last, as the kernel does, in a file system
    /// that has unlocked files.
    fn lookup(&self, path: &str, follow_ours: bool) -> Option<(String, &Thing)> {
        let mut at = String::new();
        let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut budget = 40;
        while let Some(name) = rest.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    at.truncate(at.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let here = if at.is_empty() { name } else { format!("{at}/{name}") };
            match self.0.get(&here)? {
                Thing::Symlink(target)
                    if !rest.is_empty() || (follow_ours && is_ours(target, &here)) =>
                {
                    budget -= 1;
                    if budget == 0 {
                        return None;
                    }
                    if target.starts_with('/') {
                        at.clear();
                    }
                    rest.extend(target.split('/').rev().map(str::to_owned));
                }
                Thing::Folder { .. } => at = here,
                // Nothing lies in it, and it has no folder above it.
                _ if rest.iter().any(|name| !matches!(name.as_str(), "" | ".")) => return None,
                _ => at = here,
            }
        }
        self.0.get(&at).map(|thing| (at.clone(), thing))
    }
}

/// Whether a link is one that the skeleton has made.
fn is_ours(target: &str, path: &str) -> bool {
    target == format!("{UNLOCK_FOLDER}/{path}")
}

/// Unlocks as a start does, out of the layers' tar files.
fn unlock(flat: &mut Flat, unlocked: &[Unlocked], tars: &[Vec<u8>], next: &mut usize) {
    let folder = UNLOCK_FOLDER.trim_start_matches('/');
    flat.0.insert("dev".to_owned(), Thing::Folder { mode: 0o755 });
    flat.0.insert(folder.to_owned(), Thing::Folder { mode: 0o755 });
    for entry in unlocked {
        let path = String::from_utf8(entry.path.as_bytes().to_vec()).unwrap();
        let place = |path: &str| format!("{folder}/{path}");
        let mode = entry.metadata.mode;
        let thing = match &entry.kind {
            UnlockedKind::Fifo => unreachable!(),
            UnlockedKind::Folder => Thing::Folder { mode },
            UnlockedKind::Symlink(target) => {
                Thing::Symlink(String::from_utf8(target.clone()).unwrap())
            }
            UnlockedKind::HardLink(target) => {
                let target = String::from_utf8(target.as_bytes().to_vec()).unwrap();
                flat.0[&place(&target)].clone()
            }
            UnlockedKind::File { layer, offset, len } => {
                *next += 1;
                let content = tars[*layer][*offset as usize..][..*len as usize].to_vec();
                Thing::File { content, mode, inode: *next }
            }
        };
        if path.is_empty() {
            continue;
        }
        let parent = place(&path);
        let parent = parent.rsplit_once('/').unwrap().0;
        assert!(matches!(flat.0.get(parent), Some(Thing::Folder { .. })), "{path}");
        assert!(flat.0.insert(place(&path), thing).is_none(), "{path} twice");
    }
}

fn step() -> impl Strategy<Value = Step> {
    let path = || prop::sample::select(&PATHS[..]);
    prop_oneof![
        4 => (path(), 1..250_u8).prop_map(|(path, content)| Step::File(path, content)),
        2 => (path(), prop::sample::select(&[0o700_u32, 0o755, 0o1777][..]))
            .prop_map(|(path, mode)| Step::Folder(path, mode)),
        1 => (path(), path()).prop_map(|(path, target)| Step::HardLink(path, target)),
        1 => path().prop_map(Step::Opaque),
        2 => (path(), prop::sample::select(&TARGETS[..]))
            .prop_map(|(path, target)| Step::Symlink(path, target)),
        2 => path().prop_map(Step::Whiteout),
    ]
}

/// Links in the clear stay what they are. One that goes back out of a folder comes out elsewhere
/// once that folder is a link, which is a limit, and not looked at here.
fn layers() -> impl Strategy<Value = Vec<(Vec<Step>, bool)>> {
    let layer = (prop::collection::vec(step(), 1..6), any::<bool>());
    let layer = layer.prop_map(|(mut steps, private)| {
        if !private {
            steps.retain(
                |step| !matches!(step, Step::Symlink(_, target) if target.contains("b/..")),
            );
            steps.push(Step::File("z", 1));
        }
        (steps, private)
    });
    prop::collection::vec(layer, 1..6)
}

/// What a program sees at a path, and what a link there says: links in the image that are ours lead
/// on.
fn compare(original: &Flat, locked: &Flat) {
    for (path, thing) in &original.0 {
        let seen = locked.lookup(path, true).map(|(_, thing)| thing);
        match (thing, seen) {
            (
                Thing::Symlink(target),
                Some(Thing::Symlink(_) | Thing::File { .. } | Thing::Folder { .. }),
            ) => {
                // Where it leads counts, not what it says.
                let end = |flat: &Flat| {
                    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let whole = match target.strip_prefix('/') {
                        Some(absolute) => format!("{absolute}/."),
                        None => format!("{folder}/{target}/."),
                    };
                    flat.lookup(&whole, true).map(|(_, thing)| of(thing))
                };
                let through = locked.lookup(&format!("{path}/."), true).map(|(_, thing)| of(thing));
                assert_eq!(through, end(original), "{path} -> {target}");
            }
            (Thing::File { .. }, Some(Thing::Symlink(_))) => {
                // A private name of a clear file can only lead to it.
                let through = locked.lookup(&format!("{path}/."), true).map(|(_, thing)| of(thing));
                assert_eq!(through, Some(of(thing)), "{path}");
            }
            (thing, Some(seen)) => assert_eq!(of(thing), of(seen), "{path}"),
            (_, None) => panic!("{path} is not there"),
        }
    }
    // Names of one file stay names of one file, unless a private name leads to a clear file.
    for path in locked.0.keys() {
        if path.starts_with("dev") {
            continue;
        }
        assert!(original.0.contains_key(path), "{path} is too many");
    }
    let unlocked = locked.0.keys().filter_map(|path| path.strip_prefix("dev/sealcrate/"));
    for path in unlocked {
        // Engines make these in every container.
        let is_made = matches!(path, "dev" | "proc" | "sys");
        assert!(
            is_made || original.0.contains_key(path),
            "{path} is unlocked, but not in the image"
        );
    }
}

/// Everything beside something that is unlocked is found there, too, by the folder that it is unlocked
/// in.
fn compare_neighbours(original: &Flat, locked: &Flat) {
    let unlocked = locked.0.keys().filter_map(|path| path.strip_prefix("dev/sealcrate/"));
    let parent = |path: &str| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let folders: BTreeSet<_> = unlocked.map(parent).collect();
    for (path, thing) in &original.0 {
        if matches!(thing, Thing::Symlink(_)) || !folders.contains(&parent(path)) {
            continue;
        }
        let seen = locked.lookup(&format!("dev/sealcrate/{path}/."), true);
        let is_same = match (seen.map(|(_, thing)| thing), thing) {
            // The properties of such a folder are looked at where it is seen first.
            (Some(Thing::Folder { .. }), Thing::Folder { .. }) => true,
            (Some(seen), thing) => of(seen) == of(thing),
            (None, _) => false,
        };
        assert!(is_same, "{path} is not beside what is unlocked");
    }
}

/// Leaves away what is counted for the test alone.
fn of(thing: &Thing) -> Thing {
    match thing {
        Thing::File { content, mode, .. } => {
            Thing::File { content: content.clone(), mode: *mode, inode: 0 }
        }
        other => other.clone(),
    }
}

/// Locks, and compares. Returns whether the layers could be locked at all.
fn check(layers: &[(Vec<Step>, bool)]) -> bool {
    let tars: Vec<_> = layers.iter().map(|(steps, _)| tar_of(steps)).collect();
    let changes: Vec<_> = tars
        .iter()
        .enumerate()
        .map(|(place, tar)| Changes::read(place, tar.as_slice()).unwrap())
        .collect();
    let private: BTreeSet<_> = (0..layers.len()).filter(|place| layers[*place].1).collect();
    let (mut whole, mut next) = (Flat::default(), 0);
    let applied = layers.iter().all(|(steps, _)| whole.apply(steps, &mut next));
    let difference = match Difference::of(&changes, &private, &Rules::default()) {
        Ok(difference) => difference,
        Err(DifferenceError::Tree(error)) => {
            assert!(!applied, "{error}");
            return false;
        }
        Err(DifferenceError::ClearLayer(_)) => return false,
        Err(DifferenceError::Problems(problems)) => {
            let known = |problem: &Problem| matches!(problem, Problem::HiddenTarget(_));
            assert!(problems.iter().all(known), "{problems:?}");
            return false;
        }
        Err(error) => panic!("{error}"),
    };
    assert!(applied);
    let mut locked = Flat::default();
    for (steps, private) in layers {
        if !private {
            assert!(locked.apply(steps, &mut next));
        }
    }
    let mut skeleton = tar::Builder::new(Vec::new());
    for entry in &difference.skeleton.0 {
        entry
            .append(&mut skeleton, |inode| {
                let sealcrate_lock::InodeKind::File { offset, len } = inode.kind else { panic!() };
                Ok(&tars[inode.id.0][offset as usize..][..len as usize])
            })
            .unwrap();
    }
    let skeleton = steps_of(&skeleton.into_inner().unwrap());
    apply_read(&mut locked, &skeleton);
    unlock(&mut locked, &difference.unlocked, &tars, &mut next);
    compare(&whole, &locked);
    compare_neighbours(&whole, &locked);
    true
}

/// Reads a tar file by another way than the code does.
fn steps_of(tar: &[u8]) -> Vec<(String, Thing)> {
    use std::io::Read as _;
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_str().unwrap().trim_end_matches('/').to_owned();
            let mode = entry.header().mode().unwrap();
            let thing = match entry.header().entry_type() {
                tar::EntryType::Directory => Thing::Folder { mode },
                tar::EntryType::Symlink => {
                    let target = entry.link_name().unwrap().unwrap();
                    Thing::Symlink(target.to_str().unwrap().to_owned())
                }
                _ => {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content).unwrap();
                    Thing::File { content, mode, inode: 0 }
                }
            };
            (path, thing)
        })
        .collect()
}

fn apply_read(flat: &mut Flat, entries: &[(String, Thing)]) {
    for (path, thing) in entries {
        if path.is_empty() || path == "." {
            continue;
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if !folder.is_empty() {
            // A folder that nothing is said of would get other properties.
            let said = |(other, thing): &(String, Thing)| {
                other == folder && matches!(thing, Thing::Folder { .. })
            };
            assert!(entries.iter().any(said), "{folder} is not in the skeleton");
        }
        if let Some(name) = name.strip_prefix(".wh.") {
            let removed = if folder.is_empty() { name.into() } else { format!("{folder}/{name}") };
            assert!(flat.0.remove(&removed).is_some(), "{removed} is removed, but not there");
            flat.remove_below(&removed);
            continue;
        }
        if !matches!(thing, Thing::Folder { .. }) {
            flat.remove_below(path);
        }
        flat.0.insert(path.clone(), thing.clone());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn locked_layers_give_the_whole_image(layers in layers()) {
        check(&layers);
    }
}

#[test]
fn most_layers_that_the_property_is_held_against_can_be_locked() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let made = (0..200).map(|_| layers().new_tree(&mut runner).unwrap().current());
    let locked = made.filter(|layers| layers.iter().any(|(_, private)| *private) && check(layers));
    assert!(locked.count() > 60);
}

#[test]
fn toggled_layers_can_be_locked() {
    use Step::*;
    let layers = [
        (vec![Folder("a", 0o755), File("a/b", 1), File("f", 2)], false),
        (vec![File("a/e", 3), HardLink("i/j", "a/e"), Symlink("etc/g", "../f")], true),
        (vec![File("a/b", 4)], false),
        (vec![Whiteout("f"), Folder("a", 0o700), File("i/j", 5)], true),
    ];
    assert!(check(&layers));
}

fn refused(tar: &[u8], rules: &Rules) -> Vec<Problem> {
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
    let rules = Rules { volumes: vec![path("data")], ..Rules::default() };
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
    let rules = Rules { public, ..Rules::default() };
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
    let rules = Rules { mountpoints: vec![path("app/data/in")], ..Rules::default() };
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
    let mut rules = Rules { mountpoints: vec![path("data")], ..Rules::default() };
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
    let rules =
        Rules { public: vec![path("data")], ..Rules { privileges: Privileges::Refuse, ..rules } };
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
    let difference = Difference::of(&layers, &BTreeSet::from([1]), &Rules::default()).unwrap();
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
    let difference = Difference::of(&layers, &BTreeSet::from([1]), &Rules::default()).unwrap();
    assert_eq!(difference.crowded, [path("a")]);
}
