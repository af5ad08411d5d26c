//! Images in the engine of the current context, and in its archives.

use std::fs;

use sealcrate_test_kit::digest_of;
use sealcrate_tests::fixtures::stored::{digest, encrypted_layers, manifest};
use sealcrate_tests::fixtures::{FAST, Machine, secret};
use sealcrate_tests::{Builder, Done, Engine, Registry};
use serde_json::json;

const DOCKERFILE: &str = "FROM scratch\nCOPY a /\nCOPY a /b\n";

#[test]
fn engine_of_the_current_context_is_used() {
    let (engine, machine) = (Engine::from_env(), Machine::new().with_engine());
    let built = engine.build(Builder::Classic, DOCKERFILE, &[("a", secret().as_bytes())]);
    // As `docker context create mine --docker host=…` and `docker context use mine` write them.
    let id = digest_of(b"mine");
    let folder = machine.sandbox.docker_config().join("contexts/meta").join(&id["sha256:".len()..]);
    fs::create_dir_all(&folder).unwrap();
    let endpoint = json!({ "Host": engine.address(), "SkipTLSVerify": false });
    let meta = json!({ "Name": "mine", "Metadata": {}, "Endpoints": { "docker": endpoint } });
    fs::write(folder.join("meta.json"), meta.to_string()).unwrap();
    let config = json!({ "currentContext": "mine" });
    fs::write(machine.sandbox.docker_config().join("config.json"), config.to_string()).unwrap();

    let from = format!("docker-daemon:{}", built.name());
    let mut inspect = machine.sealcrate(&["inspect", &from, "--output=json"]);
    let done = Done::of(inspect.env_remove("DOCKER_HOST")).with_status(0);
    assert_eq!(done.json()["config"], engine.image_id(built.name()));
}

#[test]
fn image_is_read_by_its_id() {
    let (engine, registry, machine) =
        (Engine::from_env(), Registry::plain(), Machine::new().with_engine());
    let built = engine.build(Builder::BuildKit, DOCKERFILE, &[("a", secret().as_bytes())]);
    let id = engine.image_id(built.name());
    let name = format!("{}/team/app", registry.host());
    for from in [format!("docker-daemon:{id}"), format!("docker-daemon:{}", &id["sha256:".len()..])]
    {
        let push = ["push", &name, "--from", &from, "--pass-file=key", "--encrypt-layer=-1", FAST];
        machine.succeed(&push);
        let pushed = manifest(&registry, "team/app", "latest");
        assert_eq!(encrypted_layers(&pushed), [false, true]);
    }
}

#[test]
fn image_is_inspected_in_the_engine_and_in_its_archive() {
    let (engine, machine) = (Engine::from_env(), Machine::new().with_engine());
    let built = engine.build(Builder::Classic, DOCKERFILE, &[("a", secret().as_bytes())]);
    engine.run(&["save", "-o", machine.path("saved.tar").to_str().unwrap(), built.name()]);
    let daemon = format!("docker-daemon:{}", built.name());
    for place in [daemon.as_str(), "docker-archive:saved.tar"] {
        let seen = machine.succeed(&["inspect", place, "--output=json"]).json();
        assert_eq!(seen["config"], engine.image_id(built.name()), "{place}");
        assert_eq!(seen["format"], "not encrypted");
        assert_eq!(seen["layers"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn pulled_image_takes_the_name_from_an_older_one() {
    let (engine, registry, machine) =
        (Engine::from_env(), Registry::plain(), Machine::new().with_engine());
    let name = format!("{}/team/app:1", registry.host());
    let _pulled = engine.remove_on_drop(&name);
    let mut ids = Vec::new();
    for layout in ["first", "second"] {
        let made = machine.layout(layout, &[&secret()]);
        let id = digest(&made.json(&made.root())["config"]).to_owned();
        let from = format!("--from=oci:{layout}");
        machine.succeed(&["push", &name, &from, "--pass-file=key", "--all-layers", FAST]);
        machine.succeed(&["pull", &name, "--pass-file=key"]);
        assert_eq!(engine.image_id(&name), id);
        ids.push(id);
    }
    engine.try_run(&["image", "rm", "--force", &ids[0]]);
}

#[test]
fn image_that_the_engine_lacks_is_named() {
    let name = format!("sealcrate-test/{}", secret());
    let done =
        Machine::new().with_engine().fail(1, &["push", &name, "--pass-file=key", "--all-layers"]);
    done.says(&name);
}
