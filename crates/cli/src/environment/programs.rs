//! Other programs that sealcrate starts: where it finds them, and which parts of its own state they see.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{Access, access};

use crate::keys;

/// Prepares to start `program`: a name, which it looks up in the folders of `path`, or an absolute path.
///
/// The folder in which the user works may be a stranger's, a checkout for one. So it starts nothing in
/// there. Of `path`, which has the form of `PATH`, only absolute folders count, and the program gets these
/// alone as its own `PATH`. The program does not get the passphrase in the environment either.
///
/// # Errors
/// The program is in none of the folders, or its path is relative.
pub(crate) fn command(program: &Path, path: &OsStr) -> io::Result<Command> {
    let folders: Vec<PathBuf> = env::split_paths(path).filter(|it| it.is_absolute()).collect();
    let mut command = Command::new(find(program, &folders)?);
    command.env_remove(keys::VARIABLE);
    // Without any, the program has the system's own folders, and not the current one.
    match env::join_paths(&folders) {
        Ok(path) if !path.is_empty() => command.env("PATH", path),
        _ => command.env_remove("PATH"),
    };
    Ok(command)
}

/// Keeps open descriptors from programs that start later: the user may have opened one for a passphrase.
/// This program can use them as before.
pub(crate) fn keep_descriptors() {
    // Standard input, output and error are replaced at each start.
    close_fds::set_fds_cloexec(3, &[]);
}

/// Returns `PATH` as it is in the environment.
pub(crate) fn path() -> OsString {
    env::var_os("PATH").unwrap_or_default()
}

fn find(program: &Path, folders: &[PathBuf]) -> io::Result<PathBuf> {
    if program.is_absolute() {
        return Ok(program.to_owned());
    }
    if program.as_os_str().as_encoded_bytes().contains(&b'/') {
        let text = "its path is relative, and nothing is started from the current folder";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let can_run = |file: &PathBuf| file.is_file() && access(file, Access::EXEC_OK).is_ok();
    let mut files = folders.iter().map(|folder| folder.join(program));
    let absent = || io::Error::new(io::ErrorKind::NotFound, "it is in no folder that PATH names");
    files.find(can_run).ok_or_else(absent)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A folder with a file of this name in it.
    fn folder(name: &str, mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, "").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        folder
    }

    fn found(program: &str, path: &str) -> io::Result<PathBuf> {
        command(Path::new(program), path.as_ref()).map(|command| command.get_program().into())
    }

    #[test]
    fn program_is_found_in_the_first_absolute_folder_that_can_run_it() {
        let (data, program) = (folder("it", 0o644), folder("it", 0o755));
        let path = format!("{}:/nowhere:{}", data.path().display(), program.path().display());
        assert_eq!(found("it", &path).unwrap(), program.path().join("it"));
        assert_eq!(found("/any/where", "").unwrap(), Path::new("/any/where"));
        assert_eq!(found("other", &path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn nothing_is_started_from_a_relative_folder() {
        let program = folder("it", 0o755);
        let up = env::current_dir().unwrap().components().map(|_| "..").collect::<PathBuf>();
        let relative = up.join(program.path().strip_prefix("/").unwrap());
        assert!(relative.join("it").is_file(), "{}", relative.display());
        let path = relative.to_str().unwrap();
        for path in [path.to_owned(), format!("{path}:"), format!("::{path}:/nowhere")] {
            assert_eq!(found("it", &path).unwrap_err().kind(), io::ErrorKind::NotFound, "{path}");
        }
        for program in [&format!("{path}/it"), "./it", "../it"] {
            let error = found(program, "/bin").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{program}");
        }
    }

    #[test]
    fn program_looks_for_others_in_the_same_folders() {
        let given = |path: &str| {
            let command = command(Path::new("/it"), path.as_ref()).unwrap();
            let mut variables = command.get_envs().filter(|(name, _)| *name == "PATH");
            variables.next().unwrap().1.map(OsStr::to_owned)
        };
        assert_eq!(given("/bin::.:src:/usr/bin:").unwrap(), "/bin:/usr/bin");
        assert_eq!(given(""), None);
        assert_eq!(given(".:"), None);
    }
}
