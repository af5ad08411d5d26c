//! The secrets of an image of the engine.

use sealcrate_test_kit::FaultProxy;
use sealcrate_tests::fixtures::{Running, random_bytes, succeeded, unique};
use sealcrate_tests::{Builder, Engine, Registry};

use crate::secrecy::{LENGTH, Secret, held, wait_for};

#[test]
fn a_push_from_the_engine_shows_nothing() {
    let secret = Secret::new();
    let engine = Engine::from_env();
    let (content, file) = (random_bytes(LENGTH), unique("private-file-name"));
    let (variable, command) = (unique("private-variable"), unique("private-command"));
    let dockerfile = format!(
        "FROM scratch\nLABEL com.senetas.crypto.enabled=true\nENV TOKEN={variable}\n\
         COPY {file} /{file}\nCMD [\"/{command}\"]\n"
    );
    let secret = Secret {
        needles: vec![
            ("content", content[LENGTH / 2..][..48].to_vec()),
            ("file name", file.clone().into_bytes()),
            ("variable", variable.into_bytes()),
            ("command", command.into_bytes()),
            ("passphrase", secret.machine.passphrase.clone().into_bytes()),
        ],
        ..secret
    };
    let built = engine.build(Builder::BuildKit, &dockerfile, &[(&file, &content)]);
    let registry = Registry::plain();
    let (rule, gate) = held("PUT", "/uploads/");
    let proxy = FaultProxy::start(registry.host(), vec![rule]);
    let mut push = secret.machine.sandbox.sealcrate();
    push.env("DOCKER_HOST", engine.address());
    push.args(["push", &format!("{}/app:1", proxy.host()), "--pass-file", "key", "--verbose"]);
    push.args(["--iterations", "100000", "--from", &format!("docker-daemon:{}", built.name())]);
    let running = Running::start(&mut push);
    wait_for(&proxy, "PUT", "/uploads/");
    secret.assert_unseen_below(&secret.machine.sandbox.tmp());
    gate.open();
    let output = running.end();
    succeeded(&output);
    secret.assert_unsaid(&output);
    secret.assert_unseen_in_registry(&registry);
}
