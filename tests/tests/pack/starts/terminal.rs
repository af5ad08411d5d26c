//! Passphrases that are typed at the terminal where a packed program starts.

use std::process::Command;

use sealcrate_tests::{Done, Typist};

use crate::programs::{Kind, MARK, smallest};
use crate::workshop::{FAST, PASSPHRASE, Workshop, assert_refused};

const PROMPT: &str = "Key: ";

fn start(workshop: &Workshop, arguments: &[&str]) -> Typist {
    let packed = workshop.pack_under_passphrase(Kind::MuslStatic.path());
    Typist::start(&workshop.sandbox, Command::new(packed).args(arguments))
}

#[test]
fn passphrase_is_typed_and_never_seen() {
    let workshop = Workshop::new();
    let mut typist = start(&workshop, &[]);
    typist.type_at(PROMPT, PASSPHRASE);
    let (done, seen) = typist.end();
    done.with_status(0).prints(&format!("{MARK}\n"));
    assert!(!seen.contains("horse"), "{seen:?}");
}

#[test]
fn wrong_passphrase_that_is_typed_is_refused() {
    let workshop = Workshop::new();
    let mut typist = start(&workshop, &[]);
    typist.type_at(PROMPT, "another horse battery");
    let (done, seen) = typist.end();
    assert_refused(done, 3, "wrong key");
    assert!(!seen.contains("another"), "{seen:?}");
}

#[test]
fn nothing_typed_is_refused() {
    let workshop = Workshop::new();
    let mut typist = start(&workshop, &[]);
    typist.type_at(PROMPT, "");
    let (done, _) = typist.end();
    assert_refused(done, 3, "empty");
}

/// Presses a key at the prompt, and returns the exit code; 128 and more for a signal.
///
/// The shell lives on after the program, so that the state of the terminal can be seen.
#[track_caller]
fn press_at_prompt(key: &str) -> String {
    let workshop = Workshop::new();
    let packed = workshop.pack_under_passphrase(Kind::MuslStatic.path());
    let script = "trap : INT; \"$0\"; status=$?; stty -a > modes; echo \"status $status\"";
    let mut shell = Command::new("bash");
    let mut typist = Typist::start(&workshop.sandbox, shell.args(["-c", script]).arg(packed));
    typist.wait_for(PROMPT);
    typist.wait_until_typing_is_hidden();
    typist.press(key);
    let (done, _) = typist.end();
    let done = done.with_status(0);
    let modes = std::fs::read_to_string(workshop.path("modes")).unwrap();
    let modes: Vec<_> = modes.split([' ', ';', '\n']).collect();
    assert!(modes.contains(&"echo") && modes.contains(&"icanon"), "{modes:?}");
    assert!(!done.stdout.contains(MARK), "{}", done.said());
    done.stdout.lines().last().unwrap().to_owned()
}

#[test]
fn interrupt_at_the_prompt_leaves_the_terminal_as_it_was() {
    assert_eq!(press_at_prompt("\x03"), "status 3");
}

#[test]
fn end_of_input_at_the_prompt_leaves_the_terminal_as_it_was() {
    assert_eq!(press_at_prompt("\x04"), "status 3");
}

#[test]
fn typed_characters_can_be_taken_back() {
    let workshop = Workshop::new();
    let mut typist = start(&workshop, &[]);
    typist.type_at(PROMPT, &format!("{PASSPHRASE}xyz\x7f\x7f\x7f"));
    typist.end().0.with_status(0);
}

#[test]
fn banner_is_shown_before_the_prompt_and_only_then() {
    let workshop = Workshop::new();
    let banner = workshop.write("banner", "Property of the museum.\nWho asks?\n");
    let banner = banner.to_str().unwrap();
    let options = ["--pass-file", "key", FAST, "--banner", banner];
    let packed = workshop.pack_with(smallest(), &options);
    let mut typist = Typist::start(&workshop.sandbox, &Command::new(&packed));
    let seen = typist.wait_for(PROMPT).replace('\r', "");
    assert!(seen.contains("Property of the museum.\nWho asks?\n"), "{seen:?}");
    typist.type_at("", PASSPHRASE);
    typist.end().0.with_status(9).prints("ran\n");

    let mut command = Command::new(&packed);
    command.env("BP", PASSPHRASE);
    let (done, seen) = Typist::start(&workshop.sandbox, &command).end();
    done.with_status(9).prints("ran\n");
    assert_eq!(seen, "");
    let done = Done::of(&mut crate::workshop::start(&packed));
    assert_refused(done, 3, "BP");
}

#[test]
fn program_at_a_terminal_reads_what_is_typed_after_the_passphrase() {
    let workshop = Workshop::new();
    let mut typist = start(&workshop, &["copy"]);
    typist.type_at(PROMPT, PASSPHRASE);
    typist.wait_until_typing_is_shown();
    typist.press("for the program\n\x04");
    typist.end().0.with_status(0).prints("for the program\n");
}

/// Starts a program as a job in the background, says when it is stopped, and brings it back. The shell gives
/// jobs the terminal that its own standard error is.
const BACKGROUND: &str = "exec 3>&2 2>/dev/tty; set -m; \"$0\" 2>&3 & for try in $(seq 600); do
        read -r _ _ state _ < /proc/$!/stat; [ \"$state\" != T ] || break; sleep 0.05
    done; echo \"state $state\"; fg > /dev/null; echo \"status $?\"";

#[test]
fn job_in_the_background_says_why_it_stops_and_asks_in_the_foreground() {
    let workshop = Workshop::new();
    let packed = workshop.pack_under_passphrase(Kind::MuslStatic.path());
    let mut shell = Command::new("bash");
    let mut typist = Typist::start(&workshop.sandbox, shell.args(["-c", BACKGROUND]).arg(packed));
    typist.type_at(PROMPT, PASSPHRASE);
    let (done, _) = typist.end();
    let done = done.with_status(0).says("sealcrate: no key: this job is in the background");
    assert_eq!(done.stdout, format!("state T\n{MARK}\nstatus 0\n"), "{}", done.said());
}

#[test]
fn job_that_cannot_be_stopped_ends_where_nothing_can_be_asked() {
    let workshop = Workshop::new();
    let packed = workshop.pack_under_passphrase(Kind::MuslStatic.path());
    // A second job kills it after a minute, and is killed itself before.
    let script = "trap '' TTOU; set -m; \"$0\" & job=$!; \
                  (sleep 60; kill -KILL $job) > /dev/null 2>&1 & wait $job; status=$?; \
                  kill -KILL -- -$!; echo \"status $status\"";
    let mut shell = Command::new("bash");
    shell.args(["-c", script]).arg(packed);
    let (done, seen) = Typist::start(&workshop.sandbox, &shell).end();
    let done = done.says("this job is in the background").says("no terminal to ask at");
    assert_eq!((&*done.stdout, &*seen), ("status 3\n", ""), "{}", done.said());
}
