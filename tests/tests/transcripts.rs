//! All that the suite's runs printed, searched for all secrets of the suite. It is the last of its tests.

#![allow(missing_docs)]

use sealcrate_tests::{Done, Sandbox, assert_provided, leaks_in, transcripts};

#[test]
fn nothing_that_was_printed_holds_a_secret() {
    assert_provided();
    let folder = transcripts();
    let sandbox = Sandbox::new();
    // The search sees this run's output, and a secret that the run gets.
    let printed = Done::of(sandbox.sealcrate().arg("--version").env("BP", "0123-secret-3210"));
    let runs = std::fs::read_dir(folder.join("runs")).expect("the run was noted");
    let version = printed.with_status(0).stdout;
    let mut noted = runs.map(|run| std::fs::read(run.unwrap().path()).unwrap());
    assert!(noted.any(|noted| String::from_utf8_lossy(&noted).contains(version.trim())));
    let secrets = std::fs::read_dir(folder.join("secrets")).expect("the secret was noted");
    assert!(secrets.count() > 0);
    let leaks = leaks_in(&folder);
    let told: Vec<_> = leaks.iter().map(|leak| format!("{} in {}", leak.kind, leak.test)).collect();
    assert!(told.is_empty(), "printed: {}", told.join(", "));
}
