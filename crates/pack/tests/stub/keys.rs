//! The places where a start looks for a key, and the forms that a key may have.

use std::fs;
use std::process::Command;

use age::secrecy::{ExposeSecret as _, SecretString};
use age::x25519::Identity;

use crate::packed::{Done, PASSPHRASE, Packed, passphrase, payload, sealed};

fn echo() -> Vec<u8> {
    fs::read("/bin/echo").unwrap()
}

fn text_of(identity: &Identity) -> String {
    identity.to_string().expose_secret().to_owned()
}

#[test]
fn wrong_key_is_told_and_has_a_status() {
    let packed = Packed::under_passphrase("/bin/echo");
    assert_eq!(packed.run("wrong", &["x"]).failed(3), "wrong key in the variable BP");
    let file = packed.write("key", "wrong");
    let done = Done::of(packed.command(["x"]).env("BP_FILE", &file));
    assert_eq!(done.failed(3), format!("wrong key in the file {}", file.display()));
    let identity = text_of(&Identity::generate());
    let told = "wrong key in the variable BP: only a passphrase opens it";
    assert_eq!(packed.run(&identity, &["x"]).failed(3), told);
}

#[test]
fn passphrases_are_tried_in_the_memory_that_there_is() {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(PASSPHRASE.to_owned()));
    recipient.set_work_factor(16);
    let packed = Packed::of(&echo(), &recipient);
    // Scrypt alone would take 64 MiB.
    let mut command = Command::new("prlimit");
    command.arg(format!("--as={}", 40 << 20)).arg(packed.path()).arg("x");
    assert_eq!(Done::of(command.env("BP", PASSPHRASE)).output(), "x\n");
}

#[test]
fn identities_open_what_is_packed_for_one_of_them() {
    let (identity, other) = (Identity::generate(), Identity::generate());
    let packed = Packed::of(&echo(), &identity.to_public());
    let (mine, others) = (text_of(&identity), text_of(&other));
    assert_eq!(packed.run(&mine, &["x"]).output(), "x\n");
    let several = format!("# created: today\n{others}\n\n{mine}\n");
    assert_eq!(packed.run(&several, &["x"]).output(), "x\n");
    assert_eq!(packed.run(&others, &["x"]).failed(3), "wrong key in the variable BP");
    let told = "wrong key in the variable BP: only an age identity opens it";
    assert_eq!(packed.run("secret", &["x"]).failed(3), told);
    let mistyped = mine.replacen("AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1Q", 1);
    let told = "the variable BP has no key: line 1 is no age identity: a character is wrong or \
                missing";
    assert_eq!(packed.run(&mistyped, &["x"]).failed(3), told);
}

/// Files of variables and secrets of clusters add line ends and blanks to keys.
#[test]
fn one_line_end_and_blanks_around_identities_do_not_count() {
    let identity = Identity::generate();
    let text = text_of(&identity);
    let to_identity = Packed::of(&echo(), &identity.to_public());
    for around in ["K\n", "K\r\n", " K", "K ", "\tK\n\n", "  # mine\n  K\n"] {
        let text = around.replace('K', &text);
        assert_eq!(to_identity.run(&text, &["x"]).output(), "x\n", "{around:?}");
        let file = to_identity.write("key", &text);
        let done = Done::of(to_identity.command(["x"]).env("BP_FILE", file));
        assert_eq!(done.output(), "x\n", "{around:?}");
    }
    let packed = Packed::under_passphrase("/bin/echo");
    for end in ["\n", "\r\n"] {
        assert_eq!(packed.run(&format!("{PASSPHRASE}{end}"), &["x"]).output(), "x\n", "{end:?}");
    }
}

#[test]
fn keys_in_another_form_are_named() {
    let identity = Identity::generate();
    let (text, recipient) = (text_of(&identity), identity.to_public().to_string());
    let to_identity = Packed::of(&echo(), &identity.to_public());
    for (text, told) in [
        (format!("\"{text}\""), "in quotes"),
        (text.to_lowercase(), "in lower case"),
        (format!("BP={text}"), "has other text before it"),
        ("QUdFLVNFQ1JFVC1LRVktMUVHVFpWRkZWMjA4".into(), "in base64"),
        (recipient, "a recipient"),
    ] {
        let done = to_identity.run(&text, &["x"]);
        let said = done.failed(3);
        assert!(
            said.starts_with("wrong key in the variable BP: only an age identity opens it, and")
        );
        assert!(said.ends_with(told) && !said.contains(&text), "{said}");
    }
    let packed = Packed::under_passphrase("/bin/echo");
    for (text, told) in [
        (format!("\"{PASSPHRASE}\""), "this one is in quotes"),
        (format!(" {PASSPHRASE}"), "this one has blanks around it"),
        (format!("{PASSPHRASE}\n\n"), "this one has blanks around it"),
    ] {
        let done = packed.run(&text, &["x"]);
        assert_eq!(done.failed(3), format!("wrong key in the variable BP: {told}"));
    }
}

