//! From a Dockerfile through a registry to a container, for both of Docker's builders.

use sealcrate_tests::fixtures::stored::{encrypted_layers, manifest};
use sealcrate_tests::fixtures::{Machine, secret};
use sealcrate_tests::{Builder, Engine, Registry, busybox};

/// Pushes an image out of the engine, removes it there, pulls it and runs it.
fn round_trip(builder: Builder) {
    let (engine, registry, machine) =
        (Engine::from_env(), Registry::plain(), Machine::new().with_engine());
    let private = secret();
    let dockerfile = "FROM scratch
COPY busybox /bin/busybox
LABEL com.senetas.crypto.enabled=true
COPY private /private
ENV TOKEN=tok
LABEL com.senetas.crypto.enabled=false
COPY public /public
CMD [\"/bin/busybox\", \"cat\", \"/private\"]
";
    let files =
        [("busybox", &*busybox()), ("private", private.as_bytes()), ("public", b"for anyone")];
    let built = engine.build(builder, dockerfile, &files);
    let id = engine.image_id(built.name());
    let name = format!("{}/team/app:1", registry.host());
    let _tagged = engine.remove_on_drop(&name);
    engine.run(&["tag", built.name(), &name]);

    // The number of rounds is the default here.
    machine.succeed(&["push", &name, "--pass-file", "key"]);
    let pushed = manifest(&registry, "team/app", "1");
    assert_eq!(encrypted_layers(&pushed), [false, true, false]);
    assert_eq!(pushed["config"]["crypto"]["iters"], 600_000);

    engine.run(&["image", "rm", "--force", &id]);
    assert!(!engine.try_run(&["pull", &name]).status.success());
    assert!(!engine.has_image(&name));
    let pulled = machine.succeed(&["pull", &name, "--pass-file", "key"]);
    assert_eq!(engine.image_id(&name), id);
    assert_eq!(engine.run_container(&name, &[]), private);
    let notes = pulled.lines("note: ");
    assert_eq!(notes.len(), 1, "{}", pulled.said());
    assert!(notes[0].contains(&format!("`docker push {name}` would publish it")), "{notes:?}");
}

#[test]
fn image_of_the_classic_builder_comes_back_and_runs() {
    round_trip(Builder::Classic);
}

#[test]
fn image_of_buildkit_comes_back_and_runs() {
    round_trip(Builder::BuildKit);
}

/// Asserts which layers would be encrypted, by the histories of both builders.
#[track_caller]
fn assert_label_chooses(instructions: &str, expected: &[bool]) {
    for builder in Builder::ALL {
        assert_chosen(builder, &format!("FROM scratch\n{instructions}\n"), expected);
    }
}

#[track_caller]
fn assert_chosen(builder: Builder, dockerfile: &str, expected: &[bool]) {
    let (engine, machine) = (Engine::from_env(), Machine::new().with_engine());
    let texts = [secret(), secret(), secret()].map(String::into_bytes);
    let busybox = match dockerfile.contains("busybox") {
        true => busybox(),
        false => Vec::new(),
    };
    let files = [("busybox", &*busybox), ("a", &texts[0]), ("b", &texts[1]), ("c", &texts[2])];
    let built = engine.build(builder, dockerfile, &files);
    let from = format!("docker-daemon:{}", built.name());
    let push = ["push", "127.0.0.1:1/x", "--from", &from, "--dry-run", "--output=json"];
    let said = machine.succeed(&push).json();
    let layers = said["layers"].as_array().unwrap();
    let chosen: Vec<_> = layers.iter().map(|l| l["encrypted"].as_bool().unwrap()).collect();
    assert_eq!(chosen, expected, "{builder:?}: {dockerfile}");
}

#[test]
fn label_before_all_layers_chooses_all() {
    let text = "LABEL com.senetas.crypto.enabled=true\nCOPY a /\nCOPY b /";
    assert_label_chooses(text, &[true, true]);
}

#[test]
fn label_is_switched_off_and_on_again() {
    let text = "COPY a /\nLABEL com.senetas.crypto.enabled=true\nCOPY b /\n\
                LABEL com.senetas.crypto.enabled=false\nCOPY a /again\n\
                LABEL com.senetas.crypto.enabled=true\nCOPY c /";
    assert_label_chooses(text, &[false, true, false, true]);
}

#[test]
fn quoted_label_counts() {
    let text = "COPY a /\nLABEL \"com.senetas.crypto.enabled\"=\"true\"\nCOPY b /";
    assert_label_chooses(text, &[false, true]);
}

#[test]
fn label_among_others_in_a_line_counts() {
    let text = "COPY a /\nLABEL x=1 com.senetas.crypto.enabled=true y=2\nCOPY b /\n\
                LABEL com.senetas.crypto.enabled=false z=3\nCOPY c /";
    assert_label_chooses(text, &[false, true, false]);
}

#[test]
fn label_beside_one_with_spaces_counts() {
    let text = "COPY a /\nLABEL maintainer=\"Jane Doe\" com.senetas.crypto.enabled=\"true\" \
                text='k=v and more'\nCOPY b /";
    assert_label_chooses(text, &[false, true]);
}

#[test]
fn layers_that_only_make_folders_are_counted() {
    let text = "WORKDIR /made\nLABEL com.senetas.crypto.enabled=true\nCOPY a /\nWORKDIR /other\n\
                LABEL com.senetas.crypto.enabled=false\nCOPY b /";
    assert_label_chooses(text, &[false, true, true, false]);
}

#[test]
fn commands_that_change_nothing_are_layers_with_buildkit_only() {
    let text = "FROM scratch\nCOPY busybox /bin/busybox\nLABEL com.senetas.crypto.enabled=true\n\
                RUN [\"/bin/busybox\", \"true\"]\nCOPY a /\n\
                LABEL com.senetas.crypto.enabled=false\nCOPY a /b\n";
    assert_chosen(Builder::Classic, text, &[false, true, false]);
    assert_chosen(Builder::BuildKit, text, &[false, true, true, false]);
}

#[test]
fn commands_that_mention_the_label_change_nothing() {
    let text = "COPY a /\nENV note=\"LABEL com.senetas.crypto.enabled=true\"\nCOPY b /\n\
                LABEL com.senetas.crypto.enabled=true\nCOPY c /";
    assert_label_chooses(text, &[false, false, true]);
}
