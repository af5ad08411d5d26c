//! Which layers the options encrypt, and which options contradict each other.

use sealcrate_tests::Registry;
use sealcrate_tests::fixtures::stored::{encrypted_layers, manifest};
use sealcrate_tests::fixtures::{FAST, Machine};

/// Pushes the layout `image` with these options and returns which layers are encrypted.
fn pushed_with(machine: &Machine, options: &[&str]) -> Vec<bool> {
    let registry = Registry::plain();
    let name = format!("{}/team/app", registry.host());
    let push = ["push", &name, "--from=oci:image", "--pass-file=key", FAST];
    machine.succeed(&[&push, options].concat());
    encrypted_layers(&manifest(&registry, "team/app", "latest"))
}

fn with_three_layers() -> Machine {
    let machine = Machine::new();
    machine.layout("image", &["one", "two", "three"]);
    machine
}

#[test]
fn layers_are_chosen_by_number_from_either_end() {
    let machine = with_three_layers();
    assert_eq!(pushed_with(&machine, &["--encrypt-layer", "1"]), [false, true, false]);
    // Another machine, which does not know that the layer between was private.
    let both = ["--encrypt-layer", "-1", "--encrypt-layer=0"];
    assert_eq!(pushed_with(&with_three_layers(), &both), [true, false, true]);
}

#[test]
fn all_layers_are_chosen() {
    assert_eq!(pushed_with(&with_three_layers(), &["--all-layers"]), [true, true, true]);
}

#[test]
fn layers_above_a_base_in_a_layout_are_chosen() {
    let machine = with_three_layers();
    machine.layout("base", &["one"]);
    assert_eq!(pushed_with(&machine, &["--base=oci:base"]), [false, true, true]);
}

#[test]
fn another_image_is_no_base() {
    let machine = with_three_layers();
    machine.layout("base", &["two"]);
    let push = ["push", "127.0.0.1:1/x", "--from=oci:image", "--pass-file=key"];
    machine.fail(1, &[&push[..], &["--base=oci:base"]].concat()).says("not built on that base");
}

#[test]
fn nothing_chosen_is_an_error_that_names_the_ways_out() {
    let machine = with_three_layers();
    let push = ["push", "127.0.0.1:1/x", "--from=oci:image", "--pass-file=key"];
    let done = machine.fail(1, &push).says("was not built with the label");
    let hints = done.lines("hint: ");
    assert_eq!(hints.len(), 1, "{}", done.said());
    let ways = [
        "LABEL com.senetas.crypto.enabled=true",
        "--encrypt-layer",
        "--all-layers",
        "--base",
        "--type NONE",
    ];
    for way in ways {
        assert!(hints[0].contains(way), "{way} is not in {hints:?}");
    }
}

#[test]
fn layer_that_is_not_there_is_an_error() {
    let machine = with_three_layers();
    let push = ["push", "127.0.0.1:1/x", "--from=oci:image", "--pass-file=key"];
    for number in ["3", "-4"] {
        let done = machine.fail(1, &[&push[..], &["--encrypt-layer", number]].concat());
        done.says(&format!("there is no layer {number}"));
    }
}

#[test]
fn ways_to_choose_exclude_each_other() {
    let machine = with_three_layers();
    let push = ["push", "127.0.0.1:1/x", "--from=oci:image", "--pass-file=key"];
    for pair in [
        ["--all-layers", "--encrypt-layer=0"],
        ["--all-layers", "--base=oci:image"],
        ["--encrypt-layer=0", "--base=oci:image"],
    ] {
        machine.fail_usage(&[&push[..], &pair].concat()).says("cannot be used with");
    }
}
