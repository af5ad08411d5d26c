//! Challenges that are answered for a program in an image, wherever the image lies.

use std::fs;
use std::path::Path;
use std::process::Command;

use sealcrate_tests::{Done, Registry, Typist};

use crate::programs::smallest;
use crate::workshop::Workshop;

/// Makes the image `NAME.tar`, as `docker save` does, with a program among other files.
fn image(workshop: &Workshop, name: &str, packed: &Path) -> String {
    let root = workshop.path(name);
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::copy(packed, root.join("bin/app")).unwrap();
    fs::write(root.join("text"), "some text").unwrap();
    let script = r#"
        tar -C "$1" -cf layer.tar . && echo > empty && tar -cf above.tar empty &&
        ids=$(sha256sum layer.tar above.tar | sed 's/ .*//; s/.*/"sha256:&"/' | paste -sd,) &&
        arch=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/') &&
        printf '{"os":"linux","architecture":"%s","rootfs":{"type":"layers","diff_ids":[%s]}}' \
            "$arch" "$ids" > config.json &&
        printf '[{"Config":"config.json","RepoTags":["app:1"],"Layers":["layer.tar","above.tar"]}]' \
            > manifest.json &&
        tar -cf "$1.tar" manifest.json config.json layer.tar above.tar"#;
    let mut make = workshop.sandbox.command("sh");
    Done::of(make.args(["-c", script, "sh", name])).with_status(0);
    format!("docker-archive:{name}.tar")
}

/// Starts a program without its key, and returns it with the challenge that it shows.
fn challenge_of(workshop: &Workshop, packed: &Path) -> (Typist, String) {
    let mut typist = Typist::start(&workshop.sandbox, &Command::new(packed));
    let seen = typist.wait_for("esponse: ").replace('\r', "");
    let line = seen.lines().find(|line| line.starts_with("sealcrate-challenge-1.")).unwrap();
    (typist, line.to_owned())
}

fn respond(workshop: &Workshop, location: &str, challenge: &str) -> Done {
    let arguments = ["respond", "-i", "identity", "--for", location, challenge];
    Done::of(&mut workshop.sealcrate(&arguments))
}

#[test]
fn program_is_found_in_an_image_wherever_it_lies() {
    let (registry, workshop) = (Registry::plain(), Workshop::new());
    let packed = workshop.pack(smallest());
    let archive = image(&workshop, "image", &packed);
    let pushed = format!("docker://{}/team/app:1", registry.host());
    for copy in ["oci:layout:1", "oci-archive:layout.tar:1", &pushed] {
        workshop.succeed(&["copy", "-q", &archive, copy]);
    }
    for location in [&*archive, "oci:layout:1", "oci-archive:layout.tar:1", &pushed] {
        let (mut typist, challenge) = challenge_of(&workshop, &packed);
        let done = respond(&workshop, location, &challenge).with_status(0);
        typist.press(done.stdout.trim());
        typist.press("\n");
        typist.end().0.with_status(9).prints("ran\n");
    }
}

#[test]
fn exchanged_stub_in_an_image_is_warned_about() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let (_typist, challenge) = challenge_of(&workshop, &packed);
    let warning = "warning: the stub in docker-archive:";
    let own = image(&workshop, "image", &packed);
    respond(&workshop, &own, &challenge).with_status(0).does_not_say(warning);
    let mut bytes = fs::read(&packed).unwrap();
    bytes[50_000] ^= 1;
    let changed = workshop.path("changed-program");
    fs::write(&changed, bytes).unwrap();
    let other = image(&workshop, "other", &changed);
    respond(&workshop, &other, &challenge).with_status(0).says(warning);
}

#[test]
fn image_without_the_program_is_not_answered_for() {
    let workshop = Workshop::new();
    let [packed, other] = [(); 2].map(|()| workshop.pack(smallest()));
    let archive = image(&workshop, "image", &other);
    let (_typist, challenge) = challenge_of(&workshop, &packed);
    respond(&workshop, &archive, &challenge)
        .failed(5)
        .says("no program in docker-archive:image.tar asks for this")
        .does_not_say("sealcrate-response");
}

#[test]
fn encrypted_layers_are_said_to_be_passed_over() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let archive = image(&workshop, "image", &packed);
    let encrypt = ["--new-pass-file=key", "--encrypt-layer=0", "--iterations=100000"];
    workshop.succeed(&[&["copy", "-q", &archive, "oci:sealed:1"][..], &encrypt].concat());
    let (_typist, challenge) = challenge_of(&workshop, &packed);
    let done = respond(&workshop, "oci:sealed:1", &challenge).failed(5);
    assert_eq!(done.lines("note: layer ").len(), 1, "{}", done.said());
}

#[test]
fn layer_that_was_tampered_with_is_not_trusted() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let archive = image(&workshop, "image", &packed);
    workshop.succeed(&["copy", "-q", &archive, "oci:layout:1"]);
    let (_typist, challenge) = challenge_of(&workshop, &packed);
    // The layer with the program in it is the largest file.
    let blobs = fs::read_dir(workshop.path("layout/blobs/sha256")).unwrap();
    let largest =
        blobs.map(|blob| blob.unwrap().path()).max_by_key(|path| fs::metadata(path).unwrap().len());
    let largest = largest.unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    // The header of a gzip member has a time in it, which changes nothing of what comes out.
    bytes[4] ^= 1;
    fs::write(&largest, bytes).unwrap();
    respond(&workshop, "oci:layout:1", &challenge)
        .failed(5)
        .does_not_say("sealcrate-response")
        .says("blob sha256:");
}
