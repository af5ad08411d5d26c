//! Engines that stop, or are not there.

use sealcrate_tests::fixtures::{
    Machine, Pushed, Target, failed, image_of, random_bytes, run, succeeded,
};
use sealcrate_tests::{Builder, Engine, Registry};

use crate::engine::engine_proxy::{Counted, EngineProxy};
use crate::places::LENGTH;

#[test]
fn an_engine_that_stops_during_a_load_keeps_nothing() {
    let pushed = Pushed::new(image_of(LENGTH));
    let engine = Engine::from_env();
    let target = pushed.machine.engine_target();
    // In the first layer, and in the second.
    for limit in [LENGTH as i64 / 2, LENGTH as i64 * 3 / 2] {
        let proxy = EngineProxy::start(engine.address(), Counted::ToEngine, limit);
        let mut pull = pushed.machine.pull_into(&pushed.name(), &target);
        let said = failed(&run(pull.env("DOCKER_HOST", proxy.address())), &[1]);
        assert!(proxy.has_stopped(), "the engine was not stopped: {said}");
        assert!(said.contains("engine"), "{said}");
        pushed.machine.assert_nothing_is_left_of(&pushed.image, &target);
    }
    succeeded(&run(&mut pushed.machine.pull_into(&pushed.name(), &target)));
    pushed.machine.assert_has(&pushed.image, &target);
}

#[test]
fn an_engine_that_stops_during_an_export_leads_to_no_tag() {
    let engine = Engine::from_env();
    let built = engine.build(
        Builder::Classic,
        "FROM scratch\nLABEL com.senetas.crypto.enabled=true\nCOPY file /file\n",
        &[("file", &random_bytes(LENGTH))],
    );
    let (registry, machine) = (Registry::plain(), Machine::with_own_passphrase());
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
    let target = pushed.machine.engine_target();
    let mut pull = pushed.machine.pull_into(&pushed.name(), &target);
    let said = failed(&run(pull.env("DOCKER_HOST", "unix:///nowhere/sock")), &[1]);
    assert!(said.contains("/nowhere/sock") && said.contains("hint: "), "{said}");
    let Target::Engine(image) = &target else { panic!("it is the engine's") };
    assert!(!image.engine().has_image(image.name()));
}