#[test]
fn file_that_a_variable_names_holds_the_key() {
    let packed = Packed::under_passphrase("/bin/echo");
    for end in ["", "\n", "\r\n"] {
        let file = packed.write("key", format!("{PASSPHRASE}{end}"));
        let done = Done::of(packed.command(["x"]).env("BP_FILE", file));
        assert_eq!(done.output(), "x\n", "{end:?}");
    }
    let file = packed.write("key", format!("{PASSPHRASE}\n\n"));
    Done::of(packed.command(["x"]).env("BP_FILE", file)).failed(3);
    let done = Done::of(packed.command(["x"]).env("BP_FILE", "/nowhere/key"));
    assert_eq!(done.failed(3), "no key: cannot read /nowhere/key: no such file or directory");
    let done = Done::of(packed.command(["x"]).env("BP_FILE", "/usr"));
    assert_eq!(done.failed(3), "no key: cannot read /usr: it is a directory");
}

#[test]
fn start_key_file_holds_the_key_and_comes_after_the_variables() {
    let folder = tempfile::tempdir().unwrap();
    let start_key_file = folder.path().join("bp");
    let path = start_key_file.to_str().unwrap().as_bytes();
    let mut payload = payload(&sealed(&echo(), &passphrase()));
    // The path is replaced by another one, and two lengths with it.
    let at = payload.windows(11).position(|window| window == b"/nowhere/bp").unwrap();
    payload.splice(at - 2..at + 11, [&(path.len() as u16).to_le_bytes(), path].concat());
    payload[12] += u8::try_from(path.len() - 11).unwrap();
    let packed = Packed::with_payload(&payload);

    let missing = Done::of(&mut packed.command(["x"]));
    assert!(missing.failed(3).contains(start_key_file.to_str().unwrap()), "{missing:?}");
    fs::write(&start_key_file, format!("{PASSPHRASE}\n")).unwrap();
    assert_eq!(Done::of(&mut packed.command(["x"])).output(), "x\n");
    assert_eq!(packed.run("wrong", &["x"]).failed(3), "wrong key in the variable BP");
    let other = packed.write("key", "wrong");
    let told = Done::of(packed.command(["x"]).env("BP_FILE", other));
    assert!(told.failed(3).starts_with("wrong key in the file "), "{told:?}");

    fs::remove_file(&start_key_file).unwrap();
    fs::create_dir(&start_key_file).unwrap();
    let told = Done::of(&mut packed.command(["x"]));
    assert!(told.failed(3).ends_with("bp: it is a directory"), "{told:?}");
}

#[test]
fn nothing_found_and_nobody_to_ask_names_all_places() {
    let packed = Packed::under_passphrase("/bin/echo");
    let done = Done::of(&mut packed.command(["x"]));
    let told = "no key: looked at the variables BP and BP_FILE and for the file /nowhere/bp, and \
                there is no terminal to ask at";
    assert_eq!(done.failed(3), told);
}

#[test]
fn empty_and_endless_keys_are_told() {
    let packed = Packed::under_passphrase("/bin/echo");
    assert_eq!(packed.run("", &["x"]).failed(3), "the variable BP has no key: it is empty");
    let empty = packed.write("key", "\n");
    let done = Done::of(packed.command(["x"]).env("BP_FILE", &empty));
    assert!(done.failed(3).ends_with("has no key: it is empty"), "{done:?}");
    let done = Done::of(packed.command(["x"]).env("BP_FILE", "/dev/zero"));
    assert_eq!(done.failed(3), "the file /dev/zero has no key: it is longer than 64 KiB");
}

#[test]
fn strange_names_are_shown_as_a_terminal_may_show_them() {
    let packed = Packed::under_passphrase("/bin/echo");
    let done = Done::of(packed.command(["x"]).env("BP_FILE", "/nowhere/\u{1b}[2Jk\ney"));
    let told = "no key: cannot read /nowhere/?[2Jk?ey: no such file or directory";
    assert_eq!(done.failed(3), told);
}
