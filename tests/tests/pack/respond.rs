//! Challenge and response: a program is opened from afar, over a terminal that anybody may watch.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealcrate_tests::fixtures::key_pair;
use sealcrate_tests::{Done, Typist};

use crate::programs::{Kind, MARK, smallest};
use crate::workshop::{Workshop, assert_refused, start_with_key};

const CHALLENGE: &str = "sealcrate-challenge-1.";
const RESPONSE: &str = "sealcrate-response-1.";

/// A program that waits at a terminal for the response.
struct Waiting {
    typist: Typist,
    challenge: String,
    seen: String,
}

impl Waiting {
    fn start(workshop: &Workshop, packed: &Path) -> Self {
        let mut typist = Typist::start(&workshop.sandbox, &Command::new(packed));
        typist.wait_for(CHALLENGE);
        typist.wait_for("\n");
        let seen = typist.wait_for("esponse: ").replace('\r', "");
        let challenge = seen.lines().find(|line| line.starts_with(CHALLENGE)).unwrap().to_owned();
        Self { typist, challenge, seen }
    }

    /// Types the response, and returns what came of the program and all that the terminal showed.
    fn answer(mut self, response: &str) -> (Done, String) {
        self.typist.press(response);
        self.typist.press("\n");
        self.typist.end()
    }

    fn fingerprint(&self) -> &str {
        fingerprint_in(&self.seen)
    }
}

/// Finds five groups of four hexadecimal digits.
#[track_caller]
fn fingerprint_in(text: &str) -> &str {
    let is_group = |group: &str| {
        group.len() == 4 && group.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let words = text.split(|c: char| c.is_whitespace() || c == '(' || c == ')' || c == '.');
    let mut found =
        words.filter(|word| word.split('-').count() == 5 && word.split('-').all(is_group));
    found.next().unwrap_or_else(|| panic!("no fingerprint in {text:?}"))
}

fn respond(workshop: &Workshop, identity: &str, packed: &Path, challenge: &str) -> Done {
    let packed = packed.to_str().unwrap();
    let arguments = ["respond", "-i", identity, "--for", packed, challenge];
    Done::of(&mut workshop.sealcrate(&arguments))
}

/// The response that was printed.
#[track_caller]
fn response(done: &Done) -> &str {
    let mut lines = done.stdout.lines();
    lines.find(|line| line.starts_with(RESPONSE)).unwrap_or_else(|| panic!("{}", done.said()))
}

#[test]
fn response_starts_the_program() {
    let workshop = Workshop::new();
    let packed = workshop.pack(Kind::Go.path());
    let waiting = Waiting::start(&workshop, &packed);
    let done = respond(&workshop, "identity", &packed, &waiting.challenge).with_status(0);
    assert_eq!(fingerprint_in(&done.said()), waiting.fingerprint());
    let (ran, _) = waiting.answer(response(&done));
    ran.with_status(0).prints(&format!("{MARK}\n"));
}

#[test]
fn exchanged_stub_is_warned_about_before_the_answer() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let waiting = Waiting::start(&workshop, &packed);
    let answer =
        |file: &Path| respond(&workshop, "identity", file, &waiting.challenge).with_status(0);
    let warning = "warning: the stub in ";
    answer(&packed).does_not_say(warning);
    let mut bytes = std::fs::read(&packed).unwrap();
    // In its code: the first kilobyte has headers, and the payload begins behind a hundred of them.
    bytes[50_000] ^= 1;
    let changed = workshop.write("changed", &bytes);
    answer(&changed).says(warning).says("somebody has exchanged it");
}

#[test]
fn challenge_is_read_from_standard_input_as_well() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let waiting = Waiting::start(&workshop, &packed);
    let challenge = workshop.write("challenge", format!("{}\n", waiting.challenge));
    let arguments = ["respond", "-i", "identity", "--for", packed.to_str().unwrap()];
    let mut command = workshop.sealcrate(&arguments);
    let done = Done::of(command.stdin(std::fs::File::open(challenge).unwrap())).with_status(0);
    waiting.answer(response(&done)).0.with_status(9).prints("ran\n");
}

#[test]
fn response_that_comes_in_several_lines_is_joined() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let waiting = Waiting::start(&workshop, &packed);
    let done = respond(&workshop, "identity", &packed, &waiting.challenge).with_status(0);
    let (first, second) = response(&done).split_at(80);
    waiting.answer(&format!("{first}\n  {second}")).0.with_status(9).prints("ran\n");
}

#[test]
fn challenges_and_responses_are_new_each_time() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let [one, other] = [0, 1].map(|_| Waiting::start(&workshop, &packed));
    assert_ne!(one.challenge, other.challenge);
    assert_ne!(one.fingerprint(), other.fingerprint());
    let [first, second] =
        [0, 1].map(|_| respond(&workshop, "identity", &packed, &one.challenge).with_status(0));
    assert_ne!(response(&first), response(&second));
    // Either opens the start that it was made for, and no other.
    assert_refused(other.answer(response(&first)).0, 3, "wrong");
    one.answer(response(&second)).0.with_status(9).prints("ran\n");
}

