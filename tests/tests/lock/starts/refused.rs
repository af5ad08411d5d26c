//! Starts that the init refuses, each with one line that says why, and a status.

use std::fs;

use sealcrate_tests::{Builder, Done, EngineImage};

use crate::fixture::{Locksmith, PRIVATE, key};

fn locked<'w>(locksmith: &'w Locksmith) -> (EngineImage<'w>, EngineImage<'w>) {
    let data = vec![7; 3 << 20];
    let lines = format!("{PRIVATE}COPY a /app/a\nCOPY run /app/run\nCMD [\"/app/run\"]\n");
    let files = [("a", data.as_slice()), ("run", b"#!/bin/sh\necho it runs\n")];
    let original = locksmith.build(&lines, &files);
    let locked = locksmith.lock(&original, &[]);
    (original, locked)
}

#[track_caller]
fn assert_refused(done: Done, status: i32, text: &str) {
    let done = done.with_status(status).says(text).prints("");
    let lines: Vec<_> = done.stderr.lines().collect();
    assert!(lines.len() == 1 && lines[0].starts_with("sealcrate: "), "{}", done.said());
}

#[test]
fn missing_and_wrong_keys_are_refused() {
    let locksmith = Locksmith::new();
    let (_original, locked) = locked(&locksmith);
    let run = |options: &[&str]| locksmith.run(locked.name(), options, &[]);
    assert_refused(run(&[]), 3, "no key: looked at the variables SEALCRATE_KEY");
    assert_refused(run(&["-e", "SEALCRATE_KEY=x"]), 3, "wrong key in the variable SEALCRATE_KEY");
    let path = locksmith.path("identity");
    let mount = format!("{}:/run/secrets/sealcrate_key:ro", path.display());
    run(&["-v", &mount]).with_status(0).prints("it runs\n");
}

#[test]
fn folders_that_do_not_serve_are_refused_with_what_does() {
    let locksmith = Locksmith::new();
    let (_original, locked) = locked(&locksmith);
    let run = |options: &[&str]| locksmith.unlock(locked.name(), options, &[]);
    let advice = "start it with --tmpfs /dev/sealcrate:exec,size=5m";
    let small = run(&["--tmpfs=/dev/sealcrate:exec,size=1m"]);
    assert_refused(small, 1, &format!("has 1 MiB free, and 4 MiB are needed: {advice}"));
    let no_exec = run(&["--tmpfs=/dev/sealcrate:size=100m"]);
    assert_refused(no_exec, 1, &format!("there are programs to unlock: {advice}"));
    let disk = locksmith.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = format!("{}:/dev/sealcrate", disk.display());
    assert_refused(run(&["-v", &mount]), 1, "is not memory");
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 0);
    assert_refused(run(&["--user", "1000"]), 1, &format!("permission denied: {advice},mode=1777"));
    run(&["--tmpfs=/dev/sealcrate:exec,size=5m"]).with_status(0).prints("it runs\n");
}

#[test]
fn payload_that_is_larger_than_what_engines_give_starts_as_is_advised() {
    let locksmith = Locksmith::new();
    let lines = format!(
        "{PRIVATE}RUN mkdir /app && dd if=/dev/zero bs=1M count=70 | tr '\\0' x > /app/a\nCMD [\"wc\", \"-c\", \"/app/a\"]\n"
    );
    let original = locksmith.build(&lines, &[]);
    let locked = locksmith.lock(&original, &[]);
    let done = locksmith.unlock(locked.name(), &[], &[]);
    let (_, advice) = done.stderr.trim().split_once("start it with ").unwrap();
    let advice: Vec<_> = advice.split(' ').collect();
    assert_eq!(advice, ["--tmpfs", "/dev/sealcrate:exec,size=72m"]);
    let done = locksmith.unlock(locked.name(), &advice, &[]).with_status(0);
    done.prints("73400320 /app/a\n");
    let done = locksmith.unlock(locked.name(), &[], &[]);
    assert_refused(
        done,
        1,
        "and 71 MiB are needed: start it with --tmpfs /dev/sealcrate:exec,size=72m",
    );
}

#[test]
fn room_for_all_that_is_made_is_asked_for_before() {
    let locksmith = Locksmith::new();
    // A MiB is enough for the file, but not for a long environment or long links.
    let lines = format!(
        "{PRIVATE}RUN mkdir /app && dd if=/dev/zero bs=1k count=1008 | tr '\\0' x > /app/a\n"
    );
    let links = "RUN long=$(head -c 200 /dev/zero | tr '\\0' x) && \
                 for i in 1 2 3 4 5 6; do ln -s $long /app/$i; done\n";
    let variable = format!("ENV LONG={}\n", "x".repeat(20_000));
    for more in [links, &variable] {
        let original = locksmith.build(&format!("{lines}{more}CMD [\"true\"]\n"), &[]);
        let locked = locksmith.lock(&original, &[]);
        let run = |mib: &str| {
            let memory = format!("--tmpfs=/dev/sealcrate:size={mib}");
            locksmith.unlock(locked.name(), &[&memory], &[])
        };
        assert_refused(run("1m"), 1, "has 1 MiB free, and 2 MiB are needed");
        run("2m").with_status(0);
    }
}

/// Starts the init from a shell, which prints its status and the names of the files that it has left.
pub(crate) fn left_behind(locksmith: &Locksmith, image: &str, options: &[&str]) -> Done {
    let script = "/.sealcrate/init; echo $?; ls -A /dev/sealcrate";
    let options = [&["--entrypoint", "/bin/sh"], options].concat();
    locksmith.run(image, &options, &["-c", script])
}

