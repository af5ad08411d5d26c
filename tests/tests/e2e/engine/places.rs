//! Copies between engines, their archives and other places.

use sealcrate_test_kit::digest_of;
use sealcrate_tests::fixtures::stored::{digest, encrypted_layers, manifest};
use sealcrate_tests::fixtures::{FAST, Machine, secret};
use sealcrate_tests::{Builder, Engine, Registry};

#[test]
fn archive_of_docker_save_is_pushed() {
    let (engine, registry, machine) =
        (Engine::from_env(), Registry::plain(), Machine::new().with_engine());
    let text = secret();
    let dockerfile = "FROM scratch\nCOPY a /\nLABEL com.senetas.crypto.enabled=true\nCOPY a /b\n";
    let built = engine.build(Builder::Classic, dockerfile, &[("a", text.as_bytes())]);
    let file = machine.path("saved.tar");
    engine.run(&["save", "-o", file.to_str().unwrap(), built.name()]);
    let name = format!("{}/team/app", registry.host());
    for from in [
        "docker-archive:saved.tar".to_owned(),
        format!("docker-archive:saved.tar:{}", built.name()),
    ] {
        machine.succeed(&["push", &name, "--from", &from, "--pass-file=key", FAST]);
        let pushed = manifest(&registry, "team/app", "latest");
        assert_eq!(encrypted_layers(&pushed), [false, true]);
    }
    machine.succeed(&["pull", &name, "--pass-file=key", "--to=docker-archive:back.tar:back:1"]);
    let id = engine.image_id(built.name());
    let _loaded = engine.remove_on_drop("back:1");
    engine.run(&["load", "-i", machine.path("back.tar").to_str().unwrap()]);
    assert_eq!(engine.image_id("back:1"), id);
}

#[test]
fn engines_and_their_archives_take_copies_and_give_them_back() {
    let (engine, registry, machine) =
        (Engine::from_env(), Registry::plain(), Machine::new().with_engine());
    let layout = machine.layout("image", &[&secret(), &secret()]);
    let id = digest(&layout.json(&layout.root())["config"]).to_owned();
    let name = format!("sealcrate-test/copied-{}:1", &id["sha256:".len()..][..12]);
    let _copied = engine.remove_on_drop(&name);
    let there = format!("docker://{}/team/app:1", registry.host());
    let daemon = format!("docker-daemon:{name}");
    let places = ["docker-archive:1.tar:x:1", "oci:2", "oci-archive:3.tar", &there];
    machine.succeed(&["copy", "oci:image", &daemon]);
    for place in places {
        machine.succeed(&["copy", &daemon, place]);
    }
    for place in places {
        engine.run(&["image", "rm", "--force", &name]);
        machine.succeed(&["copy", place, &daemon]);
        assert_eq!(engine.image_id(&name), id, "{place}");
    }
    assert_eq!(digest(&manifest(&registry, "team/app", "1")["config"]), id);
}

#[test]
fn skopeo_reads_what_is_written() {
    let (registry, machine) = (Registry::plain(), Machine::new().with_engine());
    let layout = machine.layout("image", &["public", "private"]);
    let name = format!("{}/team/app", registry.host());
    let push = ["push", &name, "--from=oci:image", "--encrypt-layer=1", "--pass-file=key", FAST];
    machine.succeed(&push);
    let config = layout.blob(digest(&layout.json(&layout.root())["config"]));
    let written =
        ["oci:back:tag", "docker-archive:back.tar:name:tag", "oci-archive:back-oci.tar:tag"];
    for to in written {
        machine.succeed(&["pull", &name, "--pass-file=key", "--to", to]);
        let seen = machine.call("skopeo", &["inspect", "--config", "--raw", to]);
        assert_eq!(digest_of(seen.as_bytes()), digest_of(&config), "{to}");
        let copy = format!("dir:{}", to.split(':').next().unwrap());
        machine.call("skopeo", &["--insecure-policy", "copy", to, &copy]);
    }
    assert!(machine.path("docker-archive/manifest.json").is_file());
}
