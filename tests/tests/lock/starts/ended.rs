//! Starts that a signal or a limit of the process ends before the command begins. Each says why, and
//! leaves nothing.

use sealcrate_tests::fixtures::wait_until;
use sealcrate_tests::{Builder, Done, EngineImage};

use crate::container::Container;
use crate::fixture::{Locksmith, PRIVATE, key};

/// An image that waits while it is unlocked, when the file `/app/a` is there already.
fn waiting<'w>(locksmith: &'w Locksmith, locked: &EngineImage<'_>) -> EngineImage<'w> {
    // The smaller of two layers is a pipe that nobody writes to.
    let dockerfile = format!(
        "FROM {}\nRUN [\"/bin/sh\", \"-c\", \"cd /.sealcrate/payload && \
         pipe=$(ls -S | grep -v index | tail -n 1) && rm $pipe && mkfifo -m 644 $pipe\"]\n",
        locked.name()
    );
    locksmith.engine.build(Builder::Classic, &dockerfile, &[])
}

/// An image of two private layers. The first is larger.
fn locked<'w>(locksmith: &'w Locksmith) -> EngineImage<'w> {
    let lines = format!("{PRIVATE}COPY a /app/a\nCOPY b /app/b\nCMD [\"cat\", \"/app/b\"]\n");
    let noise = sealcrate_tests::noise(1 << 20);
    locksmith.lock(&locksmith.build(&lines, &[("a", &noise), ("b", b"private\n")]), &[])
}

#[test]
fn first_process_heeds_signals_while_it_unlocks() {
    let locksmith = Locksmith::new();
    let locked = locked(&locksmith);
    let image = waiting(&locksmith, &locked);
    let container = Container::start(&locksmith, &image, &[]);
    let seen = ["exec", container.id(), "/bin/ls", "/dev/sealcrate/app/a"];
    wait_until("the container", || locksmith.engine.try_run(&seen).status.success());
    assert_eq!(container.stop(), "143");
    container.wait_for("sealcrate: ended by a signal\n");
}

#[test]
fn nothing_is_left_where_a_signal_ends_a_start() {
    let locksmith = Locksmith::new();
    let locked = locked(&locksmith);
    let image = waiting(&locksmith, &locked);
    let script = "/.sealcrate/init & for try in $(seq 300); do
            [ ! -s /dev/sealcrate/app/a ] || break; sleep 0.1
        done; ls /dev/sealcrate/app; kill -TERM $!; wait $!; echo $?; pidof init; ls -A /dev/sealcrate";
    let run = |options: &[&str]| -> Done {
        let key = key();
        let options = [&["-e", &*key, "--entrypoint", "/bin/sh"], options].concat();
        locksmith.run(image.name(), &options, &["-c", script])
    };
    let done = run(&[]).prints("a\n143\n");
    assert!(done.stderr.contains("/dev/sealcrate: No such file"), "{}", done.said());
    // The signal itself ends every process but the first one of a container.
    assert!(!done.stderr.contains("ended by"), "{}", done.said());
    run(&["--tmpfs=/dev/sealcrate:exec,size=5m"]).prints("a\n143\n");
}

#[test]
fn limits_of_the_process_that_are_too_small_are_told() {
    let locksmith = Locksmith::new();
    let locked = locked(&locksmith);
    let key = key();
    for (limit, text) in [
        ("-f 1", "a file may not be so long (ulimit -f)"),
        ("-d 150", "not enough memory"),
        ("-s 40", "not enough memory for the stack (ulimit -s)"),
    ] {
        let script =
            format!("(ulimit {limit} && exec /.sealcrate/init); echo $?; ls -A /dev/sealcrate");
        let options = ["-e", &*key, "--entrypoint", "/bin/sh"];
        let done = locksmith.run(locked.name(), &options, &["-c", &script]).prints("1\n");
        assert!(done.stderr.contains(text), "{limit}: {}", done.said());
        assert!(done.stderr.contains("/dev/sealcrate: No such file"), "{limit}: {}", done.said());
    }
}

#[test]
fn holes_take_no_memory() {
    let locksmith = Locksmith::new();
    let script = "sha256sum /app/a; stat -c %s /app/a; du -m /app/a | cut -f 1 | tail -n 1";
    let lines = format!(
        "{PRIVATE}RUN mkdir /app && truncate -s 100M /app/a && \
         printf x | dd of=/app/a bs=1 seek=50000001 conv=notrunc && truncate -s 104857601 /app/a\n\
         CMD {}\n",
        serde_json::json!(["sh", "-c", script])
    );
    let original = locksmith.build(&lines, &[]);
    let locked = locksmith.lock(&original, &[]);
    let expected = locksmith.run(original.name(), &[], &[]).with_status(0);
    // Docker's own folder has 64 MiB, and unlocked files count against the limit.
    let done = locksmith.unlock(locked.name(), &["--memory", "40m"], &[]).with_status(0);
    let [lines, expected] =
        [&done.stdout, &expected.stdout].map(|all| all.lines().collect::<Vec<_>>());
    assert_eq!(lines[..2], expected[..2]);
    assert_eq!((lines[1], lines[2]), ("104857601", "1"), "{}", done.said());
}
