//! Every fuzz target survives its corpus, and bytes that are derived from it, the same in every run.
//!
//! `cargo fuzz` looks further, with a coverage-guided engine. Each input that it finds becomes a
//! file of the corpus, and so a test. See `fuzz/README.md`.

#![allow(clippy::unwrap_used)]

mod mutator;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use mutator::Mutator;
use sealcrate_fuzz_targets::{TARGETS, Target};

/// How long one input may take. All of them together take seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The largest corpus of all targets together, in bytes.
const MAX_CORPUS: usize = 300 << 10;

fn fuzz_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Reads the corpus of a target, in the order of the names of its files.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz_folder().join("corpus").join(target);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.name == name).unwrap()
}

/// Runs a target on its corpus and on so many inputs that are derived from it.
fn survives(name: &str, derived: usize) {
    let corpus = corpus(name);
    let seeds: Vec<Vec<u8>> = corpus.iter().map(|(_, bytes)| bytes.clone()).collect();
    let mut mutator = Mutator::new(seeds.clone());
    let derived = (0..derived).map(move |_| mutator.next_input());
    if let Err(failure) = run_all(target(name), seeds.into_iter().chain(derived), PATIENCE) {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-failure"));
        fs::write(&kept, &failure.input).unwrap();
        let known = corpus.iter().find(|(_, bytes)| *bytes == failure.input);
        let from = known.map_or(kept, |(file, _)| file.clone());
        panic!("{name} {} on {}", failure.what, from.display());
    }
}

/// An input on which a target failed, and how.
struct Failure {
    input: Vec<u8>,
    what: &'static str,
}

/// Runs a target on each input, in a thread that may not come back.
fn run_all(
    target: Target,
    inputs: impl Iterator<Item = Vec<u8>> + Send + 'static,
    patience: Duration,
) -> Result<(), Failure> {
    let current = Arc::new(Mutex::new(Vec::new()));
    let (done, progress) = channel();
    let shared = current.clone();
    thread::spawn(move || {
        for input in inputs {
            shared.lock().unwrap().clone_from(&input);
            (target.run)(&input);
            if done.send(false).is_err() {
                return;
            }
        }
        let _ = done.send(true);
    });
    loop {
        let what = match progress.recv_timeout(patience) {
            Ok(true) => return Ok(()),
            Ok(false) => continue,
            Err(RecvTimeoutError::Disconnected) => "panicked",
            Err(RecvTimeoutError::Timeout) => "does not come to an end",
        };
        let input = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        return Err(Failure { input, what });
    }
}

#[test]
fn any_age_file_is_opened_as_age_opens_it() {
    survives("age_file", 4_000);
}

#[test]
fn any_annotations_are_of_a_whole_encrypted_layer_or_an_error() {
    survives("annotations", 10_000);
}

#[test]
fn any_challenge_header_is_read_in_bounds_and_as_it_is_written() {
    survives("challenge", 20_000);
}

#[test]
fn any_config_yields_only_layers_that_it_names() {
    survives("config", 10_000);
}

#[test]
fn any_encrypted_stream_yields_only_what_is_authentic() {
    survives("dare", 250);
}

#[test]
fn any_archive_yields_only_what_its_digests_name() {
    survives("docker_archive", 6_000);
}

#[test]
fn any_age_item_is_read_rightly_or_an_error() {
    survives("age_item", 10_000);
}

#[test]
fn any_head_of_a_folder_keeps_to_the_folder() {
    survives("folder_head", 15_000);
}

#[test]
fn any_jwe_is_for_somebody_or_an_error() {
    survives("jwe", 10_000);
}

#[test]
fn any_key_data_comes_back_from_both_shapes() {
    survives("key_data", 15_000);
}

#[test]
fn any_key_text_is_identities_or_a_passphrase_or_an_error() {
    survives("key_text", 20_000);
}

#[test]
fn any_label_line_is_understood_rightly_or_not_at_all() {
    survives("label", 10_000);
}

