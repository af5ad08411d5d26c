//! A user other than root runs locked images, with Podman and crun: the place of unlocking, the owners
//! of files, and further starts.

use std::fs;
use std::process::Command;

use sealcrate_tests::{CrunPodman, Done, MemoryFolder, as_root};

use crate::fixture::{Locksmith, PRIVATE};

#[test]
fn user_without_privileges_starts_and_restarts_a_locked_image() {
    let locksmith = Locksmith::new();
    let script = "cat /app/a; stat -c %u:%g /app/a; test ! -e /app/new; echo new > /app/new; \
                  mkdir -p /app/in/in; chmod 0 /app/in";
    let lines = format!(
        "{PRIVATE}COPY a /app/a\nRUN chown 1000:2000 /app/a && chmod 444 /app/a && chmod 555 /app\nCMD {}\n",
        serde_json::json!(["sh", "-ec", script])
    );
    let original = locksmith.build(&lines, &[("a", b"private\n")]);
    let locked = locksmith.lock(&original, &[]);
    let podman = CrunPodman::rootless();
    podman.load(&locksmith.saved(&locked));
    let image = format!("localhost/{}", locked.name());
    // The key is the user's own.
    let key = podman.path().join("key");
    Done::of(Command::new("cp").arg(locksmith.path("identity")).arg(&key)).with_status(0);
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
    let key = format!("{}:/run/secrets/sealcrate_key:ro", key.display());
    let run = |options: &[&str]| podman.run(&[&["-v", &key], options].concat(), &image);

    // The container's own memory, and a user of the image to whom this machine gives no ID.
    let done = run(&[]).with_status(0).prints("private\n0:0\n");
    assert_eq!(done.lines("sealcrate: ").len(), 1, "{}", done.said());
    done.says("unlocked files of other users belong to root");
    // The host's `/dev`, which this user may not write to either.
    let done = run(&["-v", "/dev:/dev"]).with_status(1).prints("");
    done.says("/dev is not the container's own here");
    // Memory that outlives the container.
    let memory = MemoryFolder::new(5);
    let mount = format!("{}:/dev/sealcrate", memory.path().display());
    for _ in 0..3 {
        run(&["-v", &mount]).with_status(0).prints("private\n0:0\n");
    }
    // Its files belong to that user.
    Done::of(as_root("find").arg(memory.path()).args(["-mindepth", "1", "-delete"])).with_status(0);
}
