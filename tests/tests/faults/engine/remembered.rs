//! An unchanged image of the engine, encrypted to recipients again.

use sealcrate_tests::fixtures::{Target, run, succeeded};

use crate::remembered::{ONE, Scene};

#[test]
fn unchanged_image_for_recipients_is_not_exported_from_the_engine() {
    let mut scene = Scene::new();
    scene.machine = scene.machine.with_engine();
    let target = scene.machine.engine_target();
    let Target::Engine(loaded) = &target else { unreachable!("it is the engine's") };
    scene.push("plain:1", &["--pass-file", "key"]);
    let name = format!("{}/plain:1", scene.proxy.host());
    succeeded(&run(&mut scene.machine.pull_into(&name, &target)));
    let from = format!("docker-daemon:{}", loaded.name());
    let options = ["-r", ONE, "--from", &from, "--verbose"];
    let first = scene.push("app:1", &options);
    assert!(first.said.contains("/get"), "{}", first.said);
    let again = scene.push("app:1", &options);
    assert!(again.said.contains("/json") && !again.said.contains("/get"), "{}", again.said);
    assert_eq!((again.sent, again.layers), (0, first.layers));
}
