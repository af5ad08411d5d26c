//! Places that fail: no room, no right to write, an engine that stops in the middle.

use std::fs;
use std::process::Command;

use sealcrate_tests::{Builder, Engine, Registry};

use crate::engine_proxy::{Counted, EngineProxy};
use sealcrate_tests::fixtures::image::{
    Machine, Pushed, Target, failed, image_of, random_bytes, run, succeeded,
};

/// More than the place has room for.
const LENGTH: usize = 2 << 20;

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
    let (registry, machine, image) = (Registry::plain(), Machine::new(), image_of(LENGTH));
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
    let engine = Engine::from_env();
    for target in pushed.machine.targets(&engine) {
        let pull = pushed.machine.pull_into(&pushed.name(), &target);
        let said = failed(&run(&mut without_room(&pull)), &[1]);
        assert!(said.contains("File too large"), "{said}");
        pushed.machine.assert_nothing_is_left_of(&pushed.image, &engine, &target);
    }
}

#[test]
fn a_temporary_folder_that_cannot_be_written_is_named() {
    let pushed = Pushed::new(image_of(1000));
    let engine = Engine::from_env();
    let name = format!("{}/app:2", pushed.registry.host());
    // A push that reuses remembered layers would need no file.
    pushed.machine.forget();
    // Not even root can make files in /proc.
    for folder in ["/proc", "/nowhere/at/all"] {
        let mut push = pushed.machine.push(&pushed.image, &name);
        let said = failed(&run(push.env("TMPDIR", folder)), &[1]);
        assert!(said.contains(&format!("temporary file in {folder}:")), "{said}");
        assert_eq!(pushed.registry.tags("app"), ["1"]);
        for target in pushed.machine.targets(&engine) {
            let mut pull = pushed.machine.pull_into(&pushed.name(), &target);
            let said = failed(&run(pull.env("TMPDIR", folder)), &[1]);
            assert!(said.contains(&format!("temporary file in {folder}:")), "{said}");
            pushed.machine.assert_nothing_is_left_of(&pushed.image, &engine, &target);
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

#[test]
fn an_engine_that_stops_during_a_load_keeps_nothing() {
    let pushed = Pushed::new(image_of(LENGTH));
    let engine = Engine::from_env();
    let [target, _] = pushed.machine.targets(&engine);
    // In the first layer, and in the second.
    for limit in [LENGTH as i64 / 2, LENGTH as i64 * 3 / 2] {
        let proxy = EngineProxy::start(engine.address(), Counted::ToEngine, limit);
        let mut pull = pushed.machine.pull_into(&pushed.name(), &target);
        let said = failed(&run(pull.env("DOCKER_HOST", proxy.address())), &[1]);
        assert!(proxy.has_stopped(), "the engine was not stopped: {said}");
        assert!(said.contains("engine"), "{said}");
        pushed.machine.assert_nothing_is_left_of(&pushed.image, &engine, &target);
    }
    succeeded(&run(&mut pushed.machine.pull_into(&pushed.name(), &target)));
    pushed.machine.assert_has(&pushed.image, &engine, &target);
}

#[test]
fn an_engine_that_stops_during_an_export_leads_to_no_tag() {
    let engine = Engine::from_env();
    let built = engine.build(
        Builder::Classic,
        "FROM scratch\nLABEL com.senetas.crypto.enabled=true\nCOPY file /file\n",
        &[("file", &random_bytes(LENGTH))],
    );
    let (registry, machine) = (Registry::plain(), Machine::new());
    let proxy = EngineProxy::start(engine.address(), Counted::FromEngine, LENGTH as i64 / 2);
    let name = format!("{}/app:1", registry.host());
    let push = |address: &str| {
        let mut push = machine.sandbox.sealcrate();
        push.args(["push", &name, "--pass-file", "key", "--iterations", "100000", "--from"]);
        push.arg(format!("docker-daemon:{}", built.name())).env("DOCKER_HOST", address);
        run(&mut push)
    };
    let said = failed(&push(&proxy.address()), &[1]);
    assert!(proxy.has_stopped(), "the engine was not stopped: {said}");
    assert!(said.contains("engine"), "{said}");
    machine.sandbox.assert_nothing_is_left();
    assert!(registry.blobs().is_empty());
    succeeded(&push(engine.address()));
    assert_eq!(registry.tags("app"), ["1"]);
}

#[test]
fn an_engine_that_is_not_there_is_named() {
    let pushed = Pushed::new(image_of(1000));
    let engine = Engine::from_env();
    let [target, _] = pushed.machine.targets(&engine);
    let mut pull = pushed.machine.pull_into(&pushed.name(), &target);
    let said = failed(&run(pull.env("DOCKER_HOST", "unix:///nowhere/sock")), &[1]);
    assert!(said.contains("/nowhere/sock") && said.contains("hint: "), "{said}");
    let Target::Engine(image) = &target else { panic!("the first target is the engine") };
    assert!(!engine.has_image(image.name()));
}
