//! Starts where the system gives little: no `/proc`, no files at all, no memfd that may be
//! executed, little memory.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use sealcrate_tests::Done;

use crate::programs::{Kind, MARK, build_tool};
use sealcrate_tests::fixtures::workshop::{FAST, PASSPHRASE, Workshop, assert_refused, key_pair};

/// Prepares a start of a program that sees one folder as the root of all files.
///
/// In a user namespace of its own anybody may do so.
fn start_in_root(root: &Path, program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--root"]).arg(root).arg(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

fn root_with(workshop: &Workshop, packed: &Path) -> std::path::PathBuf {
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
fn limit_of_memory_that_is_too_small_is_said_with_figures() {
    let workshop = Workshop::new();
    let root = root_with(&workshop, &workshop.pack_under_passphrase(Kind::RustStatic.path()));
    // As the two versions of control groups show their limit inside of a container.
    for path in ["sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"] {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "7340032\n").unwrap();
        let done = Done::of(start_in_root(&root, "/program").env("BP", PASSPHRASE));
        // The limit, and the program with some more.
        let done = done.says("limit is 7 MiB").says("10 MiB are needed");
        assert_refused(done, 1, "not enough memory");

        for enough in ["max\n", "1073741824\n", "9223372036854771712\n", "", "what?\n"] {
            fs::write(&file, enough).unwrap();
            let done = Done::of(start_in_root(&root, "/program").env("BP", PASSPHRASE));
            done.with_status(0);
        }
        fs::remove_file(&file).unwrap();
    }
}

/// Writes files of the kernel's that tell of control groups, as a start in `root` will see them.
fn write_groups(root: &Path, own: &str, files: &[(&str, &str)]) {
    for folder in ["proc", "sys"] {
        let _ = fs::remove_dir_all(root.join(folder));
    }
    for (path, content) in [("proc/self/cgroup", own)].iter().chain(files) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

#[test]
fn limit_counts_that_leaves_the_least_of_all_groups_above() {
    let workshop = Workshop::new();
    let root = root_with(&workshop, &workshop.pack(Kind::RustStatic.path()));
    let start = || Done::of(start_in_root(&root, "/program").env("BP", &key_pair().identity));
    // A group below that has more, one above that has less, and one with a limit that others use up.
    let second = "0::/a/b/c\n";
    write_groups(
        &root,
        second,
        &[
            ("sys/fs/cgroup/a/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.max", "8388608\n"),
            ("sys/fs/cgroup/a/b/c/memory.max", "1073741824\n"),
        ],
    );
    assert_refused(start(), 1, "the limit is 8 MiB, and 10 MiB are needed");
    let used = |used: &str, stat: &str| {
        write_groups(
            &root,
            second,
            &[
                ("sys/fs/cgroup/a/b/c/memory.max", "1073741824\n"),
                ("sys/fs/cgroup/a/memory.max", "104857600\n"),
                ("sys/fs/cgroup/a/memory.current", used),
                ("sys/fs/cgroup/a/memory.stat", stat),
            ],
        );
        start()
    };
    assert_refused(used("104857599\n", ""), 1, "the limit is 100 MiB, and 110 MiB are needed");
    // Files on a disk make room.
    used("104857599\n", "anon 5\ninactive_file 94371840\nactive_file 10485700\n").with_status(0);
    used("1048576\n", "").with_status(0);
    // In version 1, a group tells the limits of those above it that cannot be seen.
    let first = "9:pids:/x\n4:cpu,memory:/x/docker/id\n0::/\n";
    let memory = |stat: &str| {
        write_groups(
            &root,
            first,
            &[
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "99614720\n"),
                ("sys/fs/cgroup/memory/memory.stat", stat),
            ],
        );
        start()
    };
    let done = memory("cache 3\nhierarchical_memory_limit 104857600\n");
    assert_refused(done, 1, "the limit is 100 MiB, and 105 MiB are needed");
    memory("hierarchical_memory_limit 104857600\ntotal_inactive_file 99614720\n").with_status(0);
    memory("hierarchical_memory_limit 9223372036854771712\n").with_status(0);
    // The beginning of the path is not seen from a container, but the group itself is.
    write_groups(
        &root,
        first,
        &[
            ("sys/fs/cgroup/memory/id/memory.limit_in_bytes", "5242880\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ],
    );
    assert_refused(start(), 1, "the limit is 5 MiB, and 10 MiB are needed");
    // Nothing outside of the control groups is looked at, and what is no number is passed over.
    write_groups(&root, "0::/../../tmp\n", &[("sys/tmp/memory.max", "1\n")]);
    start().with_status(0);
    write_groups(&root, "?\n::\n0::\n", &[("sys/fs/cgroup/memory.max", "-1\n")]);
    start().with_status(0);
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

/// Prepares a start where the sysctl `vm.memfd_noexec` has a value; in a namespace for processes of
/// its own, which has one of its own, anybody may set it.
fn start_with_memfd_noexec(value: &str, program: &Path) -> Command {
    let script = "echo \"$1\" > /proc/sys/vm/memfd_noexec && exec \"$2\"";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--pid", "--fork", "--mount-proc", "sh", "-c", script, "sh"]);
    command.arg(value).arg(program).stdin(Stdio::null());
    command.env_clear().env("PATH", "/usr/bin:/bin").env("BP", &key_pair().identity);
    command
}

#[test]
fn forbidden_execution_of_memory_is_said() {
    let workshop = Workshop::new();
    let packed = workshop.pack(Kind::Go.path());
    if !Path::new("/proc/sys/vm/memfd_noexec").exists() {
        // Linux before 6.3 has neither the sysctl nor MFD_EXEC: what can be held there is that the
        // program runs without.
        let mut command = sealcrate_tests::fixtures::workshop::start_with_key(&packed);
        Done::of(&mut command).with_status(0).prints(&format!("{MARK}\n"));
        return;
    }
    for value in ["0", "1"] {
        let done = Done::of(&mut start_with_memfd_noexec(value, &packed));
        done.with_status(0).prints(&format!("{MARK}\n"));
    }
    let done = Done::of(&mut start_with_memfd_noexec("2", &packed));
    assert_refused(done, 1, "vm.memfd_noexec");
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
        let mut command = sealcrate_tests::fixtures::workshop::start_with_key(&without_call);
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

/// What the kernel lets nobody see without privileges, it does not write into a core dump either.
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

/// What the threat model says of the time before a stub's first instruction: a program that never asks
/// for protection has it, where its user may not read the file.
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
