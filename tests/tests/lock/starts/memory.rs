//! Unlocking in the container's own memory alone, and again after a restart.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sealcrate_tests::{Done, EngineImage, as_root};

use crate::fixture::{Locksmith, PRIVATE};

/// An image that prints its private file.
fn locked<'w>(locksmith: &'w Locksmith, options: &[&str]) -> EngineImage<'w> {
    let lines = format!("{PRIVATE}COPY a /app/a\nCMD [\"cat\", \"/app/a\"]\n");
    let original = locksmith.build(&lines, &[("a", b"private\n")]);
    locksmith.lock(&original, options)
}

/// A path of the engine's host, removed at the end.
struct OfHost(PathBuf);

impl OfHost {
    /// Makes a folder in the host's memory.
    fn in_memory() -> Self {
        let folder = tempfile::Builder::new().tempdir_in("/dev/shm").unwrap();
        Self(folder.keep())
    }

    /// Asserts that there is nothing, or an empty folder.
    #[track_caller]
    fn assert_empty(&self) {
        let names = fs::read_dir(&self.0).map(Iterator::count);
        assert!(matches!(names, Err(_) | Ok(0)), "files are left in {}", self.0.display());
    }
}

impl Drop for OfHost {
    fn drop(&mut self) {
        // An engine makes the folder to mount something there. It has files if a test has failed.
        let _ = as_root("rm").arg("-rf").arg(&self.0).status();
    }
}

#[test]
fn nothing_is_unlocked_in_devices_or_memory_of_the_host() {
    let locksmith = Locksmith::new();
    // `--allow-disk` allows a disk, but not a host's memory, which other containers see.
    for locked in [locked(&locksmith, &[]), locked(&locksmith, &["--allow-disk"])] {
        let part = OfHost::in_memory();
        let _null = OfHost("/dev/shm/null".into());
        // The host's devices, a part of some memory, and all of a memory that is older than the
        // container: an engine's own container has such a `/dev`.
        for from in [Path::new("/dev"), &part.0, Path::new("/dev/shm")] {
            let host = OfHost(from.join("sealcrate"));
            let mount = format!("{}:/dev", from.display());
            // Without `/dev/null`, no engine starts anything.
            let mount = ["-v", &mount, "-v", "/dev/null:/dev/null"];
            let refused = || {
                let done = locksmith.unlock(locked.name(), &mount, &[]).with_status(1).prints("");
                done.says("sealcrate: /dev is not the container's own here")
                    .says("start it with --tmpfs /dev/sealcrate:exec,size=2m\n");
                host.assert_empty();
            };
            refused();
            // First as the message advises, and then without the mount, where the engine has left a
            // folder.
            let advised = [&mount[..], &["--tmpfs=/dev/sealcrate:exec,size=2m"]].concat();
            locksmith.unlock(locked.name(), &advised, &[]).with_status(0).prints("private\n");
            assert!(host.0.exists());
            refused();
        }
    }
}

#[test]
fn devices_that_are_given_to_a_container_are_in_nobodys_way() {
    let locksmith = Locksmith::new();
    let locked = locked(&locksmith, &[]);
    let part = OfHost::in_memory();
    // Part of a memory serves if somebody mounts it there.
    let mount = format!("{}:/dev/sealcrate", part.0.display());
    for options in [
        &["--device", "/dev/null:/dev/other", "-v", "/dev/zero:/dev/another"][..],
        &["-v", "/dev/shm:/dev/shm", "--read-only"],
        &["--ipc=host", "--pid=host"],
        &["-v", &mount],
    ] {
        locksmith.unlock(locked.name(), options, &[]).with_status(0).prints("private\n");
    }
    assert!(part.0.join("app/a").exists());
}

/// Memory of the engine that outlives a container, as an `emptyDir` outlives restarts. A drop removes
/// it.
struct Memory<'w> {
    locksmith: &'w Locksmith,
    volume: String,
    /// A container that keeps the memory.
    keeper: String,
}

impl<'w> Memory<'w> {
    /// Makes a memory of `mib` MiB.
    fn new(locksmith: &'w Locksmith, image: &EngineImage<'_>, mib: u32) -> Self {
        let options = format!("o=mode=1777,size={mib}m");
        let create =
            ["volume", "create", "--opt=type=tmpfs", "--opt=device=tmpfs", "--opt", &options];
        let volume = locksmith.engine.run(&create);
        let mount = format!("{volume}:/memory");
        let run = ["run", "-d", "--network=none", "-v", &mount, "--entrypoint=/bin/sleep"];
        let keeper = locksmith.engine.run(&[&run[..], &["-u", "0", image.name(), "1000"]].concat());
        Self { locksmith, volume, keeper }
    }

    /// Returns the mount of the memory, for the option `-v`.
    fn mount(&self) -> String {
        format!("{}:/dev/sealcrate", self.volume)
    }

