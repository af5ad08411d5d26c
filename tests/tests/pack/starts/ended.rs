//! Starts that end before the program begins, because of a signal or a limit of the process: each says why.

use std::fs::{self};
use std::path::Path;
use std::process::{Command, Stdio};

use sealcrate_tests::Done;
use sealcrate_tests::fixtures::key_pair;

use crate::programs::{Kind, MARK};
use crate::workshop::{FAST, PASSPHRASE, Workshop, assert_refused, install, start_with_key};

/// Runs a command that is ended after a minute.
pub(crate) fn bounded(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=1", "60", program]);
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

#[test]
fn signals_that_are_ignored_stay_ignored() {
    let workshop = Workshop::new();
    let packed = workshop.pack(Kind::MuslStatic.path());
    let mut command = bounded("unshare");
    let script = "trap '' HUP TERM; kill -TERM $$; exec \"$0\"";
    command.args(["--map-root-user", "--pid", "--fork", "--kill-child", "sh", "-c", script]);
    command.arg(&packed).env("BP", &key_pair().identity);
    Done::of(&mut command).with_status(0).prints(&format!("{MARK}\n"));
}

#[test]
fn file_that_is_cut_off_is_told() {
    let workshop = Workshop::new();
    let packed = fs::read(workshop.pack(Kind::Go.path())).unwrap();
    let payload = memchr::memmem::rfind(&packed, b"age-encryption.org/v1").unwrap();
    let cut = workshop.path("cut");
    // The rest is missing from the page behind the header on, and from the middle on.
    for len in [payload + 4096, payload + (packed.len() - payload) / 2] {
        install(&packed[..len], &cut);
        let done = Done::of(&mut start_with_key(&cut));
        assert_refused(done, 5, "the payload is damaged");
    }
    // All of the payload is missing.
    install(&packed[..payload & !4095], &cut);
    assert_refused(Done::of(&mut start_with_key(&cut)), 5, "the file is cut off");
}

/// Starts a packed program from a shell that has set a limit.
fn limited(packed: &Path, limit: &str, key: &str) -> Done {
    let mut command = bounded("/bin/sh");
    command.args(["-c", &format!("ulimit {limit} && exec \"$0\"")]).arg(packed).env("BP", key);
    Done::of(&mut command)
}

#[test]
fn limits_of_the_process_that_are_too_small_are_told() {
    let workshop = Workshop::new();
    let identity = &key_pair().identity;
    let packed = workshop.pack(Kind::MuslStatic.path());
    assert_refused(limited(&packed, "-f 1", identity), 1, "a file may not be so long (ulimit -f)");
    assert_refused(limited(&packed, "-d 150", identity), 1, "not enough memory");
    // Where the stack is enough for the program, it is started, or a sentence says why not.
    let mut told = 0;
    for kib in [24, 32, 48, 64, 96, 128] {
        let done = limited(&packed, &format!("-s {kib}"), identity);
        if done.status == Some(0) {
            done.prints(&format!("{MARK}\n"));
        } else {
            told += 1;
            assert_refused(done, 1, "not enough memory for the stack (ulimit -s)");
        }
    }
    assert!(told > 0, "the smallest is too small");
    let packed = workshop.pack_with(Kind::MuslStatic.path(), &["--pass-file", "key", FAST]);
    for kib in [100, 200, 500] {
        let done = limited(&packed, &format!("-d {kib}"), PASSPHRASE);
        assert_refused(done, 1, "not enough memory");
    }
    // A little is enough: blocks that are not kept are derived again.
    limited(&packed, "-d 8000", PASSPHRASE).with_status(0).prints(&format!("{MARK}\n"));
}
