//! Podman's service takes the place of the Docker engine, as source and as sink.

#![allow(missing_docs)]

use std::process::Command;

use sealcrate_tests::{Builder, Engine, PodmanService, Registry, Sandbox, busybox, record};

fn run(command: &mut Command) -> String {
    let output = command.output().expect("sealcrate can be run");
    record(command, &[&output.stdout, &output.stderr]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn images_go_into_podman_and_out_of_it_again() {
    let (engine, registry) = (Engine::from_env(), Registry::plain());
    let sandbox = Sandbox::new().with_engine(&engine);
    let podman = PodmanService::start();
    let dockerfile = "FROM scratch\nCOPY sh /bin/sh\nLABEL com.senetas.crypto.enabled=true\n\
                      COPY secret /secret\nCMD [\"/bin/sh\", \"-c\", \"cat /secret\"]\n";
    let files = [("sh", busybox()), ("secret", b"for podman too".to_vec())];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
    let built = engine.build(Builder::Classic, dockerfile, &files);
    let id = engine.image_id(built.name());
    let from = format!("docker-daemon:{}", built.name());
    let names = ["docker", "podman"].map(|name| format!("{}/from-{name}:1", registry.host()));
    let sealcrate = |arguments: &[&str]| {
        let mut command = sandbox.sealcrate();
        command.env("SEALCRATE_PASS", "a passphrase for podman").args(arguments);
        command
    };
    run(&mut sealcrate(&["push", "--from", &from, &names[0]]));

    run(sealcrate(&["pull", "--as", "localhost/here:1", &names[0]])
        .env("DOCKER_HOST", podman.address()));
    let pulled = podman.run(&["image", "inspect", "--format", "{{.Id}}", "localhost/here:1"]);
    assert_eq!(format!("sha256:{pulled}"), id, "the image ID survives");

    let from = "docker-daemon:localhost/here:1";
    run(sealcrate(&["push", "--from", from, &names[1]]).env("DOCKER_HOST", podman.address()));
    let opened = format!("{}/opened:1", registry.host());
    let _removed = engine.remove_on_drop(&opened);
    run(&mut sealcrate(&["pull", "--as", &opened, &names[1]]));
    assert_eq!(engine.run_container(&opened, &[]), "for podman too");
    sandbox.assert_nothing_is_left();
}