#[test]
fn identity_with_blanks_around_it_answers() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let waiting = Waiting::start(&workshop, &packed);
    workshop.write("blanks", format!("  {}\t\r\n", key_pair().identity));
    let done = respond(&workshop, "blanks", &packed, &waiting.challenge).with_status(0);
    waiting.answer(response(&done)).0.with_status(9).prints("ran\n");
}

#[test]
fn nothing_but_a_response_is_taken() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let waiting = Waiting::start(&workshop, &packed);
    let done = respond(&workshop, "identity", &packed, &waiting.challenge).with_status(0);
    let right = response(&done).to_owned();
    let bytes = URL_SAFE_NO_PAD.decode(&right[RESPONSE.len()..]).unwrap();
    assert_eq!(bytes.len(), 64);
    let mut wrong = vec![
        String::new(),
        key_pair().identity[..20].to_owned(),
        waiting.challenge.clone(),
        // More may follow, until an empty line tells that nothing does.
        format!("{}\n", &right[..right.len() - 1]),
        format!("{right}A"),
    ];
    for at in [0, 31, 32, 47, 48, 63] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        wrong.push(format!("{RESPONSE}{}", URL_SAFE_NO_PAD.encode(changed)));
    }
    // With this public key, the secret is zero on both sides.
    let zero = [&[0; 32][..], &bytes[32..]].concat();
    wrong.push(format!("{RESPONSE}{}", URL_SAFE_NO_PAD.encode(zero)));
    for line in wrong {
        let (done, _) = Waiting::start(&workshop, &packed).answer(&line);
        assert_eq!(done.stdout, "", "{line:?}: {}", done.said());
        assert_eq!(done.status, Some(3), "{line:?}: {}", done.said());
    }
    waiting.answer(&right).0.with_status(9);
}

#[test]
fn header_of_anything_else_is_not_answered() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let other = workshop.pack(Kind::MuslStatic.path());
    let waiting = Waiting::start(&workshop, &other);
    let done = respond(&workshop, "identity", &packed, &waiting.challenge);
    assert!(done.status.is_some_and(|status| status != 0), "{}", done.said());
    assert!(!done.said().contains(RESPONSE), "{}", done.said());

    // Another file to the same recipient, in a challenge that somebody made up.
    let mut age = workshop.sandbox.command("age");
    age.args(["-e", "-r", &key_pair().recipient, "-o", "secret", "identity"]);
    Done::of(&mut age).with_status(0);
    let secret = std::fs::read(workshop.path("secret")).unwrap();
    let mac = memchr::memmem::find(&secret, b"\n--- ").unwrap() + 1;
    let end = mac + memchr::memchr(b'\n', &secret[mac..]).unwrap() + 1;
    let sent = URL_SAFE_NO_PAD.decode(&waiting.challenge[CHALLENGE.len()..]).unwrap();
    let made_up = [&sent[..32], &secret[..end]].concat();
    let made_up = format!("{CHALLENGE}{}", URL_SAFE_NO_PAD.encode(made_up));
    for file in [&packed, &other] {
        let done = respond(&workshop, "identity", file, &made_up);
        assert!(done.status.is_some_and(|status| status != 0), "{}", done.said());
        assert!(!done.said().contains(RESPONSE), "{}", done.said());
    }
}

#[test]
fn key_of_somebody_else_answers_nothing() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let waiting = Waiting::start(&workshop, &packed);
    respond(&workshop, "other-identity", &packed, &waiting.challenge).failed(3);
}

#[test]
fn challenge_that_is_damaged_is_not_answered() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let challenge = Waiting::start(&workshop, &packed).challenge;
    let zero = URL_SAFE_NO_PAD.decode(&challenge[CHALLENGE.len()..]).unwrap();
    let zero = [&[0; 32][..], &zero[32..]].concat();
    let zero = format!("{CHALLENGE}{}", URL_SAFE_NO_PAD.encode(zero));
    let cut = &challenge[..challenge.len() - 8];
    let longer = format!("{challenge}{}", "A".repeat(200_000));
    for wrong in ["", "what?", CHALLENGE, cut, &zero, &longer[..100_000]] {
        let done = respond(&workshop, "identity", &packed, wrong);
        assert!(done.status.is_some_and(|status| status != 0), "{wrong:?}: {}", done.said());
        assert!(!done.said().contains(RESPONSE), "{wrong:?}: {}", done.said());
    }
}

#[test]
fn key_that_is_there_needs_no_response() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let mut command = Command::new(&packed);
    command.env("BP", &key_pair().identity);
    let (done, seen) = Typist::start(&workshop.sandbox, &command).end();
    done.with_status(9);
    assert_eq!(seen, "");
    Done::of(&mut start_with_key(&packed)).with_status(9);
}

#[test]
fn transcript_has_nothing_of_the_keys() {
    let workshop = Workshop::new();
    let packed = workshop.pack(smallest());
    let waiting = Waiting::start(&workshop, &packed);
    let done = respond(&workshop, "identity", &packed, &waiting.challenge).with_status(0);
    let (_, seen) = waiting.answer(response(&done));
    assert!(!seen.contains("AGE-SECRET-KEY"), "{seen}");
    assert!(!done.said().contains("AGE-SECRET-KEY"), "{}", done.said());
}
