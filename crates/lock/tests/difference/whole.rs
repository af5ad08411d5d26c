//! Clear layers, the skeleton over them and the unlocked files give the whole image, for all layers.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use sealcrate_lock::{Changes, Difference, DifferenceError, PathRules, Problem};

use crate::file_system::{Flat, Thing, apply_read, steps_of, unlock};
use crate::steps::{Step, tar_of};

const PATHS: [&str; 13] = [
    "a", "a/b", "a/b/c", "a/b/d", "z", "a/e", "f", "etc", "etc/g", "var/run", "etc/g/h", "i/j",
    "i/j/k",
];

const TARGETS: [&str; 9] = ["b", "../f", "/a/b", "../../f", "c", "g/h", "../a/b/../e", "e", ".."];

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

/// Links in the clear stay as they are. A link that leaves a folder again by `..` leads elsewhere once that
/// folder is a link. That is a known limit, so clear layers have no such links here.
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

/// Compares the things that a program sees at each path. Our own links lead on to the unlocked entries.
fn compare(original: &Flat, locked: &Flat) {
    for (path, thing) in &original.0 {
        let seen = locked.lookup(path, true).map(|(_, thing)| thing);
        match (thing, seen) {
            (
                Thing::Symlink(target),
                Some(Thing::Symlink(_) | Thing::File { .. } | Thing::Folder { .. }),
            ) => {
                // The end of the link counts, not its text.
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

/// Checks that the unlock folder leads to everything beside an unlocked entry, too.
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
            // `compare` checks the properties of such a folder.
            (Some(Thing::Folder { .. }), Thing::Folder { .. }) => true,
            (Some(seen), thing) => of(seen) == of(thing),
            (None, _) => false,
        };
        assert!(is_same, "{path} is not beside what is unlocked");
    }
}

/// Drops the inode, which the test alone counts.
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
    let difference = match Difference::of(&changes, &private, &PathRules::default()) {
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
