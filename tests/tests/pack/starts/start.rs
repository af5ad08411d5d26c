//! The places where a packed program looks for its key, and the words about a wrong key.

use std::fs;
use std::path::Path;
use std::process::Command;

use sealcrate_tests::Done;
use sealcrate_tests::fixtures::key_pair;

use crate::programs::{Kind, MARK};
use crate::workshop::{PASSPHRASE, Workshop, assert_refused, other_key_pair, start};

fn program() -> &'static Path {
    Kind::MuslStatic.path()
}

#[track_caller]
fn assert_runs(command: &mut Command) {
    let done = Done::of(command).with_status(0).prints(&format!("{MARK}\n"));
    assert_eq!(done.stderr, "");
}

#[test]
fn passphrase_in_the_variable_opens() {
    let workshop = Workshop::new();
    let packed = workshop.pack_under_passphrase(program());
    assert_runs(start(&packed).env("BP", PASSPHRASE));
    // A shell may leave one line end.
    assert_runs(start(&packed).env("BP", format!("{PASSPHRASE}\n")));
    for wrong in [format!("{PASSPHRASE}\n\n"), PASSPHRASE.to_uppercase(), "x".repeat(60_000)] {
        assert_refused(Done::of(start(&packed).env("BP", wrong)), 3, "wrong key");
    }
    assert_refused(Done::of(start(&packed).env("BP", "x".repeat(100_000))), 3, "longer than");
}

#[test]
fn identity_in_the_variable_opens() {
    let workshop = Workshop::new();
    let packed = workshop.pack(program());
    let both = format!("{}\n{}", other_key_pair().file, key_pair().file);
    let blanks = format!("  {}\t\n", key_pair().identity);
    for value in [&key_pair().identity, &key_pair().file, &both, &blanks] {
        assert_runs(start(&packed).env("BP", value));
    }
    for wrong in [&other_key_pair().identity, &other_key_pair().file] {
        assert_refused(Done::of(start(&packed).env("BP", wrong)), 3, "wrong key");
    }
}

#[test]
fn any_of_several_recipients_opens() {
    let workshop = Workshop::new();
    let recipients = [key_pair(), other_key_pair()].map(|pair| pair.recipient.as_str());
    let packed = workshop.pack_with(program(), &["-r", recipients[0], "-r", recipients[1]]);
    for pair in [key_pair(), other_key_pair()] {
        assert_runs(start(&packed).env("BP", &pair.identity));
    }
}

#[test]
fn key_of_the_other_sort_is_a_wrong_key() {
    let workshop = Workshop::new();
    let packed = workshop.pack_under_passphrase(program());
    let identity = &key_pair().identity;
    assert_refused(Done::of(start(&packed).env("BP", identity)), 3, "wrong key");
    let packed = workshop.pack(program());
    assert_refused(Done::of(start(&packed).env("BP", PASSPHRASE)), 3, "wrong key");
}

#[test]
fn damaged_identity_is_said_to_be_one() {
    let workshop = Workshop::new();
    let packed = workshop.pack(program());
    let identity = &key_pair().identity;
    let mut other = identity.clone();
    let last = other.pop();
    other.push(if last == Some('Q') { 'P' } else { 'Q' });
    for wrong in [&identity[..identity.len() - 1], &other, &format!("{identity}x")[..]] {
        let done = Done::of(start(&packed).env("BP", wrong));
        assert!(!done.stderr.contains(&wrong[20..]), "the key is shown: {}", done.said());
        assert_refused(done, 3, "BP");
    }
}

#[test]
fn file_that_the_second_variable_names_opens() {
    let workshop = Workshop::new();
    let packed = workshop.pack_under_passphrase(program());
    for end in ["", "\n", "\r\n"] {
        let file = workshop.write("given", format!("{PASSPHRASE}{end}"));
        assert_runs(start(&packed).env("BP_FILE", file));
    }
    let file = workshop.write("given", format!("{PASSPHRASE}\n\n"));
    assert_refused(Done::of(start(&packed).env("BP_FILE", file)), 3, "wrong key");

    let packed = workshop.pack(program());
    assert_runs(start(&packed).env("BP_FILE", workshop.path("identity")));
    let other = workshop.path("other-identity");
    assert_refused(Done::of(start(&packed).env("BP_FILE", other)), 3, "wrong key");
}

#[test]
fn file_that_cannot_be_read_is_said() {
    let workshop = Workshop::new();
    let packed = workshop.pack(program());
    let missing = workshop.path("missing");
    let done = Done::of(start(&packed).env("BP_FILE", &missing));
    assert!(matches!(done.status, Some(1 | 3)), "{}", done.said());
    let status = done.status.unwrap();
    assert_refused(done, status, missing.to_str().unwrap());
    let done = Done::of(start(&packed).env("BP_FILE", workshop.path(".")));
    assert_eq!(done.stdout, "", "{}", done.said());
    assert!(done.status.is_some_and(|status| status != 0), "{}", done.said());
}

