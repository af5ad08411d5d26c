//! Where programs are packed and started: a machine of its own, with keys that age made.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use sealcrate_tests::{Done, Sandbox, note_key, note_secret};

/// The passphrase in the file `key`.
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

/// The cheapest key derivation that is written.
pub(crate) const FAST: &str = "--work-factor=14";

/// A key pair of Debian's `age-keygen`.
pub(crate) struct KeyPair {
    /// The whole file: comments, then the identity.
    pub(crate) file: String,
    /// `AGE-SECRET-KEY-1…`.
    pub(crate) identity: String,
    /// `age1…`.
    pub(crate) recipient: String,
}

impl KeyPair {
    fn generate() -> Self {
        let file = Done::of(&mut Command::new("age-keygen")).with_status(0).stdout;
        note_key(file.as_bytes());
        let word = |beginning: &str| {
            let mut words = file.split_whitespace();
            words.find(|word| word.starts_with(beginning)).unwrap().to_owned()
        };
        Self { identity: word("AGE-SECRET-KEY-1"), recipient: word("age1"), file: file.clone() }
    }
}

/// The key pair in the file `identity`.
pub(crate) fn key_pair() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(KeyPair::generate)
}

/// The key pair in the file `other-identity`.
pub(crate) fn other_key_pair() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(KeyPair::generate)
}

/// A sandbox with a passphrase in the file `key` and key pairs in `identity` and `other-identity`.
pub(crate) struct Workshop {
    pub(crate) sandbox: Sandbox,
    packed: Cell<usize>,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        let workshop = Self { sandbox: Sandbox::new(), packed: Cell::new(0) };
        workshop.write("key", format!("{PASSPHRASE}\n"));
        note_secret("passphrase", PASSPHRASE);
        workshop.write("identity", &key_pair().file);
        workshop.write("other-identity", &other_key_pair().file);
        workshop
    }

    /// The path of one of the sandbox's own files.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.work().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// Prepares a run of sealcrate that has no terminal.
    pub(crate) fn sealcrate(&self, arguments: &[&str]) -> Command {
        let binary = self.sandbox.sealcrate();
        let mut command = self.sandbox.command("setsid");
        command.arg("--wait").arg(binary.get_program()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs sealcrate, which must succeed and leave nothing in the temporary folder.
    #[track_caller]
    pub(crate) fn succeed(&self, arguments: &[&str]) -> Done {
        let done = Done::of(&mut self.sealcrate(arguments)).with_status(0);
        self.sandbox.assert_nothing_is_left();
        done
    }

    /// Packs a program, which must succeed, into a new file.
    #[track_caller]
    pub(crate) fn pack_with(&self, program: &Path, options: &[&str]) -> PathBuf {
        let output = self.path(&format!("packed-{}", self.packed.replace(self.packed.get() + 1)));
        let paths = [program, &output].map(|path| path.to_str().unwrap());
        self.succeed(&[&["pack", paths[0], "-o", paths[1]], options].concat());
        output
    }

    /// Packs a program to the key pair in the file `identity`, of which a warning has to say something.
    #[track_caller]
    pub(crate) fn pack_warned(&self, program: &Path, text: &str) -> PathBuf {
        let output = self.path("warned");
        let paths = [program, &output].map(|path| path.to_str().unwrap());
        let recipient = &key_pair().recipient;
        let arguments = ["pack", paths[0], "-o", paths[1], "-r", recipient, "--force"];
        let done = self.succeed(&arguments).says(text).says("--in-folder PATH");
        assert_eq!(done.lines("warning: ").len(), 1, "{}", done.said());
        output
    }

    /// Packs a program to the key pair in the file `identity`.
    #[track_caller]
    pub(crate) fn pack(&self, program: &Path) -> PathBuf {
        self.pack_with(program, &["-r", &key_pair().recipient])
    }

    /// Packs a program under the passphrase in the file `key`.
    #[track_caller]
    pub(crate) fn pack_under_passphrase(&self, program: &Path) -> PathBuf {
        self.pack_with(program, &["--pass-file", "key", FAST])
    }
}

/// Writes a program that will be started.
///
/// The file that is started was never open in this process: a child that another test starts at this
/// moment would hold it open too, and then the system does not start it ("text file busy").
pub(crate) fn install(bytes: &[u8], path: &Path) {
    let source = path.with_extension("source");
    fs::write(&source, bytes).unwrap();
    fs::set_permissions(&source, PermissionsExt::from_mode(0o755)).unwrap();
    let _ = fs::remove_file(path);
    Done::of(Command::new("cp").arg(source).arg(path)).with_status(0);
}

/// Prepares a start that has no terminal, no variables and nothing to read.
pub(crate) fn start(program: &Path) -> Command {
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(program).env_clear().stdin(Stdio::null());
    command
}

/// Prepares a start with the identity that opens what [`Workshop::pack`] made.
pub(crate) fn start_with_key(program: &Path) -> Command {
    let mut command = start(program);
    command.env("BP", &key_pair().identity);
    command
}

/// Asserts that a packed program refused to run: with one line that says it, and nothing else.
#[track_caller]
pub(crate) fn assert_refused(done: Done, status: i32, text: &str) {
    let done = done.with_status(status).says(text);
    let lines: Vec<_> = done.stderr.lines().collect();
    assert!(lines.len() == 1 && lines[0].starts_with("sealcrate: "), "{}", done.said());
    assert_eq!(done.stdout, "", "{}", done.said());
}
