//! A system whose file systems have no unnamed files (`O_TMPFILE`), as on some machines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sealcrate_tests::Done;

/// The same run on such a system.
pub(crate) fn without_tmpfile(command: &Command) -> Command {
    let mut run = Command::new(starter());
    run.arg(command.get_program()).args(command.get_args()).env_clear();
    run.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run.current_dir(command.get_current_dir().expect("a sandbox has a folder"));
    run
}

/// The program that starts another one in this way. It is built at its first use.
fn starter() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attacks");
        fs::create_dir_all(&folder).expect("the target folder can be written");
        let output = folder.join("no_tmpfile");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/no_tmpfile.c");
        Done::of(Command::new("gcc").arg("-o").arg(&output).arg(source)).with_status(0);
        output
    })
}
