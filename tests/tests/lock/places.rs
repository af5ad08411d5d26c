//! Volumes, mounts, and what has to stay in clear.

use crate::fixture::{PRIVATE, Workshop};

const FILES: [(&str, &[u8]); 1] = [("a", b"private\n")];

#[test]
fn mounts_among_private_files_are_refused_unless_they_are_known() {
    let workshop = Workshop::new();
    let lines = format!(
        "{PRIVATE}COPY a /app/a\nRUN mkdir /app/data\nCMD [\"ls\", \"/app\", \"/app/data\"]\n"
    );
    let original = workshop.build(&lines, &FILES);
    let locked = workshop.lock(&original, &[]);
    let folder = workshop.path("mounted");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("seen"), "").unwrap();
    let mount = format!("{}:/app/data", folder.display());
    let done = workshop.unlock(locked.name(), &["-v", &mount], &[]).with_status(1);
    done.says("something is mounted at /dev/sealcrate/app/data").prints("");
    // Hidden beneath the memory, where a program would write to memory and not to the volume.
    let hidden = ["-v", &mount, "--tmpfs=/dev/sealcrate:exec"];
    let done = workshop.unlock(locked.name(), &hidden, &[]).with_status(1);
    done.says("something is mounted at /dev/sealcrate/app/data");
    let locked = workshop.lock(&original, &["--mountpoint", "/app/data"]);
    workshop.assert_same(&original, &locked, &["-v", &mount], &[]);
}

#[test]
fn volumes_have_nothing_private_unless_they_are_dropped() {
    let workshop = Workshop::new();
    let lines = format!("{PRIVATE}COPY a /data/a\nVOLUME /data\nCMD [\"cat\", \"/data/a\"]\n");
    let original = workshop.build(&lines, &FILES);
    let arguments = ["lock", original.name(), "-t", "never:1", "--pass", "some long passphrase"];
    let done = workshop.sealcrate(&arguments).failed(1);
    done.says("/data/a is private, but lies in the volume /data").says("--drop-volume");
    for options in [["--drop-volume", "/data"], ["--public", "/data"]] {
        let locked = workshop.lock(&original, &options);
        workshop.assert_same(&original, &locked, &[], &[]);
    }
}

#[test]
fn files_that_engines_need_are_named() {
    let workshop = Workshop::new();
    let original = workshop.build(&format!("{PRIVATE}COPY a /etc/passwd\n"), &FILES);
    let arguments = ["lock", original.name(), "-t", "never:1", "--pass", "some long passphrase"];
    let done = workshop.sealcrate(&arguments).failed(1);
    done.says("/etc/passwd is private, but read or written by engines").says("--public");
}
