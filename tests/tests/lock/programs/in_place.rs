//! Private files that a program edits in place. The edit gives their name to another file.

use sealcrate_tests::EngineImage;

use crate::container::Container;
use crate::fixture::{CLEAR, Locksmith, PRIVATE};

/// Edits a private file, shows it beside a clear one, and stays.
const SCRIPT: &str = "sed -i s/private/edited/ /app/conf; cat /app/conf /app/in/clear; echo done; \
                      trap 'exit 0' TERM; while :; do sleep 0.1; done";

/// An image whose folder `/app` has clear and private files.
fn mixed(locksmith: &Locksmith) -> EngineImage<'_> {
    let lines = format!(
        "COPY clear /app/in/clear\nRUN ln /app/in/clear /app/other && chmod 750 /app/in && chmod 751 /app\n{PRIVATE}\
         COPY conf /app/conf\nCOPY large /app/large\n{CLEAR}CMD {}\n",
        serde_json::json!(["sh", "-c", SCRIPT])
    );
    let files = [("clear", &b"clear\n"[..]), ("conf", b"private\n"), ("large", &[7; 1 << 20])];
    locksmith.build(&lines, &files)
}

/// Lists the container's changes on the disk.
fn changed(locksmith: &Locksmith, container: &Container<'_>) -> String {
    let lines = locksmith.engine.run(&["diff", container.id()]);
    lines.lines().filter(|line| line.contains("/app")).collect()
}

#[test]
fn private_files_that_an_edit_would_put_on_the_disk_are_named() {
    let locksmith = Locksmith::new();
    let original = mixed(&locksmith);
    let name = format!("{}-locked", original.name());
    let locked = locksmith.engine.remove_on_drop(&name);
    let recipient = locksmith.recipient();
    let done = locksmith.sealcrate(&["lock", original.name(), "-t", &name, "-r", recipient]);
    let done = done.with_status(0);
    let expected = "an edit in place of private files in /app puts cleartext on a disk, since each \
                    is a single link in a clear folder: conf, large; --whole /app unlocks the whole folder, \
                    with 1 MiB of clear files\n";
    assert!(done.stderr.contains(expected), "{}", done.said());
    // The warning is right.
    let container = Container::start(&locksmith, &locked, &[]);
    container.wait_for("edited\nclear\ndone\n");
    assert_eq!(changed(&locksmith, &container), "C /appC /app/conf");
}

#[test]
fn edits_stay_in_memory_where_the_folder_is_unlocked_whole() {
    let locksmith = Locksmith::new();
    let original = mixed(&locksmith);
    let name = format!("{}-locked", original.name());
    let locked = locksmith.engine.remove_on_drop(&name);
    let options = ["-r", locksmith.recipient(), "--whole", "/app"];
    let done =
        locksmith.sealcrate(&[&["lock", original.name(), "-t", &name][..], &options].concat());
    let done = done.with_status(0);
    assert!(!done.stderr.contains("in place"), "{}", done.said());
    let container = Container::start(&locksmith, &locked, &[]);
    container.wait_for("edited\nclear\ndone\n");
    assert_eq!(changed(&locksmith, &container), "");
    // Clear files keep everything too: permissions, and the two names of one of them.
    let shown =
        container.run("stat -c '%a %h' /app/. /app/in /app/in/clear /app/other; ls -A /app");
    assert_eq!(shown, "751 3\n750 2\n755 2\n755 2\nconf\nin\nlarge\nother");
    // The way back gives the original, without the payload of clear files.
    let back = format!("{}-back", original.name());
    let back = locksmith.engine.remove_on_drop(&back);
    let arguments = ["unlock", &name, "-t", back.name(), "-i", "identity"];
    locksmith.sealcrate(&arguments).with_status(0);
    assert_eq!(locksmith.engine.image_id(back.name()), locksmith.engine.image_id(original.name()));
}

#[test]
fn folders_that_have_to_stay_are_neither_offered_nor_taken() {
    let locksmith = Locksmith::new();
    let lines = format!("{PRIVATE}COPY conf /etc/conf\nCMD [\"cat\", \"/etc/conf\"]\n");
    let original = locksmith.build(&lines, &[("conf", b"private\n")]);
    let lock = |folder: &str| {
        let arguments = ["lock", original.name(), "-t", "never:1", "-r", locksmith.recipient()];
        locksmith.sealcrate(&[&arguments[..], &["--whole", folder]].concat())
    };
    lock("/etc").failed(1).says("/etc cannot be unlocked whole");
    lock("/none").failed(1).says("there is no folder /none");
    lock("/bin/sh").failed(1).says("there is no folder /bin/sh");
    let name = format!("{}-locked", original.name());
    let locked = locksmith.engine.remove_on_drop(&name);
    let arguments = ["lock", original.name(), "-t", &name, "-r", locksmith.recipient()];
    let done = locksmith.sealcrate(&arguments).with_status(0);
    assert!(done.stderr.contains("files in /etc"), "{}", done.said());
    assert!(!done.stderr.contains("--whole"), "{}", done.said());
    locksmith.assert_same(&original, &locked, &[], &[]);
}
