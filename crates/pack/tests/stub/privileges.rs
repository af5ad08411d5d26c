//! File capabilities of a packed file: the program has them, and nobody gets more by them.
//!
//! The tests make a user namespace, in which anybody may set capabilities. They start the program in a
//! second one below, as a user who is not root.

use std::io::Read;
use std::process::Command;

use sealcrate_pack::InFolder;

use crate::packed::{Done, PASSPHRASE, Packed, passphrase};

/// The set of CAP_NET_BIND_SERVICE alone, as the kernel shows it.
const BIND: &str = "0000000000000400";

/// Prepares a start of a file that has the capability, by a user who is not root.
fn start_with_capability(packed: &Packed, before: &[&str], arguments: &[&str]) -> Command {
    const SCRIPT: &str = "/usr/sbin/setcap cap_net_bind_service=ep \"$0\" && \
                          exec unshare --user --map-user=1000 --map-group=1000 \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "sh", "-c", SCRIPT]).arg(packed.path()).args(before);
    command.arg(packed.path()).args(arguments);
    command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin").env("BP", PASSPHRASE);
    command
}

#[test]
fn capabilities_of_the_file_are_the_programs() {
    let packed = Packed::under_passphrase("/bin/grep");
    let arguments = ["^Cap", "/proc/self/status"];
    let done = Done::of(&mut start_with_capability(&packed, &[], &arguments));
    for set in ["CapPrm", "CapEff", "CapAmb"] {
        assert!(done.output().contains(&format!("{set}:\t{BIND}\n")), "{done:?}");
    }
}

/// The loader of a program whose capabilities are ambient does not know that it is privileged.
#[test]
fn nobody_gets_into_a_privileged_program_by_variables() {
    let packed = Packed::under_passphrase("/usr/bin/env");
    let set = [
        "env",
        "LD_PRELOAD=/nowhere/evil.so",
        "LD_LIBRARY_PATH=/nowhere",
        "GLIBC_TUNABLES=glibc.malloc.check=1",
        "MALLOC_TRACE=/nowhere/trace",
        "TMPDIR=/nowhere",
        "TMPDIRECTORY=stays",
        "OTHER=stays",
    ];
    let done = Done::of(&mut start_with_capability(&packed, &set, &[]));
    let mut lines: Vec<_> = done.output().lines().collect();
    lines.sort_unstable();
    lines.retain(|line| !line.starts_with("PWD=") && !line.starts_with("PATH="));
    assert_eq!(lines, ["OTHER=stays", "TMPDIRECTORY=stays"]);
}

#[test]
fn variables_of_programs_without_privileges_stay() {
    let packed = Packed::under_passphrase("/usr/bin/env");
    let done = Done::of(packed.command([""; 0]).envs([("BP", PASSPHRASE), ("TMPDIR", "/stays")]));
    assert!(done.output().contains("TMPDIR=/stays\n"), "{done:?}");
}

/// The user, who does not have the capabilities, could put another program there.
#[test]
fn program_in_a_folder_of_its_user_gets_no_capabilities() {
    const SCRIPT: &str = "mount -t tmpfs tmpfs \"$1\" && \
                          /usr/sbin/setcap cap_net_bind_service=ep \"$0\" && \
                          exec unshare --user --map-user=1000 --map-group=1000 \"$0\" ^CapEff \
                          /proc/self/status";
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read("/bin/grep").unwrap();
    let in_folder = InFolder::new(folder.path(), "grep".as_ref(), 0o755, bytes.len() as u64);
    let in_folder = in_folder.unwrap();
    let (mut program, mut content) = (bytes.as_slice(), Vec::new());
    in_folder.content(&mut program).unwrap().0.read_to_end(&mut content).unwrap();
    let packed = Packed::of(&content, &passphrase());
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", SCRIPT]).arg(packed.path());
    command.arg(folder.path()).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    let done = Done::of(command.env("BP", PASSPHRASE));
    let (output, told) = done.both();
    assert_eq!(output, "CapEff:\t0000000000000000\n");
    assert!(told.ends_with("its user may change what lies in a folder\n"), "{told}");
}

#[test]
fn capabilities_that_cannot_be_passed_on_are_told() {
    let packed = Packed::under_passphrase("/bin/grep");
    // SECBIT_NO_CAP_AMBIENT_RAISE
    let capsh = ["/usr/sbin/capsh", "--secbits=64", "--", "-c", "exec \"$0\" \"$@\""];
    let forbid = [&["--keep-caps"][..], &capsh].concat();
    let arguments = ["^CapEff", "/proc/self/status"];
    let done = Done::of(&mut start_with_capability(&packed, &forbid, &arguments));
    let (output, told) = done.both();
    assert_eq!(output, "CapEff:\t0000000000000000\n");
    assert_eq!(
        told,
        "sealcrate: the program runs without the capabilities of its file: not permitted\n"
    );
}
