//! Places that fail: no room, no right to write, an engine that stops in the middle.

use std::fs;
use std::process::Command;

use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::{Machine, Pushed, failed, image_of, run, succeeded};

/// More than the place has room for.
pub(crate) const LENGTH: usize = 2 << 20;

/// The same run with a limit of 512 KiB for the size of any file, which fails as a full disk does.
fn without_room(command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "sh"]);
    limited.arg(command.get_program()).args(command.get_args()).env_clear();
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.current_dir(command.get_current_dir().expect("a sandbox has a folder"));
    limited
}

#[test]
fn a_push_without_room_for_ciphertext_fails_and_leaves_nothing() {
    let (registry, machine, image) =
        (Registry::plain(), Machine::with_own_passphrase(), image_of(LENGTH));
    let name = format!("{}/app:1", registry.host());
    let said = failed(&run(&mut without_room(&machine.push(&image, &name))), &[1]);
    assert!(said.contains("File too large"), "{said}");
    machine.sandbox.assert_nothing_is_left();
    assert_eq!(registry.tags("app"), [] as [String; 0]);
    assert!(registry.blobs().is_empty());
    succeeded(&run(&mut machine.push(&image, &name)));
}

#[test]
fn a_pull_without_room_fails_and_leaves_nothing() {
    let pushed = Pushed::new(image_of(LENGTH));
    for target in pushed.machine.targets() {
        let pull = pushed.machine.pull_into(&pushed.name(), &target);
        let said = failed(&run(&mut without_room(&pull)), &[1]);
        assert!(said.contains("File too large"), "{said}");
        pushed.machine.assert_nothing_is_left_of(&pushed.image, &target);
    }
}

#[test]
fn a_temporary_folder_that_cannot_be_written_is_named() {
    let pushed = Pushed::new(image_of(1000));
    let name = format!("{}/app:2", pushed.registry.host());
    // A push that reuses remembered layers would need no file.
    pushed.machine.forget();
    // Not even root can make files in /proc.
    for folder in ["/proc", "/nowhere/at/all"] {
        let mut push = pushed.machine.push(&pushed.image, &name);
        let said = failed(&run(push.env("TMPDIR", folder)), &[1]);
        assert!(said.contains(&format!("temporary file in {folder}:")), "{said}");
        assert_eq!(pushed.registry.tags("app"), ["1"]);
        for target in pushed.machine.targets() {
            let mut pull = pushed.machine.pull_into(&pushed.name(), &target);
            let said = failed(&run(pull.env("TMPDIR", folder)), &[1]);
            assert!(said.contains(&format!("temporary file in {folder}:")), "{said}");
            pushed.machine.assert_nothing_is_left_of(&pushed.image, &target);
        }
    }
}

#[test]
fn a_layout_that_cannot_be_written_is_named() {
    let pushed = Pushed::new(image_of(1000));
    let mut pull = pushed.machine.pull(&pushed.name());
    let said = failed(&run(pull.args(["--to", "oci:/proc/layout:it"])), &[1]);
    assert!(said.contains("/proc"), "{said}");
    pushed.machine.sandbox.assert_nothing_is_left();
    // A file where a folder should be.
    fs::write(pushed.machine.sandbox.work().join("file"), "precious").unwrap();
    for location in ["oci:file:it", "oci:file/below:it"] {
        let mut pull = pushed.machine.pull(&pushed.name());
        let said = failed(&run(pull.args(["--to", location])), &[1]);
        assert!(said.contains("file"), "{said}");
    }
    let kept = fs::read(pushed.machine.sandbox.work().join("file")).unwrap();
    assert_eq!(kept, b"precious");
    // A folder that holds something else.
    let folder = pushed.machine.sandbox.work().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("letter"), "precious").unwrap();
    let mut pull = pushed.machine.pull(&pushed.name());
    failed(&run(pull.args(["--to", "oci:folder:it"])), &[1]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}
