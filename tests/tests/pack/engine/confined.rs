//! Starts under limits of memory and under policies, which only root can set.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use sealcrate_tests::Done;
use sealcrate_tests::fixtures::key_pair;

use crate::programs::{Kind, MARK};
use crate::starts::confined::{root_with, start_in_root};
use crate::workshop::{PASSPHRASE, Workshop, assert_refused};

#[test]
fn limit_of_memory_that_is_too_small_is_said_with_figures() {
    sealcrate_tests::assert_provided();
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
    sealcrate_tests::assert_provided();
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
    // The stub looks at nothing outside of the control groups, and passes over a text that is no number.
    write_groups(&root, "0::/../../tmp\n", &[("sys/tmp/memory.max", "1\n")]);
    start().with_status(0);
    write_groups(&root, "?\n::\n0::\n", &[("sys/fs/cgroup/memory.max", "-1\n")]);
    start().with_status(0);
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
    sealcrate_tests::assert_provided();
    let workshop = Workshop::new();
    let packed = workshop.pack(Kind::Go.path());
    if !Path::new("/proc/sys/vm/memfd_noexec").exists() {
        // Linux before 6.3 has neither the sysctl nor MFD_EXEC: what can be held there is that the
        // program runs without.
        let mut command = crate::workshop::start_with_key(&packed);
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
