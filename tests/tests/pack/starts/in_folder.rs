//! Programs that look for themselves run in a folder that is memory of its own, and nowhere else.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sealcrate_tests::Done;
use sealcrate_tests::fixtures::key_pair;

use crate::programs::{Kind, MARK, build_go};
use crate::workshop::{Workshop, assert_refused, start_with_key};

/// Prepares a start where something is mounted at a folder, which nobody else sees.
///
/// Its children end with it, and after a minute.
pub(crate) fn start_at(folder: &Path, mount: &str, packed: &Path) -> Command {
    let script = format!("folder=$0; {mount} && exec \"$@\"");
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "60", "unshare", "--map-root-user", "--mount", "--pid"]);
    command.args(["--fork", "--kill-child", "--mount-proc", "sh", "-euc", &script]);
    command.arg(folder).arg(packed).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    command.env("BP", &key_pair().identity).stdin(Stdio::null());
    command
}

pub(crate) const TMPFS: &str = "mount -t tmpfs -o mode=1777,size=256m tmpfs \"$folder\"";

/// A folder of that name to mount something at.
pub(crate) fn place(workshop: &Workshop, name: &str) -> PathBuf {
    let place = workshop.path(name);
    fs::create_dir_all(&place).unwrap();
    place
}

/// Packs a program into a folder, with files beside it.
pub(crate) fn pack_into(
    workshop: &Workshop,
    folder: &Path,
    program: &Path,
    with: &[&Path],
) -> PathBuf {
    let mut options = vec!["-r", &key_pair().recipient, "--in-folder", folder.to_str().unwrap()];
    for path in with {
        options.extend(["--with", path.to_str().unwrap()]);
    }
    workshop.pack_with(program, &options)
}

#[test]
fn program_that_starts_itself_again_finds_itself() {
    let workshop = Workshop::new();
    let program = build_go("again");
    let beside = workshop.write("beside.txt", "is there");
    let folder = place(&workshop, "folder");
    let packed = pack_into(&workshop, &folder, &program, &[&beside]);
    let done = Done::of(&mut start_at(&folder, TMPFS, &packed)).with_status(0);
    let path = folder.join("again");
    let line = |depth| format!("{depth} {0} {0} is there", path.display());
    // It starts itself twice, and so does each of these.
    let expected = [0, 1, 2, 2, 1, 2, 2].map(line).join("\n") + "\n";
    assert_eq!((&*done.stdout, &*done.stderr), (&*expected, ""));
    // Nothing is beside the mount.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);

    // In memory without a name it does not.
    let plain = workshop.pack(&program);
    let done = Done::of(&mut start_with_key(&plain)).with_status(1);
    done.says("no such file or directory").prints("");
}

#[test]
fn launcher_of_java_finds_its_libraries() {
    let workshop = Workshop::new();
    let launcher = fs::canonicalize("/usr/bin/java").unwrap();
    let folder = launcher.parent().unwrap();
    let packed = pack_into(&workshop, folder, &launcher, &[]);
    let show = ["-XshowSettings:properties", "-version"];
    let done = Done::of(start_at(folder, TMPFS, &packed).args(show)).with_status(0);
    done.says(&format!("java.home = {}\n", folder.parent().unwrap().display()));

    let plain = workshop.pack_warned(&launcher, "$ORIGIN");
    let done = Done::of(start_with_key(&plain).args(show));
    assert!(done.status != Some(0), "{}", done.said());
    done.says("libjli.so");
}

#[test]
fn folder_that_is_no_memory_of_its_own_gets_nothing() {
    let workshop = Workshop::new();
    let folder = place(&workshop, "in/folder");
    let packed = pack_into(&workshop, &folder, Kind::MuslStatic.path(), &[]);
    let advice = format!("start it with --tmpfs {}:exec,size=2m,mode=1777", folder.display());
    let bind = "mkdir /tmp/other; mount -t tmpfs tmpfs /tmp/other; mkdir /tmp/other/part; \
                mount --bind /tmp/other/part \"$folder\"";
    let hidden = "mount -t tmpfs -o mode=1777 tmpfs \"$folder\"; mkdir -p /tmp/other/folder; \
                  mount --bind /tmp/other \"$(dirname \"$folder\")\"";
    for (mount, told) in [
        (":", "is not memory of its own"),
        // A part of something that others see as well, like the host's /dev.
        (bind, "is not memory of its own"),
        // A disk that hides the memory, and has a folder of that name.
        (hidden, "is not memory of its own"),
        ("mount -t tmpfs -o mode=1777,noexec tmpfs \"$folder\"", "is noexec"),
        ("mount -t tmpfs -o size=8k tmpfs \"$folder\"", "has 0 MiB free"),
    ] {
        let mount = mount.replace("/tmp/other", workshop.path("other").to_str().unwrap());
        let done = Done::of(&mut start_at(&folder, &mount, &packed)).says(&advice);
        assert_refused(done, 1, told);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "{mount}");
    }
    let open = "mount -t tmpfs -o mode=0777 tmpfs \"$folder\"";
    assert_refused(Done::of(&mut start_at(&folder, open, &packed)), 1, "others may change");
    assert_eq!(fs::read_dir(workshop.path("other/folder")).unwrap().count(), 0);
    fs::remove_dir(&folder).unwrap();
    let done = Done::of(&mut start_at(&folder, ":", &packed)).says(&advice);
    assert_refused(done, 1, "is not memory of its own");
}

