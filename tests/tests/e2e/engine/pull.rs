//! Pulls into the engine.

use sealcrate_test_kit::{FaultProxy, Layout};
use sealcrate_tests::fixtures::stored::{digest, layers, manifest};
use sealcrate_tests::fixtures::{FAST, Machine, secret};
use sealcrate_tests::{Builder, Engine, Registry, busybox};

use crate::transfers::pull::BehindProxy;

#[test]
fn image_gets_the_name_that_is_asked_for() {
    let (engine, pushed) = (Engine::from_env(), BehindProxy::new().with_engine());
    let (name, new_name) = (pushed.name(), format!("sealcrate-test/as-{}:2", &pushed.id[7..19]));
    let _named = engine.remove_on_drop(&new_name);
    let pull = ["pull", &name, "--pass-file=key", "--as", &new_name];
    let done = pushed.machine.succeed(&pull).does_not_say("docker push");
    assert_eq!(engine.image_id(&new_name), pushed.id);
    assert!(!engine.has_image(&name));
    assert_eq!(done.stdout, format!("docker-daemon:{new_name}\n"));
}

#[test]
fn plain_image_comes_without_words_about_its_publication() {
    let (engine, registry, machine) =
        (Engine::from_env(), Registry::plain(), Machine::new().with_engine());
    machine.layout("image", &[&secret()]);
    let name = format!("{}/team/app:1", registry.host());
    let _pulled = engine.remove_on_drop(&name);
    machine.succeed(&["push", &name, "--from=oci:image", "--type=NONE"]);
    machine.fail(4, &["pull", &name]).says("--allow-unencrypted");
    assert!(!engine.has_image(&name));
    machine.succeed(&["pull", &name, "--allow-unencrypted"]).does_not_say("docker push");
    assert!(engine.has_image(&name));
}

#[test]
fn image_is_pulled_by_digest() {
    let (engine, pushed) = (Engine::from_env(), BehindProxy::new().with_engine());
    let _pulled = engine.remove_on_drop(&pushed.id);
    let is = pushed.registry.tag_digest("team/app", "1").unwrap();
    let name = format!("{}/team/app@{is}", pushed.proxy.host());
    pushed.machine.succeed(&["pull", &name, "--pass-file=key", "--to=oci:back"]);
    let back = Layout::open(pushed.machine.path("back"));
    assert_eq!(digest(&back.json(&back.root())["config"]), pushed.id);
    pushed.machine.succeed(&["pull", &name, "--pass-file=key"]);
    assert!(engine.has_image(&pushed.id));
    let other = format!("{}/team/app@{}", pushed.proxy.host(), pushed.id);
    pushed.machine.fail(1, &["pull", &other, "--pass-file=key", "--to=oci:none"]);
}

#[test]
fn layers_that_the_engine_holds_are_not_fetched() {
    let (engine, registry, machine) =
        (Engine::from_env(), Registry::plain(), Machine::new().with_engine());
    let (public, private) = (secret(), secret());
    let files =
        [("busybox", &*busybox()), ("public", public.as_bytes()), ("private", private.as_bytes())];
    let dockerfile = "FROM scratch\nCOPY busybox /bin/busybox\nCOPY public /\n";
    let base = engine.build(Builder::Classic, dockerfile, &files);
    let dockerfile = format!(
        "FROM {}\nCOPY private /\nCMD [\"/bin/busybox\", \"cat\", \"/private\"]\n",
        base.name()
    );
    let built = engine.build(Builder::Classic, &dockerfile, &files);
    let id = engine.image_id(built.name());
    let proxy = FaultProxy::start(registry.host(), Vec::new());
    let name = format!("{}/team/app:1", proxy.host());
    let _pulled = engine.remove_on_drop(&name);
    let from = format!("docker-daemon:{}", built.name());
    let push = ["push", &name, "--from", &from, "--pass-file=key", FAST, "--base", base.name()];
    machine.succeed(&push);
    let pushed = manifest(&registry, "team/app", "1");
    let sent = proxy.requests().len();
    let fetched = |seen: usize| -> Vec<bool> {
        let requests = proxy.requests();
        let get = |digest: &str| {
            let blob = format!("/blobs/{digest}");
            requests[seen..].iter().any(|request| {
                request.head.method() == "GET" && request.head.target().ends_with(&blob)
            })
        };
        layers(&pushed).iter().map(|layer| get(digest(layer))).collect()
    };

    engine.run(&["image", "rm", "--force", built.name()]);
    machine.succeed(&["pull", &name, "--pass-file=key"]);
    assert_eq!(fetched(sent), [false, false, true]);
    assert_eq!(engine.image_id(&name), id);
    assert_eq!(engine.run_container(&name, &[]), private);

    let sent = proxy.requests().len();
    engine.run(&["image", "rm", "--force", &id]);
    engine.run(&["image", "rm", "--force", base.name()]);
    machine.succeed(&["pull", &name, "--pass-file=key"]);
    assert_eq!(fetched(sent), [true, true, true]);
    assert_eq!(engine.run_container(&name, &[]), private);
}

#[test]
fn wrong_passphrase_brings_nothing_into_the_engine() {
    let (engine, pushed) = (Engine::from_env(), BehindProxy::new().with_engine());
    let name = pushed.name();
    let pull = ["pull", &name, "--pass-file=other-key"];
    pushed.machine.fail(3, &pull).says("wrong passphrase");
    assert!(!engine.has_image(&name) && !engine.has_image(&pushed.id));
}
