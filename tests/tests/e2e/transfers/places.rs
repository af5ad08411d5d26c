//! Every place that an image is read from and written to, and copies that change no byte.

use std::fs;

use sealcrate_test_kit::{Layout, OCI_INDEX};
use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::stored::{digest, encrypted_layers, layers, manifest};
use sealcrate_tests::fixtures::{FAST, Machine, platform};
use serde_json::Value;

#[test]
fn image_goes_from_place_to_place_and_comes_back_the_same() {
    let (registry, other, machine) = (Registry::plain(), Registry::plain(), Machine::new());
    let layout = machine.layout("image", &["public", "private"]);
    machine.call("tar", &["-cf", "image.tar", "-C", "image", "."]);
    let there = format!("docker://{}/plain/app:1", other.host());
    machine.succeed(&["copy", "oci:image", &there]);
    let config = |layout: &Layout| digest(&layout.json(&layout.root())["config"]).to_owned();
    for (place, from) in ["oci:image", "oci-archive:image.tar", &there].into_iter().enumerate() {
        let name = format!("{}/team/app{place}", registry.host());
        let push = ["push", &name, "--from", from, "--pass-file=key", FAST, "--encrypt-layer=1"];
        machine.succeed(&push);
        let pushed = manifest(&registry, &format!("team/app{place}"), "latest");
        assert_eq!(encrypted_layers(&pushed), [false, true], "{from}");
        machine.succeed(&[
            "pull",
            &name,
            "--pass-file=key",
            &format!("--to=oci-archive:{place}.tar:back"),
        ]);
        let back = machine.path(&format!("back{place}"));
        fs::create_dir(&back).unwrap();
        machine.call("tar", &["-xf", &format!("{place}.tar"), "-C", back.to_str().unwrap()]);
        let back = Layout::open(back);
        assert_eq!(config(&back), config(&layout), "{from}");
        assert_eq!(back.root()["annotations"]["org.opencontainers.image.ref.name"], "back");
    }
}

#[test]
fn copies_without_keys_keep_every_byte() {
    let (registry, other, machine) = (Registry::plain(), Registry::plain(), Machine::new());
    let layout = machine.layout("image", &["one", "two"]);
    let manifest = layout.blob(&layout.root_digest());
    let first = format!("docker://{}/a:1", registry.host());
    let second = format!("docker://{}/b:2", other.host());
    let way = [
        "oci:image",
        "oci-archive:1.tar:x",
        "oci:2:y",
        &first,
        &second,
        "oci-archive:3.tar",
        "oci-archive:4.tar",
        &first,
        "oci:5",
        "oci:6:z",
    ];
    for pair in way.windows(2) {
        machine.succeed(&["copy", pair[0], pair[1]]);
    }
    assert_eq!(registry.manifest("a", "1").unwrap(), manifest);
    assert_eq!(other.manifest("b", "2").unwrap(), manifest);
    for name in ["2", "5", "6"] {
        let copy = Layout::open(machine.path(name));
        assert_eq!(copy.blob(&copy.root_digest()), manifest, "{name}");
    }
}

#[test]
fn copies_of_encrypted_images_need_no_key() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    machine.layout("image", &["private"]);
    let there = format!("docker://{}/team/app:1", registry.host());
    let seal = ["copy", "oci:image", &there, "--new-pass-file=key", "--all-layers", FAST];
    machine.succeed(&seal);
    machine.succeed(&["copy", &there, "oci-archive:sealed.tar"]);
    let again = format!("docker://{}/team/again:2", registry.host());
    machine.succeed(&["copy", "oci-archive:sealed.tar", &again]);
    assert_eq!(registry.tag_digest("team/again", "2"), registry.tag_digest("team/app", "1"));
    let name = format!("{}/team/again:2", registry.host());
    let pull = ["pull", &name, "--pass-file=key", "--to=oci:back"];
    machine.fail(5, &pull).says("team/app").says("team/again").says("--home");
    let home = format!("--home={}/team/app", registry.host());
    machine.succeed(&[&pull[..], &[&home]].concat());
}

/// A machine whose layout `several` holds an image for this platform and one for s390x.
fn with_two_platforms() -> (Machine, Layout, [Value; 2]) {
    let machine = Machine::new();
    let layout = Layout::create(machine.path("several"));
    let here = layout.add_image(platform(), &["here"], Value::Null);
    let there = layout.add_image("linux/s390x", &["there"], Value::Null);
    layout.name(&layout.add_index(&[there.clone(), here.clone()]));
    (machine, layout, [here, there])
}

#[test]
fn index_is_copied_whole() {
    let (machine, layout, images) = with_two_platforms();
    let registry = Registry::plain();
    let there = format!("docker://{}/team/app:1", registry.host());
    for pair in ["oci:several", &there, "oci-archive:1.tar", "oci:2"].windows(2) {
        machine.succeed(&["copy", pair[0], pair[1]]);
    }
    assert_eq!(registry.tag_digest("team/app", "1").unwrap(), layout.root_digest());
    let copy = Layout::open(machine.path("2"));
    assert_eq!(copy.root_digest(), layout.root_digest());
    assert_eq!(copy.root()["mediaType"], OCI_INDEX);
    for image in images {
        let layer = layers(&layout.json(&image))[0].clone();
        assert_eq!(copy.blob(digest(&layer)), layout.blob(digest(&layer)));
    }
}