#[test]
fn any_layout_yields_only_what_its_digests_name() {
    survives("layout", 6_000);
}

#[test]
fn any_index_of_a_locked_image_keeps_to_its_folder_and_layers() {
    survives("locked_index", 20_000);
}

#[test]
fn any_manifest_is_read_as_it_is_written() {
    survives("manifest", 4_000);
}

#[test]
fn any_sealed_record_is_read_as_it_is_written() {
    survives("sealed_record", 4_000);
}

#[test]
fn any_name_is_read_as_it_is_written() {
    survives("names", 20_000);
}

#[test]
fn any_openpgp_message_is_for_somebody_or_an_error() {
    survives("openpgp", 10_000);
}

#[test]
fn any_openpgp_key_is_public_or_private_or_neither() {
    survives("openpgp_key", 1_500);
}

#[test]
fn any_payload_is_read_as_it_is_written() {
    survives("payload", 20_000);
}

#[test]
fn any_challenge_and_response_is_read_as_it_is_written() {
    survives("remote", 10_000);
}

#[test]
fn any_pkcs7_message_is_for_somebody_or_an_error() {
    survives("pkcs7", 10_000);
}

#[test]
fn any_program_yields_only_what_was_packed() {
    survives("program", 10_000);
}

#[test]
fn any_request_of_a_key_provider_is_answered_for_its_recipients_alone() {
    survives("provider", 5_000);
}

#[test]
fn any_answer_of_a_key_provider_yields_only_what_it_says() {
    survives("provider_answer", 5_000);
}

#[test]
fn any_list_of_key_providers_calls_them_as_it_is_written() {
    survives("provider_config", 20_000);
}

#[test]
fn any_encrypted_image_yields_only_what_was_put_in() {
    survives("sealed_image", 1_500);
}

#[test]
fn any_payload_of_containerd_opens_nothing_without_a_key() {
    survives("stream_payload", 5_000);
}

#[test]
fn every_target_has_a_corpus_and_a_program_for_the_fuzzer() {
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len(), "a program without a target");
    let mut total = 0;
    for target in TARGETS {
        let corpus = corpus(target.name);
        assert!(!corpus.is_empty(), "{}", target.name);
        total += corpus.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        let (program, code) = program(&manifest, target.name);
        let call = format!("sealcrate_fuzz_targets::run({:?}, bytes)", target.name);
        assert!(code.contains(&call), "{} does not run {}", program.display(), target.name);
    }
    let folders = fs::read_dir(fuzz_folder().join("corpus")).unwrap().count();
    assert_eq!(folders, TARGETS.len(), "a corpus without a target");
    assert!(total <= MAX_CORPUS, "{total} bytes");
}

/// Returns the path and the code of the program that the manifest of the fuzzer names for a target.
fn program(manifest: &str, target: &str) -> (PathBuf, String) {
    let entry = format!("[[bin]]\nname = {target:?}\npath = \"");
    let (_, path) = manifest.split_once(&entry).unwrap_or_else(|| panic!("{target} is not there"));
    let program = fuzz_folder().join(path.split('"').next().unwrap());
    let code = fs::read_to_string(&program).unwrap_or_else(|_| panic!("{}", program.display()));
    (program, code)
}

#[test]
fn input_on_which_a_target_fails_is_told() {
    fn fails(bytes: &[u8]) {
        match bytes {
            b"bad" => panic!("as it should"),
            b"slow" => thread::park(),
            _ => {}
        }
    }
    let target = Target { name: "fails", run: fails };
    // Patience is short only where the test waits in vain. A panic may take its time.
    let (short, long) = (Duration::from_millis(300), Duration::from_secs(60));
    for (input, what, patience) in
        [(&b"bad"[..], "panicked", long), (b"slow", "does not come to an end", short)]
    {
        let inputs = [b"good".to_vec(), input.to_vec(), b"never".to_vec()];
        let failure = run_all(target, inputs.into_iter(), patience).unwrap_err();
        assert_eq!((failure.input.as_slice(), failure.what), (input, what));
    }
}
