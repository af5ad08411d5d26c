//! What is refused at the start: each with one line that says it, and a status.

use std::fs;

use sealcrate_tests::{Builder, Done, EngineImage};

use crate::fixture::{PRIVATE, Workshop};

fn locked<'w>(workshop: &'w Workshop) -> (EngineImage<'w>, EngineImage<'w>) {
    let data = vec![7; 3 << 20];
    let lines = format!("{PRIVATE}COPY a /app/a\nCOPY run /app/run\nCMD [\"/app/run\"]\n");
    let files = [("a", data.as_slice()), ("run", b"#!/bin/sh\necho it runs\n")];
    let original = workshop.build(&lines, &files);
    let locked = workshop.lock(&original, &[]);
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
    let workshop = Workshop::new();
    let (_original, locked) = locked(&workshop);
    let run = |options: &[&str]| workshop.run(locked.name(), options, &[]);
    assert_refused(run(&[]), 3, "no key: looked at the variables SEALCRATE_KEY");
    assert_refused(run(&["-e", "SEALCRATE_KEY=x"]), 3, "wrong key in the variable SEALCRATE_KEY");
    let path = workshop.path("identity");
    let mount = format!("{}:/run/secrets/sealcrate_key:ro", path.display());
    run(&["-v", &mount]).with_status(0).prints("it runs\n");
}

#[test]
fn folders_that_do_not_serve_are_refused_with_what_does() {
    let workshop = Workshop::new();
    let (_original, locked) = locked(&workshop);
    let run = |options: &[&str]| workshop.unlock(locked.name(), options, &[]);
    let advice = "start it with --tmpfs /dev/sealcrate:exec,size=5m";
    let small = run(&["--tmpfs=/dev/sealcrate:exec,size=1m"]);
    assert_refused(small, 1, &format!("has 1 MiB free, and 4 MiB are needed: {advice}"));
    let no_exec = run(&["--tmpfs=/dev/sealcrate:size=100m"]);
    assert_refused(no_exec, 1, &format!("there are programs to unlock: {advice}"));
    let disk = workshop.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = format!("{}:/dev/sealcrate", disk.display());
    assert_refused(run(&["-v", &mount]), 1, "is not memory");
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 0);
    assert_refused(run(&["--user", "1000"]), 1, &format!("permission denied: {advice},mode=1777"));
    run(&["--tmpfs=/dev/sealcrate:exec,size=5m"]).with_status(0).prints("it runs\n");
}

#[test]
fn disk_serves_if_that_was_said() {
    let workshop = Workshop::new();
    let (original, _locked) = locked(&workshop);
    let locked = workshop.lock(&original, &["--allow-disk"]);
    let disk = workshop.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = format!("{}:/dev/sealcrate", disk.display());
    workshop.unlock(locked.name(), &["-v", &mount], &[]).with_status(0).prints("it runs\n");
    // As after a restart: what an earlier start has left is in nobody's way.
    workshop.unlock(locked.name(), &["-v", &mount], &[]).with_status(0).prints("it runs\n");
}

/// Copies a file out of an image.
fn file(workshop: &Workshop, image: &str, path: &str) -> Vec<u8> {
    let id = workshop.engine.run(&["create", image]);
    let to = workshop.path("copied");
    let from = format!("{id}:{path}");
    workshop.engine.run(&["cp", &from, to.to_str().unwrap()]);
    workshop.engine.run(&["rm", &id]);
    fs::read(to).unwrap()
}

#[test]
fn damaged_payloads_are_refused_and_nothing_is_left() {
    let workshop = Workshop::new();
    let (_original, locked) = locked(&workshop);
    let list = "ls /.sealcrate/payload";
    let names = workshop.run(locked.name(), &["--entrypoint", "/bin/sh"], &["-c", list]).stdout;
    assert_eq!(names.lines().count(), 3, "{names}");
    for name in names.lines() {
        let path = format!("/.sealcrate/payload/{name}");
        let whole = file(&workshop, locked.name(), &path);
        let places = [whole.len() / 2, whole.len() - 1, 250];
        for at in places {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            let dockerfile = format!("FROM {}\nCOPY changed {path}\n", locked.name());
            let files = [("changed", changed.as_slice())];
            let image = workshop.engine.build(Builder::Classic, &dockerfile, &files);
            let script = "/.sealcrate/init; echo $?; ls -A /dev/sealcrate";
            let options = ["--entrypoint", "/bin/sh"];
            let done = workshop.unlock(image.name(), &options, &["-c", script]);
            // A changed header of the index may be for another key.
            let statuses =
                if name == "index" && at == 250 { &["3\n", "5\n"][..] } else { &["5\n"] };
            assert!(statuses.contains(&&*done.stdout), "{name}, {at}: {}", done.said());
            assert!(done.stderr.contains("sealcrate: "), "{name}: {}", done.said());
            assert!(done.stderr.contains("/dev/sealcrate: No such file"), "{}", done.said());
        }
    }
}
