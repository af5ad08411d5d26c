//! Layers that are chosen by a base image in the engine.

use sealcrate_tests::fixtures::stored::{encrypted_layers, manifest};
use sealcrate_tests::fixtures::{FAST, Machine, secret};
use sealcrate_tests::{Builder, Engine, Registry};

#[test]
fn layers_above_a_base_in_the_engine_are_chosen_by_its_name() {
    let (engine, registry, machine) =
        (Engine::from_env(), Registry::plain(), Machine::new().with_engine());
    let text = secret();
    let files = [("a", text.as_bytes()), ("b", b"more")];
    let base = engine.build(Builder::Classic, "FROM scratch\nCOPY a /\n", &files);
    let dockerfile = format!("FROM {}\nCOPY b /\nCOPY a /c\n", base.name());
    let built = engine.build(Builder::Classic, &dockerfile, &files);
    let name = format!("{}/team/app", registry.host());
    let from = format!("docker-daemon:{}", built.name());
    let base = base.name();
    machine.succeed(&["push", &name, "--from", &from, "--pass-file=key", FAST, "--base", base]);
    let chosen = encrypted_layers(&manifest(&registry, "team/app", "latest"));
    assert_eq!(chosen, [false, true, true]);
}