#[test]
fn nothing_is_left_where_a_start_is_refused() {
    let locksmith = Locksmith::new();
    let (_original, locked) = locked(&locksmith);
    let key = key();
    for (options, status) in [
        (["-e", "SEALCRATE_KEY=x", "--tmpfs=/dev/sealcrate:exec,size=5m"], 3),
        (["-e", &key, "--tmpfs=/dev/sealcrate:exec,size=1m"], 1),
        (["-e", &key, "--tmpfs=/dev/sealcrate:size=5m"], 1),
    ] {
        let done = left_behind(&locksmith, locked.name(), &options);
        done.says("sealcrate: ").prints(&format!("{status}\n"));
    }
    let done = left_behind(&locksmith, locked.name(), &["-e", "SEALCRATE_KEY=x"]);
    done.says("/dev/sealcrate: No such file").prints("3\n");
}

#[test]
fn room_that_ends_half_way_is_told_and_nothing_is_left() {
    let locksmith = Locksmith::new();
    let lines = format!(
        "{PRIVATE}COPY a /app/in/a\nRUN ln -s a /app/in/link && ln /app/in/a /app/hard && mkfifo /app/pipe\n"
    );
    let original = locksmith.build(&lines, &[("a", b"private\n")]);
    let locked = locksmith.lock(&original, &[]);
    // A filter that answers like a full file system, after the init has made files and folders.
    let profile = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["linkat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 }],
    });
    let path = locksmith.path("profile.json");
    fs::write(&path, profile.to_string()).unwrap();
    let (filter, key) = (format!("seccomp={}", path.display()), key());
    for memory in [&[][..], &["--tmpfs=/dev/sealcrate:exec,size=5m"]] {
        let options = [&["-e", &*key, "--security-opt", &filter], memory].concat();
        let done = left_behind(&locksmith, locked.name(), &options).prints("1\n");
        let done = done.says("sealcrate: cannot unlock app/").says(": no space left\n");
        assert_eq!(done.stderr.contains("/dev/sealcrate: No such file"), memory.is_empty());
    }
}

#[test]
fn disk_serves_if_that_was_said() {
    let locksmith = Locksmith::new();
    let (original, _locked) = locked(&locksmith);
    let locked = locksmith.lock(&original, &["--allow-disk"]);
    let disk = locksmith.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = format!("{}:/dev/sealcrate", disk.display());
    locksmith.unlock(locked.name(), &["-v", &mount], &[]).with_status(0).prints("it runs\n");
    // As after a restart: files that an earlier start has left are no obstacle.
    locksmith.unlock(locked.name(), &["-v", &mount], &[]).with_status(0).prints("it runs\n");
}

/// Copies a file out of an image.
pub(crate) fn file(locksmith: &Locksmith, image: &str, path: &str) -> Vec<u8> {
    let id = locksmith.engine.run(&["create", image]);
    let to = locksmith.path("copied");
    let from = format!("{id}:{path}");
    locksmith.engine.run(&["cp", &from, to.to_str().unwrap()]);
    locksmith.engine.run(&["rm", &id]);
    fs::read(to).unwrap()
}

#[test]
fn damaged_payloads_are_refused_and_nothing_is_left() {
    let locksmith = Locksmith::new();
    let (_original, locked) = locked(&locksmith);
    let list = "ls /.sealcrate/payload";
    let names = locksmith.run(locked.name(), &["--entrypoint", "/bin/sh"], &["-c", list]).stdout;
    assert_eq!(names.lines().count(), 3, "{names}");
    for name in names.lines() {
        let path = format!("/.sealcrate/payload/{name}");
        let whole = file(&locksmith, locked.name(), &path);
        // In the header's last line, behind it and the nonce, and in the last piece's tag.
        let mac = memchr::memmem::find(&whole, b"\n--- ").unwrap() + 5;
        let content = mac + memchr::memchr(b'\n', &whole[mac..]).unwrap() + 1 + 16;
        let places = [mac, content, content + (whole.len() - content) / 2, whole.len() - 1];
        for at in places {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            let dockerfile = format!("FROM {}\nCOPY changed {path}\n", locked.name());
            let files = [("changed", changed.as_slice())];
            let image = locksmith.engine.build(Builder::Classic, &dockerfile, &files);
            let done = left_behind(&locksmith, image.name(), &["-e", &key()]);
            assert_eq!(done.stdout, "5\n", "{name}, {at}: {}", done.said());
            assert!(done.stderr.contains("sealcrate: "), "{name}: {}", done.said());
            assert!(done.stderr.contains("/dev/sealcrate: No such file"), "{}", done.said());
        }
    }
}

#[test]
fn too_few_files_are_told_with_what_helps() {
    let locksmith = Locksmith::new();
    let (_original, locked) = locked(&locksmith);
    let few = "--tmpfs=/dev/sealcrate:exec,size=5m,nr_inodes=3";
    let done = locksmith.unlock(locked.name(), &[few], &[]);
    let (_, advice) = done.stderr.trim().split_once("start it with ").unwrap();
    let advice: Vec<_> = advice.split(' ').collect();
    assert_eq!(advice, ["--tmpfs", "/dev/sealcrate:exec,size=5m,nr_inodes=1011"]);
    locksmith.unlock(locked.name(), &advice, &[]).with_status(0).prints("it runs\n");
    assert_refused(done, 1, "has room for 2 more files, and 11 are needed: start it with");
}
