//! An unchanged image of the engine, pushed again.

use sealcrate_tests::fixtures::{Target, run, succeeded};

use crate::again::{Scene, image};

#[test]
fn unchanged_image_is_not_exported_from_the_engine() {
    let scene = Scene::new();
    let image = image(b"low", b"top");
    scene.push(&image, &[]);
    let target = scene.machine.engine_target();
    let Target::Engine(loaded) = &target else { unreachable!("it is the engine's") };
    succeeded(&run(&mut scene.machine.pull_into(&scene.name(), &target)));
    scene.machine.forget();
    let before = scene.sent();
    let from = format!("docker-daemon:{}", loaded.name());
    let mut push = scene.machine.sandbox.sealcrate();
    push.env("DOCKER_HOST", loaded.engine().address());
    push.args(["push", &scene.name(), "--from", &from, "--pass-file", "key", "--verbose"]);
    let output = run(push.args(["--encrypt-layer", "1", "--encrypt-layer", "2"]));
    succeeded(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("/json") && !said.contains("/get"), "{said}");
    assert_eq!(scene.sent() - before, 1);
}
