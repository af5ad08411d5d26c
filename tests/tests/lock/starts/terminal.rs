//! Containers at a terminal, where they ask for the passphrase, or show a challenge.

use std::fs;
use std::process::Command;

use sealcrate_tests::{Builder, EngineImage, Typist};

use crate::fixture::{FOR_ALL, Locksmith, PRIVATE};

const PASSPHRASE: &str = "a lantern under the stairs";

const CHALLENGE: &str = "sealcrate-challenge-1.";

/// Prints the state of the terminal, and reads a line from it.
const RUN: &[u8] = b"#!/bin/sh
tty; id -u; stty -a; env | grep -v -e ^HOSTNAME= -e ^PWD= | sort
echo ready
read -r line
echo \"it was $line\"
exit 7
";

/// Starts a container at a terminal, which shows all that it writes.
fn start(locksmith: &Locksmith, image: &EngineImage<'_>, options: &[&str]) -> Typist {
    let all = [&["run", "-it", "--rm", "--network", "none"], options, &[image.name()]].concat();
    let client = locksmith.engine.docker(&all);
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" >&0 2>&0", "sh"]);
    shell.arg(client.get_program()).args(client.get_args());
    shell.envs(client.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Typist::start(&locksmith.sandbox, &shell)
}

/// Types the line that the command reads. Returns the exit status and everything that the terminal has
/// shown.
#[track_caller]
fn finish(mut typist: Typist) -> (Option<i32>, String) {
    typist.wait_for("ready\r\n");
    typist.press("a line\n");
    typist.wait_for("it was a line");
    let (done, seen) = typist.end();
    (done.status, seen)
}

fn image(locksmith: &Locksmith) -> EngineImage<'_> {
    locksmith.build(&format!("{PRIVATE}COPY run /app/run\nCMD [\"/app/run\"]\n"), &[("run", RUN)])
}

#[test]
fn passphrase_is_typed_at_the_terminal_of_a_container() {
    let locksmith = Locksmith::new();
    let original = image(&locksmith);
    fs::write(locksmith.path("pass"), PASSPHRASE).unwrap();
    let locked = locksmith.lock_for(&original, &["--pass-file", "pass"]);
    let expected = finish(start(&locksmith, &original, &[]));
    assert!(expected.1.contains("it was a line\r\n"), "{expected:?}");

    let mut typist = start(&locksmith, &locked, &[]);
    typist.type_at("Key: ", PASSPHRASE);
    assert_eq!(finish(typist), (expected.0, format!("Key: \r\n{}", expected.1)));

    let mut typist = start(&locksmith, &locked, &[]);
    typist.type_at("Key: ", "another horse battery");
    let (done, seen) = typist.end();
    assert_eq!(done.status, Some(3), "{seen}");
    assert!(seen.contains("sealcrate: wrong key"), "{seen}");
    assert!(!seen.contains("another") && !seen.contains("ready"), "{seen}");
}

#[test]
fn response_from_elsewhere_starts_a_container() {
    let locksmith = Locksmith::new();
    let original = image(&locksmith);
    let locked = locksmith.lock(&original, &[]);
    let location = format!("docker-daemon:{}", locked.name());
    let challenged = |options: &[&str]| {
        let mut typist = start(&locksmith, &locked, options);
        let seen = typist.wait_for("esponse: ").replace('\r', "");
        let challenge = seen.lines().find(|line| line.starts_with(CHALLENGE)).unwrap().to_owned();
        (typist, challenge)
    };
    let respond = |challenge: &str| {
        let arguments = ["respond", "-i", "identity", "--for", &location, challenge];
        let done = locksmith.sealcrate(&arguments).with_status(0);
        done.does_not_say("warning: the init").stdout
    };
    let as_user = ["--user", "1000", "--read-only", FOR_ALL];
    for (options, without) in [(&[][..], &[][..]), (&as_user, &as_user[..3])] {
        let expected = finish(start(&locksmith, &original, without));
        let (mut typist, challenge) = challenged(options);
        let response = respond(&challenge);
        typist.press(&response);
        let (status, seen) = finish(typist);
        assert_eq!(status, expected.0, "{seen}");
        assert!(seen.ends_with(&format!("{}\r\n{}", response.trim(), expected.1)), "{seen}");
        assert!(!seen.contains("AGE-SECRET-KEY"), "{seen}");
    }
    // Everybody who may write to the registry can lay another init over the right one.
    let over = format!("FROM {}\nCOPY init /.sealcrate/init\n", locked.name());
    let over = locksmith.engine.build(Builder::Classic, &over, &[("init", b"another")]);
    let location_over = format!("docker-daemon:{}", over.name());
    let (mut asking, challenge) = challenged(&[]);
    let arguments = ["respond", "-i", "identity", "--for", &location_over, &challenge];
    let done = locksmith.sealcrate(&arguments).with_status(0);
    let warning = format!("warning: the init in {location_over} is not one of this sealcrate: ");
    done.says(&warning).says("somebody has exchanged it to get the key");
    asking.press("\x03");
    assert_eq!(asking.end().0.status, Some(3));
    // A response opens the start that it was made for, and no other.
    let (mut first, challenge) = challenged(&[]);
    first.press("\x03");
    assert_eq!(first.end().0.status, Some(3));
    let (mut typist, _) = challenged(&[]);
    typist.press(&respond(&challenge));
    let (done, seen) = typist.end();
    assert_eq!(done.status, Some(3), "{seen}");
    assert!(seen.contains("sealcrate: wrong"), "{seen}");
}
