//! Starts where a filter refuses a system call that the init prefers.

use std::fs;

use sealcrate_tests::Done;

use crate::fixture::{Locksmith, PRIVATE};

/// Errors with which filters answer. errno(3).
const EPERM: i32 = 1;
const EINVAL: i32 = 22;
const ENOSYS: i32 = 38;

/// Starts a locked image under a filter that answers openat2(2) with an error.
fn without_openat2(locksmith: &Locksmith, image: &str, errno: i32, options: &[&str]) -> Done {
    let profile = locksmith.path(&format!("answers-{errno}.json"));
    let filter = format!(
        "{{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{{\"names\":[\"openat2\"],\
         \"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":{errno}}}]}}"
    );
    fs::write(&profile, filter).unwrap();
    let seccomp = format!("seccomp={}", profile.display());
    locksmith.unlock(image, &[&["--security-opt", &seccomp], options].concat(), &[])
}

#[test]
fn images_are_unlocked_without_openat2() {
    let locksmith = Locksmith::new();
    let lines = format!(
        "{PRIVATE}COPY a /app/deep/er/a\nRUN ln -s deep/er /app/short && ln /app/deep/er/a /app/hard \\
             && mkfifo /app/deep/pipe && chmod 750 /app/deep\n\
         CMD [\"sh\", \"-c\", \"cat /app/short/a /app/hard; stat -c '%F %a' /app/deep /app/deep/pipe\"]\n"
    );
    let original = locksmith.build(&lines, &[("a", b"private\n")]);
    let locked = locksmith.lock(&original, &[]);
    let expected = "private\nprivate\ndirectory 750\nfifo 644\n";
    for errno in [ENOSYS, EPERM] {
        without_openat2(&locksmith, locked.name(), errno, &[]).with_status(0).prints(expected);
    }
    // Another error of this call ends the start, so the filter really concerns this call.
    let refused = without_openat2(&locksmith, locked.name(), EINVAL, &[]).with_status(1);
    refused.says("error 22").prints("");
}

#[test]
fn mounts_among_private_files_are_refused_without_openat2() {
    let locksmith = Locksmith::new();
    let lines = format!("{PRIVATE}COPY a /app/data/a\nCMD [\"cat\", \"/app/data/a\"]\n");
    let original = locksmith.build(&lines, &[("a", b"private\n")]);
    let locked = locksmith.lock(&original, &[]);
    let disk = locksmith.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = format!("{}:/app/data", disk.display());
    let refused = without_openat2(&locksmith, locked.name(), ENOSYS, &["-v", &mount]);
    refused.with_status(1).says("something is mounted at /dev/sealcrate/app/data").prints("");
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 0);
}