#[test]
fn file_without_an_end_is_not_read_to_it() {
    let workshop = Workshop::new();
    let packed = workshop.pack_under_passphrase(program());
    let done = Done::of(start(&packed).env("BP_FILE", "/dev/zero"));
    assert!(matches!(done.status, Some(1 | 3)), "{}", done.said());
    let status = done.status.unwrap();
    assert_refused(done, status, "/dev/zero");
}

#[test]
fn file_at_the_path_that_was_packed_opens() {
    let workshop = Workshop::new();
    let file = workshop.path("start-key");
    let options =
        [&["-r", &key_pair().recipient, "--start-key-file"][..], &[file.to_str().unwrap()]]
            .concat();
    let packed = workshop.pack_with(program(), &options);
    assert_refused(Done::of(&mut start(&packed)), 3, file.to_str().unwrap());
    fs::copy(workshop.path("identity"), &file).unwrap();
    assert_runs(&mut start(&packed));
}

#[test]
fn first_place_that_has_a_key_is_the_only_one_tried() {
    let workshop = Workshop::new();
    let file = workshop.path("start-key");
    let recipient = &key_pair().recipient;
    let options = ["-r", recipient, "--start-key-file", file.to_str().unwrap()];
    let packed = workshop.pack_with(program(), &options);
    let (right, wrong) = (workshop.path("identity"), workshop.path("other-identity"));

    fs::copy(&right, &file).unwrap();
    assert_refused(Done::of(start(&packed).env("BP_FILE", &wrong)), 3, "wrong key");
    let with_both =
        |value: &str, file: &Path| Done::of(start(&packed).env("BP", value).env("BP_FILE", file));
    assert_refused(with_both("wrong", &right), 3, "wrong key");
    fs::copy(&wrong, &file).unwrap();
    with_both(&key_pair().identity, &wrong).with_status(0);
    assert_runs(start(&packed).env("BP_FILE", &right));
}

#[test]
fn empty_variable_is_a_key_that_is_wrong() {
    let workshop = Workshop::new();
    let packed = workshop.pack_under_passphrase(program());
    let file = workshop.path("key");
    assert_refused(Done::of(start(&packed).env("BP", "").env("BP_FILE", file)), 3, "BP");
}

#[test]
fn empty_file_is_a_key_that_is_wrong() {
    let workshop = Workshop::new();
    let packed = workshop.pack_under_passphrase(program());
    for content in ["", "\n"] {
        let file = workshop.write("empty", content);
        let done = Done::of(start(&packed).env("BP_FILE", &file));
        assert_refused(done, 3, file.to_str().unwrap());
    }
}

#[test]
fn without_key_and_terminal_all_places_are_named() {
    let workshop = Workshop::new();
    for packed in [workshop.pack(program()), workshop.pack_under_passphrase(program())] {
        for place in ["BP", "BP_FILE", "/run/secrets/bp"] {
            assert_refused(Done::of(&mut start(&packed)), 3, place);
        }
    }
    let options = ["-r", &key_pair().recipient, "--env", "MY_Start_2"];
    let packed = workshop.pack_with(program(), &options);
    for place in ["MY_Start_2", "MY_Start_2_FILE", "/run/secrets/my_start_2"] {
        assert_refused(Done::of(&mut start(&packed)), 3, place);
    }
}

#[test]
fn variable_with_no_sign_of_equality_is_no_trouble() {
    let workshop = Workshop::new();
    let packed = workshop.pack(program());
    // Names that begin like the variable's, or are cut off within it.
    for name in ["B", "BPP", "BP ", "bp"] {
        assert_refused(Done::of(start(&packed).env(name, &key_pair().identity)), 3, "BP");
    }
}

#[test]
fn keys_in_another_form_are_named_where_nothing_is_started() {
    let workshop = Workshop::new();
    let packed = [workshop.pack(program()), workshop.pack_under_passphrase(program())];
    let quoted = |name: &str, text: &str| {
        workshop.write(name, format!("\"{text}\"\n"));
    };
    quoted("quoted identity", &key_pair().identity);
    quoted("quoted passphrase", PASSPHRASE);
    for (packed, option, file, told) in [
        (
            &packed[0],
            "-i",
            "quoted identity",
            "only an age identity opens it, and this one is in quotes",
        ),
        (&packed[1], "--pass-file", "quoted passphrase", "wrong key: this one is in quotes"),
    ] {
        let unpack = ["unpack", packed.to_str().unwrap(), option, file, "-o", "never"];
        Done::of(&mut workshop.sealcrate(&unpack)).failed(3).says(told);
        assert!(!workshop.path("never").exists());
    }
}
