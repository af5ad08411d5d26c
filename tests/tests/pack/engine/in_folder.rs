//! Programs in a folder: of another user, and of PyInstaller, which `cargo xtask test` installs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealcrate_tests::fixtures::key_pair;
use sealcrate_tests::{Done, as_root};

use crate::programs::{Kind, folder, source_folder};
use crate::starts::in_folder::{TMPFS, pack_into, place, start_at};
use crate::workshop::{Workshop, start_with_key};

/// Makes programs with PyInstaller, which `cargo xtask test` puts into `target/pyinstaller`.
fn built_by_pyinstaller() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let work = folder().join("pyinstaller");
    let mut build = Command::new("timeout");
    build.args(["--kill-after=5", "240", "/usr/bin/python3", "-m", "PyInstaller"]);
    build.args(["--noconfirm", "--log-level=ERROR"]).arg(source_folder().join("snake.spec"));
    fs::create_dir_all(&work).unwrap();
    build.current_dir(&work).env("PYTHONPATH", root.join("target/pyinstaller"));
    Done::of(&mut build).with_status(0);
    work.join("dist")
}

#[test]
fn programs_of_pyinstaller_run_in_one_file_and_in_a_folder() {
    sealcrate_tests::assert_provided();
    let workshop = Workshop::new();
    let built = built_by_pyinstaller();
    let folder = place(&workshop, "folder");
    let expected = format!("{} says 42\n", folder.join("snake").display());
    let internal = built.join("folder/_internal");
    for (program, with) in [("snake", vec![]), ("folder/snake", vec![&*internal])] {
        let program = built.join(program);
        let packed = pack_into(&workshop, &folder, &program, &with);
        Done::of(&mut start_at(&folder, TMPFS, &packed)).with_status(0).prints(&expected);

        let plain = workshop.pack_warned(&program, "was made by PyInstaller");
        let done = Done::of(&mut start_with_key(&plain));
        assert!(done.status != Some(0) && done.stdout.is_empty(), "{}", done.said());
    }
}

/// The file's owner is another than its user, who could exchange the program in the folder.
#[test]
fn set_id_file_puts_no_program_into_a_folder() {
    sealcrate_tests::assert_provided();
    const SCRIPT: &str =
        "mount -t tmpfs tmpfs /mnt && mount -t tmpfs tmpfs \"$0\" && cp \"$1\" /mnt/packed && \
                          chown 0:0 /mnt/packed && chmod 4755 /mnt/packed || exit 9
        setpriv --reuid=1000 --regid=1000 --clear-groups /mnt/packed; echo \"$? $(ls -A \"$0\")\"";
    let workshop = Workshop::new();
    let folder = place(&workshop, "folder");
    let packed = pack_into(&workshop, &folder, Kind::MuslStatic.path(), &[]);
    let mut command = as_root("timeout");
    command.args(["--kill-after=5", "60", "unshare", "--mount", "env"]);
    command.arg(format!("BP={}", key_pair().identity)).args(["sh", "-c", SCRIPT]);
    let done = Done::of(command.arg(&folder).arg(&packed)).prints("1 \n");
    done.says("sealcrate: a set-ID program cannot be put into a folder");
}
