//! Starts where the system gives little: no `/proc`, no files at all, no memfd that may be
//! executed, little memory.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use sealcrate_tests::Done;
use sealcrate_tests::fixtures::key_pair;

use crate::programs::{Kind, MARK, build_tool};
use crate::workshop::{FAST, PASSPHRASE, Workshop, assert_refused};

/// Prepares a start of a program that sees one folder as the root of all files.
///
/// In a user namespace of its own anybody may do so.
pub(crate) fn start_in_root(root: &Path, program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--root"]).arg(root).arg(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

pub(crate) fn root_with(workshop: &Workshop, packed: &Path) -> std::path::PathBuf {
    let root = workshop.path("root");
    fs::create_dir_all(&root).unwrap();
    fs::rename(packed, root.join("program")).unwrap();
    root
}

#[test]
fn program_runs_where_there_is_nothing_but_itself() {
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_static()) {
        let workshop = Workshop::new();
        let root = root_with(&workshop, &workshop.pack(kind.path()));
        assert!(!root.join("proc").exists());
        let done = Done::of(start_in_root(&root, "/program").env("BP", &key_pair().identity));
        done.with_status(0).prints(&format!("{MARK}\n"));
        let done = Done::of(start_in_root(&root, "/program").env("BP", "wrong"));
        assert_refused(done, 3, "wrong key");
    }
}

#[test]
fn program_under_a_passphrase_runs_where_there_is_nothing_but_itself() {
    let workshop = Workshop::new();
    let root = root_with(&workshop, &workshop.pack_under_passphrase(Kind::Go.path()));
    let done = Done::of(start_in_root(&root, "/program").env("BP", PASSPHRASE));
    done.with_status(0).prints(&format!("{MARK}\n"));
    let done = Done::of(&mut start_in_root(&root, "/program"));
    assert_refused(done, 3, "/run/secrets/bp");
}

#[test]
fn secret_that_is_mounted_opens() {
    let workshop = Workshop::new();
    let root = root_with(&workshop, &workshop.pack(Kind::Go.path()));
    fs::create_dir_all(root.join("run/secrets")).unwrap();
    fs::copy(workshop.path("identity"), root.join("run/secrets/bp")).unwrap();
    Done::of(&mut start_in_root(&root, "/program")).with_status(0).prints(&format!("{MARK}\n"));
    fs::copy(workshop.path("other-identity"), root.join("run/secrets/bp")).unwrap();
    assert_refused(Done::of(&mut start_in_root(&root, "/program")), 3, "wrong key");
}

/// The number of `execveat` on x86-64.
const EXECVEAT: &str = "322";

#[test]
fn program_runs_where_execution_of_memory_by_its_number_is_forbidden() {
    let workshop = Workshop::new();
    let without_call = build_tool("without_call");
    let packed = workshop.pack(Kind::CPie.path());
    // EPERM, EACCES and ENOSYS, as filters, policies and old kernels say no.
    for error in ["1", "13", "38"] {
        let mut command = crate::workshop::start_with_key(&without_call);
        command.args([EXECVEAT, error]).arg(&packed);
        Done::of(&mut command).with_status(0).prints(&format!("{MARK}\n"));
    }
    // The other way needs the file system that is missing there.
    let root = root_with(&workshop, &packed);
    fs::copy(&without_call, root.join("without_call")).unwrap();
    let mut command = start_in_root(&root, "/without_call");
    command.args([EXECVEAT, "1", "/program"]).env("BP", &key_pair().identity);
    let told = "cannot execute the program: execveat: not permitted, and there is no /proc";
    assert_refused(Done::of(&mut command), 1, told);
}

/// The kernel shows this memory to nobody without privileges. It does not write it into a core dump either.
#[test]
fn nobody_can_look_into_the_process_before_the_program_runs() {
    // The key comes through a pipe, so that the moment before it is there lasts.
    const SCRIPT: &str = "mkfifo pipe
        BP_FILE=pipe \"$0\" serve > output & program=$!
        exec 3> pipe
        tr '\\0' ' ' < /proc/$program/environ; echo before
        cat identity >&3; exec 3>&-
        until [ -s output ]; do sleep 0.02; done
        tr '\\0' ' ' < /proc/$program/environ; echo after
        kill $program; wait $program; echo $?";
    let workshop = Workshop::new();
    let packed = workshop.pack(Kind::MuslStatic.path());
    // A user without privileges, in a namespace of its own.
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-user=1000", "--map-group=1000", "bash", "-c", SCRIPT]);
    command.arg(packed).current_dir(workshop.path(".")).env_clear().stdin(Stdio::null());
    let done = Done::of(command.env("PATH", "/usr/bin:/bin").env("LC_ALL", "C")).with_status(0);
    let lines: Vec<_> = done.stdout.lines().collect();
    assert_eq!(lines[0], "before", "{}", done.said());
    assert!(lines[1].contains("BP_FILE=pipe") && lines[1].ends_with("after"), "{}", done.said());
    assert_eq!(lines[2], "42", "{}", done.said());
    assert!(done.stderr.contains("Permission denied"), "{}", done.said());
}

/// The threat model has a sentence about the time before a stub's first instruction. A program that never
/// asks for protection has it, where its user may not read the file.
#[test]
fn process_of_a_file_that_may_not_be_read_is_closed_from_the_beginning() {
    const SCRIPT: &str = "cp \"$0\" program; chmod \"$1\" program
        ./program serve > output & program=$!
        until [ -s output ]; do sleep 0.02; done
        if exec 3< /proc/$program/mem; then echo open; else echo closed; fi
        kill $program; wait $program; rm -f program output";
    for (mode, told) in [("0755", "open\n"), ("0111", "closed\n")] {
        let workshop = Workshop::new();
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-user=1000", "--map-group=1000", "bash", "-c", SCRIPT]);
        command.arg(Kind::MuslStatic.path()).arg(mode).current_dir(workshop.path("."));
        command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        Done::of(&mut command).with_status(0).prints(told);
    }
}

#[test]
fn limits_of_the_process_are_no_trouble() {
    let workshop = Workshop::new();
    let packed = workshop.pack_with(Kind::MuslStatic.path(), &["--pass-file", "key", FAST]);
    let mut command = Command::new("/bin/sh");
    // Few descriptors, a small stack, no core, no files to be written.
    command.args(["-c", "ulimit -n 4; ulimit -s 256; ulimit -c 0; exec \"$0\""]).arg(&packed);
    command.env_clear().env("BP", PASSPHRASE).stdin(Stdio::null());
    Done::of(&mut command).with_status(0).prints(&format!("{MARK}\n"));
}

#[test]
fn too_little_address_space_is_said() {
    let workshop = Workshop::new();
    let packed = workshop.pack_under_passphrase(Kind::MuslStatic.path());
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -v 512; exec \"$0\""]).arg(&packed);
    command.env_clear().env("BP", PASSPHRASE).stdin(Stdio::null());
    assert_refused(Done::of(&mut command), 1, "not enough memory");
}
