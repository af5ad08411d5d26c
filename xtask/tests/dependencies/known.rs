//! The circles and folders that the checks still forgive. These lists only shrink: an entry that nothing needs fails the checks.

/// Files that still import from each other, one circle after the other.
pub(crate) const CIRCLES: &[&[&str]] = &[
    &["crates/crypt/src/select.rs", "crates/crypt/src/select/label.rs"],
    &["crates/lock/src/config.rs", "crates/lock/src/user.rs"],
    &[
        "crates/lock/src/difference.rs",
        "crates/lock/src/holes.rs",
        "crates/lock/src/layer.rs",
        "crates/lock/src/links.rs",
        "crates/lock/src/neighbours.rs",
        "crates/lock/src/skeleton.rs",
        "crates/lock/src/tree.rs",
    ],
    &["crates/lock/src/lock.rs", "crates/lock/src/taken.rs"],
    &["crates/lock/src/opened.rs", "crates/lock/src/unlock.rs"],
    &["crates/pack/src/key.rs", "crates/pack/src/protection.rs"],
    &[
        "crates/packfile/src/index/checks.rs",
        "crates/packfile/src/index/command.rs",
        "crates/packfile/src/index/entry.rs",
        "crates/packfile/src/index/layer.rs",
        "crates/packfile/src/index/mod.rs",
        "crates/packfile/src/index/parts.rs",
        "crates/packfile/src/index/reader.rs",
    ],
    &[
        "crates/stub/init/src/failure.rs",
        "crates/stub/init/src/leftovers.rs",
        "crates/stub/init/src/payload.rs",
        "crates/stub/init/src/run.rs",
        "crates/stub/init/src/state.rs",
        "crates/stub/init/src/unlock_folder.rs",
    ],
    &[
        "crates/stub/init/src/last_folder.rs",
        "crates/stub/init/src/layer_writer.rs",
        "crates/stub/init/src/unlock.rs",
        "crates/stub/init/src/workers.rs",
    ],
    &[
        "crates/stub/start/src/content.rs",
        "crates/stub/start/src/lz4.rs",
        "crates/stub/start/src/zstd.rs",
    ],
    &[
        "crates/stub/start/src/ending.rs",
        "crates/stub/start/src/entry.rs",
        "crates/stub/start/src/failure.rs",
    ],
    &["crates/stub/start/src/system.rs", "crates/stub/start/src/system/process.rs"],
];

/// Folders that still hold too many files, and how many at most.
pub(crate) const LARGE_FOLDERS: &[(&str, usize)] = &[
    ("crates/lock/src", 27),
    ("crates/pack/src", 19),
    ("crates/stub/init/src", 17),
    ("crates/stub/start/src", 19),
    ("fuzz/fuzz_targets", 28),
    ("fuzz/targets/src", 31),
    ("tests/support", 22),
];
