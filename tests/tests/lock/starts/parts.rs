//! Private layers of several parts, which several processes unlock.

use std::fmt::Write as _;

use sealcrate_tests::Builder;

use crate::fixture::{Locksmith, PRIVATE, key};
use crate::starts::refused::{file, left_behind};

/// The length of the large file, in bytes. Its content lies in three parts.
const LARGE: usize = 17 << 20;

/// Returns the bytes of a file that cannot be compressed, the same each time.
fn large() -> Vec<u8> {
    let mut state = 1_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(LARGE / 8).flatten().collect()
}

/// An image with a private layer of three parts: files before the large one, and after it.
fn lines(command: &str) -> String {
    format!(
        "{PRIVATE}COPY large /tmp/large\n\
         RUN mkdir /app && for n in a b y z; do echo $n > /app/$n; done \\
             && mv /tmp/large /app/m && : > /app/zz && chmod 751 /app/m && chown 1000:2000 /app/m \\
             && touch -d '2001-02-03 04:05:06' /app/m\n\
         CMD {command}\n"
    )
}

/// The names of the age files in an image.
fn age_files(locksmith: &Locksmith, image: &str) -> Vec<String> {
    let list = "ls /.sealcrate/payload";
    let listed = locksmith.run(image, &["--entrypoint", "/bin/sh"], &["-c", list]).stdout;
    listed.lines().filter(|name| *name != "index").map(ToOwned::to_owned).collect()
}

#[test]
fn layer_of_several_parts_is_whole_however_many_processes_unlock_it() {
    let locksmith = Locksmith::new();
    let large = large();
    let look = "[\"sh\", \"-c\", \"cd /app; sha256sum *; stat -c '%n %a %u:%g %Y %s' *\"]";
    let original = locksmith.build(&lines(look), &[("large", &large)]);
    let locked = locksmith.lock(&original, &[]);
    // COPY and RUN make a layer each, and both hold the large file.
    assert!(age_files(&locksmith, locked.name()).len() >= 6, "the layers are not in parts");
    for cores in ["0", "0-1"] {
        let done = locksmith.assert_same(&original, &locked, &["--cpuset-cpus", cores], &[]);
        assert!(done.with_status(0).stdout.contains("m 751 1000:2000 981173106 "));
    }
    // The memory is enough for the files and one process only.
    let small = ["-m", "56m", "--cpuset-cpus", "0-1"];
    locksmith.assert_same(&original, &locked, &small, &[]).with_status(0);
}

#[test]
fn layer_of_several_parts_is_whole_where_no_process_can_be_made() {
    let locksmith = Locksmith::new();
    let original = locksmith.build(&lines("[\"sha256sum\", \"/app/m\"]"), &[("large", &large())]);
    let locked = locksmith.lock(&original, &[]);
    locksmith.assert_same(&original, &locked, &["--pids-limit", "1"], &[]).with_status(0);
}

/// Age files whose last piece has a wrong tag: each process has worked for a while when it finds that.
fn damaged(locksmith: &Locksmith, image: &str) -> Vec<(String, Vec<u8>)> {
    let damaged = age_files(locksmith, image).into_iter().map(|name| {
        let mut bytes = file(locksmith, image, &format!("/.sealcrate/payload/{name}"));
        *bytes.last_mut().unwrap() ^= 1;
        (name, bytes)
    });
    damaged.collect()
}

/// Starts an image in which these age files take the place of its own.
fn assert_is_damaged(locksmith: &Locksmith, image: &str, files: &[(String, Vec<u8>)], cores: &str) {
    let mut dockerfile = format!("FROM {image}\n");
    for (name, _) in files {
        writeln!(dockerfile, "COPY {name} /.sealcrate/payload/{name}").unwrap();
    }
    let files: Vec<_> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let image = locksmith.engine.build(Builder::Classic, &dockerfile, &files);
    let done = left_behind(locksmith, image.name(), &["-e", &key(), "--cpuset-cpus", cores]);
    let done = done.prints("5\n");
    assert_eq!(done.stderr.matches("the payload is damaged").count(), 1, "{}", done.said());
    assert!(done.stderr.contains("/dev/sealcrate: No such file"), "{}", done.said());
}

#[test]
fn damaged_parts_are_told_of_once_and_nothing_is_left() {
    let locksmith = Locksmith::new();
    let original = locksmith.build(&lines("[\"true\"]"), &[("large", &large())]);
    let locked = locksmith.lock(&original, &[]);
    let damaged = damaged(&locksmith, locked.name());
    for cores in ["0", "0-1"] {
        assert_is_damaged(&locksmith, locked.name(), &damaged, cores);
    }
    // Each damaged file alone, so that each process finds damage once.
    for one in damaged.chunks(1) {
        assert_is_damaged(&locksmith, locked.name(), one, "0-1");
    }
}
