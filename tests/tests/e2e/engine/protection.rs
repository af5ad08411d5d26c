//! Images of the engine, encrypted or in clear on their way.

use sealcrate_tests::fixtures::stored::{encrypted_layers, layers, manifest};
use sealcrate_tests::fixtures::{Machine, secret};
use sealcrate_tests::{Engine, Registry};

#[test]
fn type_none_asks_for_nothing_and_docker_pulls_it() {
    let (engine, registry, machine) =
        (Engine::from_env(), Registry::plain(), Machine::new().with_engine());
    machine.layout("image", &[&secret()]);
    let name = format!("{}/team/app:1", registry.host());
    let _pulled = engine.remove_on_drop(&name);
    machine.succeed(&["push", &name, "--from=oci:image", "--type", "NONE"]);
    assert_eq!(encrypted_layers(&manifest(&registry, "team/app", "1")), [false]);
    engine.run(&["pull", &name]);
    assert!(engine.has_image(&name));
}

#[test]
fn plain_image_of_the_engine_is_compressed_on_its_way() {
    let (engine, registry, machine) =
        (Engine::from_env(), Registry::plain(), Machine::new().with_engine());
    machine.layout("image", &[&secret()]);
    let name = format!("{}/team/app:1", registry.host());
    let _loaded = engine.remove_on_drop(&name);
    machine.succeed(&["copy", "oci:image", &format!("docker-daemon:{name}")]);
    machine.succeed(&["push", &name, "--type=NONE"]);
    let pushed = manifest(&registry, "team/app", "1");
    let layer = &layers(&pushed)[0];
    assert_eq!(layer["mediaType"], "application/vnd.docker.image.rootfs.diff.tar.gzip");
    let blob = registry.blob(layer["digest"].as_str().unwrap()).unwrap();
    assert_eq!(blob[..2], [0x1f, 0x8b], "it is not gzip");
}