#[test]
fn folder_can_be_used_again_and_damage_leaves_nothing_in_it() {
    let workshop = Workshop::new();
    let folder = place(&workshop, "folder");
    let tree = workshop.path("tree");
    fs::create_dir_all(tree.join("deep/er")).unwrap();
    // Of several chunks, so that much is written before the damage shows.
    let noise = (0..75_000_u32).flat_map(|at| at.wrapping_mul(0x9e37_79b9).to_be_bytes());
    fs::write(tree.join("deep/er/data"), noise.collect::<Vec<_>>()).unwrap();
    fs::write(tree.join("empty"), "").unwrap();
    symlink("deep/er/data", tree.join("link")).unwrap();
    fs::set_permissions(tree.join("empty"), PermissionsExt::from_mode(0o640)).unwrap();
    let packed = pack_into(&workshop, &folder, Kind::MuslStatic.path(), &[&tree]);
    // The first start of a container, and what follows a restart in the same memory.
    let twice = format!(
        "{TMPFS}; \"$1\"; \"$1\"; \
         cd \"$folder\"; find . -mindepth 1 -printf '%P %y %m %l\\n' | sort; cd /"
    );
    let done = Done::of(&mut start_at(&folder, &twice, &packed)).with_status(0);
    let program = Kind::MuslStatic.path();
    let lines: Vec<_> = done.stdout.lines().map(str::trim_end).collect();
    let expected = [
        MARK,
        MARK,
        "MuslStatic f 755",
        "tree d 755",
        "tree/deep d 755",
        "tree/deep/er d 755",
        "tree/deep/er/data f 644",
        "tree/empty f 640",
        "tree/link l 777 deep/er/data",
        MARK,
    ];
    assert_eq!(lines, expected);

    let mut bytes = fs::read(&packed).unwrap();
    let end = bytes.windows(9).rposition(|part| part == b".shstrtab").unwrap();
    bytes[end - 300] ^= 1;
    let damaged = workshop.path("damaged");
    crate::workshop::install(&bytes, &damaged);
    let mount = format!(
        "{TMPFS}; if \"$1\"; then exit 9; else echo \"$? $(ls -A \"$folder\")\"; fi; set -- true"
    );
    Done::of(&mut start_at(&folder, &mount, &damaged)).prints("5 \n").says("damaged");

    let packed = packed.to_str().unwrap();
    let done = workshop.succeed(&["unpack", packed, "-i", "identity", "-o", "unpacked"]);
    done.says("the program alone is written, without the 6 files and folders beside it");
    assert!(fs::read(workshop.path("unpacked")).unwrap() == fs::read(program).unwrap());
}

#[test]
fn folders_that_cannot_be_are_refused() {
    let workshop = Workshop::new();
    let program = Kind::MuslStatic.path().to_str().unwrap();
    let pack = |options: &[&str]| {
        let recipient = &key_pair().recipient;
        let all = [&["pack", program, "-o", "out", "-r", recipient][..], options].concat();
        Done::of(&mut workshop.sealcrate(&all))
    };
    for folder in ["relative", "/", "/opt/", "/opt/../x", "/with blank"] {
        pack(&["--in-folder", folder])
            .failed(2)
            .says("--in-folder: the folder is no absolute path");
    }
    pack(&["--with", "key"]).with_status(2);
    pack(&["--in-folder", "/opt/app", "--with", "missing"]).failed(1).says("cannot read missing");
    pack(&["--in-folder", "/opt/app", "--with", "key", "--with", "key"])
        .failed(1)
        .says("key has a name");
    pack(&["--in-folder", "/opt/app", "--with", "/dev/null"]).failed(1).says("neither a file nor");
    assert!(!workshop.path("out").exists());
}