#[test]
fn platform_of_the_machine_is_taken_where_one_image_fits_unless_another_is_asked_for() {
    let (machine, layout, images) = with_two_platforms();
    let registry = Registry::plain();
    let name = format!("{}/team/app", registry.host());
    let push = ["push", &name, "--from=oci:several", "--all-layers", "--pass-file=key", FAST];
    machine.succeed(&push);
    let asked = [&[][..], &["--platform=linux/s390x"]];
    for (image, more) in images.iter().zip(asked) {
        let config = layout.json(image)["config"].clone();
        let hex = &digest(&config)["sha256:".len()..];
        let pull = ["pull", &name, "--pass-file=key", "--to=docker-archive:one.tar"];
        for command in [&pull[..], &["copy", "oci:several", "docker-archive:one.tar"]] {
            machine.succeed(&[command, more].concat());
            let written = machine.call("tar", &["-xOf", "one.tar", "manifest.json"]);
            fs::remove_file(machine.path("one.tar")).unwrap();
            let written: Value = serde_json::from_str(&written).unwrap();
            assert!(written[0]["Config"].as_str().unwrap().contains(hex), "{written}");
        }
    }
}

#[test]
fn platform_that_is_asked_for_is_all_that_is_pushed_or_pulled() {
    let (machine, layout, [_, there]) = with_two_platforms();
    let registry = Registry::plain();
    let name = format!("{}/team/app", registry.host());
    let asked = "--platform=linux/s390x";
    let push = ["push", &name, "--from=oci:several", "--all-layers", "--pass-file=key", FAST];
    let pull = ["pull", &name, "--pass-file=key", "--to=oci:back"];
    for (pushed, pulled) in [(&[asked][..], &[][..]), (&[], &[asked])] {
        machine.succeed(&[&push, pushed].concat());
        machine.succeed(&[&pull, pulled].concat());
        let back = Layout::open(machine.path("back"));
        let config = &back.json(&back.root())["config"];
        assert_eq!(config["digest"], layout.json(&there)["config"]["digest"]);
        fs::remove_dir_all(machine.path("back")).unwrap();
    }
}

#[test]
fn platform_of_an_index_in_a_registry_is_picked_by_inspect_and_pull() {
    let (machine, layout, images) = with_two_platforms();
    let registry = Registry::plain();
    let name = format!("{}/team/app", registry.host());
    machine.succeed(&["copy", "oci:several", &format!("docker://{name}")]);
    let whole = layout.root_digest();
    let asked = [(&[][..], whole.as_str()), (&["--platform=linux/s390x"], digest(&images[1]))];
    for (image, (more, pulled)) in images.iter().zip(asked) {
        let seen = machine.succeed(&[&["inspect", &name, "--output=json"], more].concat()).json();
        assert_eq!(seen["manifest"], image["digest"]);
        let pull = ["pull", &name, "--to=oci:back", "--allow-unencrypted"];
        machine.succeed(&[&pull, more].concat());
        assert_eq!(Layout::open(machine.path("back")).root_digest(), pulled);
        fs::remove_dir_all(machine.path("back")).unwrap();
    }
}

#[test]
fn platform_that_is_missing_names_those_that_are_there() {
    let (machine, ..) = with_two_platforms();
    let missing = ["copy", "oci:several", "oci:one", "--platform=linux/riscv64"];
    let there = format!("linux/riscv64, only for: linux/s390x, {}", platform());
    machine.fail(1, &missing).says(&there);
    machine.fail(1, &["inspect", "oci:several", "--platform=windows/amd64"]).says("only for: ");
    machine.fail_usage(&["inspect", "oci:several", "--platform=linux"]).says("os/architecture");
}

#[test]
fn only_image_of_a_place_is_not_taken_for_another_platform() {
    let (machine, registry) = (Machine::new(), Registry::plain());
    machine.layout("image", &["text"]);
    let name = format!("{}/team/app", registry.host());
    machine.succeed(&["copy", "oci:image", &format!("docker://{name}")]);
    let text = format!("the image is for {}, not for linux/s390x", platform());
    let asked = "--platform=linux/s390x";
    machine.fail(1, &["copy", "oci:image", "oci:back", asked]).says(&text);
    machine.fail(1, &["pull", &name, "--to=oci:back", asked]).says(&text);
    machine.fail(1, &["inspect", &name, asked]).says(&text);
    assert!(!machine.path("back").exists());
}

#[test]
fn encrypted_images_do_not_go_where_nobody_could_read_them() {
    let machine = Machine::new();
    machine.layout("image", &["private"]);
    let seal = ["copy", "oci:image", "docker-archive:x.tar", "--new-pass-file=key", "--all-layers"];
    machine.fail(2, &seal).says("an encrypted image can be written to a registry or an OCI layout");
    let seal = ["copy", "oci:image", "oci:sealed", "--new-pass-file=key", "--all-layers", FAST];
    machine.succeed(&seal);
    machine.fail(3, &["copy", "oci:sealed", "docker-archive:x.tar"]).says("the image is encrypted");
    assert!(!machine.path("x.tar").exists());
}

#[test]
fn unknown_places_are_usage_errors() {
    let machine = Machine::new();
    for place in ["nowhere:x", "docker:x", "oci:", "docker-archive:", "image"] {
        machine.fail_usage(&["copy", place, "oci:back"]);
    }
    let missing = machine.fail(1, &["copy", "oci:missing", "oci:back"]);
    missing.says("cannot read oci:missing");
}

#[test]
fn archives_that_are_there_are_not_overwritten() {
    let machine = Machine::new();
    machine.layout("image", &["text"]);
    machine.write("there", "something dear");
    for to in ["docker-archive:there", "oci-archive:there", "oci:there"] {
        machine.fail(1, &["copy", "oci:image", to]).says("there");
        assert_eq!(fs::read(machine.path("there")).unwrap(), b"something dear");
    }
}
