//! The output of the suite's runs of the binary, and the search of it for secrets.
//!
//! `SEALCRATE_TEST_TRANSCRIPTS` names the folder, in which `cargo xtask test` finds all of it at the end.
//! `runs` has a file for each test of each process, `secrets` one for each process.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::sync::OnceLock;
use std::{env, thread};

use super::noted::{SHORTEST, forms_of, note_secrets_of};

/// The variable that names the folder.
const VARIABLE: &str = "SEALCRATE_TEST_TRANSCRIPTS";

/// A secret that was printed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// The test whose run printed it.
    pub test: String,
    /// The kind of the secret, never the secret itself.
    pub kind: String,
}

/// Returns the folder of the whole suite. `cargo test` alone has no such folder: then it is one beside the test
/// programs.
pub fn transcripts() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| env::var_os(VARIABLE).map_or_else(without_suite, PathBuf::from)).clone()
}

/// Returns the folder beside the test programs, without the transcripts of processes that have ended.
fn without_suite() -> PathBuf {
    let program = env::current_exe().expect("a test has a program");
    let folder = program.parent().expect("programs are in folders").with_file_name("transcripts");
    let transcripts = ["runs", "secrets"].map(|part| fs::read_dir(folder.join(part)));
    for transcript in transcripts.into_iter().flatten().flatten().flatten() {
        let name = transcript.file_name();
        let process = name.to_str().and_then(|name| name.rsplit('.').next()).unwrap_or_default();
        if !Path::new("/proc").join(process).exists() {
            // Another test may remove it at this moment.
            let _ = fs::remove_file(transcript.path());
        }
    }
    folder
}

/// Notes the output of `command` and the secrets that it got, if it is a program of ours.
pub fn record(command: &Command, printed: &[&[u8]]) {
    if !is_ours(command) {
        return;
    }
    note_secrets_of(command);
    record_printed(printed);
}

/// Notes the output of a program of ours in the running test.
pub fn record_printed(printed: &[&[u8]]) {
    // Threads that a test starts have no name.
    let thread = thread::current();
    let test = thread.name().unwrap_or("thread-of-a-test").replace("::", ".");
    let mut bytes = printed.join(&b'\n');
    bytes.push(b'\n');
    append("runs", &format!("{}.{test}.{}", program(), id()), &bytes);
}

pub(crate) fn write_secret(kind: &str, secret: &[u8]) {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    append("secrets", &format!("{}.{}", program(), id()), format!("{kind}\t{hex}\n").as_bytes());
}

fn append(part: &str, name: &str, bytes: &[u8]) {
    let folder = transcripts().join(part);
    fs::create_dir_all(&folder).expect("the folder of transcripts can be written");
    let file = OpenOptions::new().append(true).create(true).open(folder.join(name));
    let written = file.and_then(|mut file| file.write_all(bytes));
    written.expect("the folder of transcripts can be written");
}

/// The name of the running test program, without cargo's hash.
fn program() -> String {
    let path = env::current_exe().unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split('-').next().unwrap_or_default().to_owned()
}

/// Tells whether `command` starts a program of ours: the binary under test, a program that it packed, or a
/// program in a container of an image that it locked. The system's programs and Docker's client are not ours.
fn is_ours(command: &Command) -> bool {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let is_of_system =
        |path: &Path| ["/usr", "/bin", "/sbin"].iter().any(|folder| path.starts_with(folder));
    let is_ours = |path: &Path| {
        let may_be_started = |path: &Path| {
            path.metadata()
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 > 0)
        };
        path.is_absolute() && !is_of_system(path) && may_be_started(path)
    };
    let is_docker = Path::new(command.get_program()).ends_with("docker");
    is_docker || words.map(Path::new).any(is_ours)
}

/// Searches the output of all runs for all secrets.
///
/// # Panics
/// If the folder cannot be read.
pub fn leaks_in(folder: &Path) -> BTreeSet<Leak> {
    let secrets = secrets_in(&folder.join("secrets"));
    let mut leaks = BTreeSet::new();
    for (name, printed) in files_in(&folder.join("runs")) {
        let kinds = printed.windows(SHORTEST).enumerate().flat_map(|(at, beginning)| {
            let known = secrets.get(beginning).into_iter().flatten();
            let rest = &printed[at..];
            known.filter(|(form, _)| rest.starts_with(form)).map(|(_, kind)| kind)
        });
        let test = name.rsplit_once('.').map_or(&*name, |(test, _)| test);
        leaks.extend(kinds.map(|kind| Leak { test: test.to_owned(), kind: kind.clone() }));
    }
    leaks
}

/// All forms of all secrets, with their kinds, by how they begin.
fn secrets_in(folder: &Path) -> HashMap<Vec<u8>, Vec<(Vec<u8>, String)>> {
    let mut all: HashMap<Vec<u8>, Vec<(Vec<u8>, String)>> = HashMap::new();
    let mut seen = BTreeSet::new();
    for (_, content) in files_in(folder) {
        let content = String::from_utf8(content).expect("the list of secrets is text");
        for line in content.lines() {
            let (kind, hex) = line.split_once('\t').expect("a secret has a kind");
            if !seen.insert(hex.to_owned()) {
                continue;
            }
            let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("it is hexadecimal");
            let secret: Vec<u8> = (0..hex.len()).step_by(2).map(digits).collect();
            for form in forms_of(&secret) {
                all.entry(form[..SHORTEST].to_vec()).or_default().push((form, kind.to_owned()));
            }
        }
    }
    all
}

fn files_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let read = |entry: fs::DirEntry| {
        let content = fs::read(entry.path()).expect("transcripts can be read");
        (entry.file_name().to_string_lossy().into_owned(), content)
    };
    entries.map(|entry| read(entry.expect("transcripts can be listed"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(printed: &str, secrets: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (part, name, content) in
            [("runs", "e2e.pull.it_works.1", printed), ("secrets", "faults.2", secrets)]
        {
            fs::create_dir(folder.path().join(part)).unwrap();
            fs::write(folder.path().join(part).join(name), content).unwrap();
        }
        folder
    }

    #[test]
    fn printed_secrets_are_found_with_their_test_and_kind_whoever_made_them() {
        // "a long passphrase"
        let secrets = "passphrase\t61206c6f6e672070617373706872617365\n";
        for printed in [
            "it is: a long passphrase!",
            "YSBsb25nIHBhc3NwaHJhc2U=",
            "97, 32, 108, 111, 110, \
             103, 32, 112, 97, 115, 115, 112, 104, 114, 97, 115, 101",
            "61206c6f6e672070617373706872617365",
        ] {
            let folder = folder_of(printed, secrets);
            let leak = Leak { test: "e2e.pull.it_works".to_owned(), kind: "passphrase".to_owned() };
            assert_eq!(leaks_in(folder.path()), BTreeSet::from([leak]), "{printed}");
        }
        let folder = folder_of("a long passphras", secrets);
        assert!(leaks_in(folder.path()).is_empty());
    }

    #[test]
    fn programs_of_the_system_are_not_ours() {
        assert!(!is_ours(Command::new("age-keygen").args(["-o", "/tmp", "/usr/bin/env"])));
        assert!(is_ours(Command::new("setsid").arg(env::current_exe().unwrap())));
    }
}
