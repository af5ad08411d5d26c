//! A packed program that was changed runs nothing.

use std::fs;

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;

use crate::packed::{
    Done, PASSPHRASE, Packed, make_program, own_stub, passphrase, payload, sealed,
};

/// The distance in bytes between two changed bytes of the content.
const STEP: usize = 4099;

/// The number of bytes at the beginning that are changed one after the other: parameters, header, nonce.
const BEGINNING: usize = 400;

#[test]
fn no_changed_byte_is_run() {
    let identity = Identity::generate();
    let key = identity.to_string().expose_secret().to_owned();
    let whole = payload(&sealed(&fs::read("/bin/echo").unwrap(), &identity.to_public()));
    let age_at = whole.windows(4).position(|window| window == b"age-").unwrap();
    for at in (0..BEGINNING).chain((BEGINNING..whole.len()).step_by(STEP)).chain([whole.len() - 1])
    {
        // The parameters are not authenticated: other names lead to other places for the key.
        let mut changed = whole.clone();
        changed[at] ^= 1;
        let done = Packed::with_payload(&changed).run(&key, &["it runs"]);
        let status = done.status();
        if at >= age_at + b"age-encryption.org/v1\n-> X25519 ".len() {
            assert!(matches!(status, Some(3 | 5)), "{at}: {done:?}");
        }
        if !(24..28).contains(&at) && !(32..age_at).contains(&at) {
            done.failed(status.unwrap());
        }
    }
}

#[test]
fn payloads_that_are_cut_or_go_on_are_not_run() {
    let age = sealed(&fs::read("/bin/echo").unwrap(), &passphrase());
    for len in [0, 21, 100, 200, age.len() / 2, age.len() - 16, age.len() - 1] {
        let done = Packed::with_payload(&payload(&age[..len])).run(PASSPHRASE, &["it runs"]);
        assert!(done.failed(5).starts_with("the payload is damaged"), "{len}: {done:?}");
    }
    let longer = [&age[..], &[0]].concat();
    let done = Packed::with_payload(&payload(&longer)).run(PASSPHRASE, &["it runs"]);
    assert_eq!(done.failed(5), "the payload is damaged");
    let mut longer = payload(&age);
    longer.push(0);
    let done = Packed::with_payload(&longer).run(PASSPHRASE, &["it runs"]);
    assert_eq!(
        done.failed(5),
        "the payload is damaged: the payload has another length than it says"
    );
}

#[test]
fn costly_passphrases_are_refused_before_they_are_tried() {
    let age = sealed(b"content", &passphrase());
    let text = String::from_utf8_lossy(&age[..150]).into_owned();
    let line = text.lines().nth(1).unwrap();
    let costly = line.strip_suffix(" 8").unwrap().to_owned() + " 21";
    let rest =
        &age[age.windows(line.len()).position(|w| w == line.as_bytes()).unwrap() + line.len()..];
    let age = [b"age-encryption.org/v1\n", costly.as_bytes(), rest].concat();
    let done = Packed::with_payload(&payload(&age)).run(PASSPHRASE, &[]);
    assert_eq!(
        done.failed(5),
        "the payload is damaged: the age header's work factor is more than 20"
    );
}

#[test]
fn a_stub_alone_says_what_it_is() {
    let packed = Packed::with_payload(b"");
    let done = Done::of(&mut packed.command([""; 0]));
    assert!(matches!(done.status(), Some(5)), "{done:?}");
    let path = packed.path().with_file_name("stub");
    make_program(&packed.write("written", own_stub().bytes), &path);
    let done = Done::of(&mut std::process::Command::new(path));
    assert_eq!(done.failed(1), "there is no program: this is a stub alone");
}