    /// Runs a shell script in the memory, and returns the script's output.
    fn run(&self, script: &str) -> String {
        let script = format!("cd /memory && {script}");
        self.locksmith.engine.run(&["exec", &self.keeper, "/bin/sh", "-c", &script])
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        // By then, the test has checked everything.
        self.locksmith.engine.try_run(&["rm", "--force", &self.keeper]);
        self.locksmith.engine.try_run(&["volume", "rm", "--force", &self.volume]);
    }
}

/// An image whose program leaves entries in its private folder that are hard to remove: files, folders
/// without permissions, a read-only folder, and many folders within each other.
fn untidy<'w>(locksmith: &'w Locksmith, more: &str) -> EngineImage<'w> {
    let script = "cat /app/fixed/a && test ! -e /app/new && echo new > /app/new && \
                  mkdir -p /app/deep/er/er && echo new > /app/deep/er/er/new && ln -s / /app/link && \
                  mkdir /app/fixed/er 2> /dev/null; mkfifo /app/pipe; mkdir /dev/sealcrate/.sealcrate/in; \
                  cd /app/deep && for i in $(seq 300); do mkdir i && cd i; done; \
                  chmod 0 /app/deep/er/er /app/deep/er; chmod 500 /app/deep";
    let owned = if more.is_empty() { "/app/fixed" } else { "/app" };
    let lines = format!(
        "{PRIVATE}COPY large /app/large\nCOPY a /app/fixed/a\nRUN chown -R 1000 {owned} && chmod 555 /app/fixed\n\
         CMD {}\n{more}",
        serde_json::json!(["sh", "-c", script])
    );
    let original = locksmith.build(&lines, &[("a", b"private\n"), ("large", &[7; 3 << 20])]);
    locksmith.lock(&original, &[])
}

#[test]
fn container_that_restarts_in_the_same_memory_starts_as_before() {
    let locksmith = Locksmith::new();
    let few = ["--cap-drop=ALL", "--cap-add=CHOWN", "--cap-add=FOWNER"];
    for (more, all_options) in [("", &[&[][..], &few][..]), ("USER app\n", &[&["--cap-drop=ALL"]])]
    {
        let locked = untidy(&locksmith, more);
        for options in all_options {
            // The files fit once, and not twice.
            let memory = Memory::new(&locksmith, &locked, 5);
            let mount = memory.mount();
            let options = [&["-v", &mount], *options].concat();
            for _ in 0..3 {
                let done = locksmith.unlock(locked.name(), &options, &[]);
                assert_eq!((done.status, &*done.stdout), (Some(0), "private\n"), "{}", done.said());
            }
        }
    }
}

#[test]
fn start_that_failed_leaves_memory_in_which_the_next_one_starts() {
    let locksmith = Locksmith::new();
    let lines = format!(
        "{PRIVATE}COPY a /app/a\nRUN ln /app/a /app/b && mkdir /app/in && chmod 500 /app/in\n\
         CMD [\"cat\", \"/app/b\"]\n"
    );
    let original = locksmith.build(&lines, &[("a", b"private\n")]);
    let locked = locksmith.lock(&original, &[]);
    let memory = Memory::new(&locksmith, &locked, 5);
    let mount = memory.mount();
    let profile = locksmith.path("profile.json");
    let filter = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["linkat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 }],
    });
    fs::write(&profile, filter.to_string()).unwrap();
    let seccomp = format!("seccomp={}", profile.display());
    let run = |options: &[&str]| {
        locksmith.unlock(locked.name(), &[&["-v", &mount], options].concat(), &[])
    };
    run(&["--security-opt", &seccomp]).with_status(1).says("no space left");
    assert_eq!(memory.run("ls -A"), "");
    // A start that was killed has removed nothing.
    memory.run("mkdir -m 700 .sealcrate && mkdir app && echo pri > app/a");
    run(&[]).with_status(0).prints("private\n");
}

#[test]
fn files_that_no_start_has_left_are_not_removed() {
    let locksmith = Locksmith::new();
    let locked = locked(&locksmith, &["--allow-disk"]);
    let disk = locksmith.path("disk");
    fs::create_dir(&disk).unwrap();
    fs::write(disk.join("mine"), "mine").unwrap();
    let mount = format!("{}:/dev/sealcrate", disk.display());
    let run = || locksmith.unlock(locked.name(), &["-v", &mount], &[]);
    let refused = |done: Done, name: &str| {
        done.with_status(1)
            .prints("")
            .says(&format!("is not empty, and {name} there was not left"));
        assert_eq!(fs::read_to_string(disk.join("mine")).unwrap(), "mine");
    };
    refused(run(), "mine");
    // Another user's start.
    let marker = disk.join(".sealcrate");
    fs::create_dir(&marker).unwrap();
    Done::of(as_root("chown").arg("1000").arg(&marker)).with_status(0);
    refused(run(), ".sealcrate");
    Done::of(as_root("rm").arg("-r").arg(&marker)).with_status(0);
    fs::remove_file(disk.join("mine")).unwrap();
    // The folder that file systems have by themselves stays.
    let own = disk.join("lost+found");
    fs::create_dir(&own).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o700)).unwrap();
    for _ in 0..2 {
        run().with_status(0).prints("private\n");
    }
    assert!(own.exists());
}
