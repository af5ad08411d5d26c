//! Passphrases from wherever the user keeps them: a file, a descriptor, the environment, a prompt.

mod identities;
pub(crate) mod key_folder;
pub(crate) mod key_providers;
pub(crate) mod openers;
mod recipients;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sealcrate_crypt::Passphrase;
use sealcrate_image::Printable;
use sealcrate_pack::Key;
use zeroize::Zeroizing;

use crate::args::{NewPassphraseArgs, PassphraseArgs};
use crate::output::failure::MissingKey;
use crate::output::talk;

pub(crate) use identities::identities;
pub(crate) use recipients::{former_recipients, recipients};

/// The variable that counts when no source is named on the command line.
pub(crate) const VARIABLE: &str = "SEALCRATE_PASS";

/// A longer file is not a passphrase but a mistake.
const MAX_BYTES: u64 = 64 << 10;

/// Where passphrases come from when the command line names no source.
#[derive(Clone, Default)]
pub(crate) struct Ambient {
    variable: Option<Zeroizing<Vec<u8>>>,
}

impl Ambient {
    /// Takes the variable's value, as it stood when the program began.
    pub(crate) fn new(variable: Option<OsString>) -> Self {
        Self { variable: variable.map(|value| Zeroizing::new(value.into_vec())) }
    }

    /// Returns the passphrase that is named or in the environment, or `None`.
    pub(crate) fn given(&self, args: &PassphraseArgs) -> Result<Option<Passphrase>> {
        match (named(args)?, &self.variable) {
            (Some(passphrase), _) => Ok(Some(passphrase)),
            (None, Some(value)) => Passphrase::from_text(value.clone()).context(VARIABLE).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Returns the passphrase with which to encrypt, asking twice if it is given nowhere.
    pub(crate) fn to_encrypt(&self, args: &PassphraseArgs) -> Result<Passphrase> {
        match self.given(args)? {
            Some(passphrase) => Ok(passphrase),
            None => ask_twice(),
        }
    }

    /// Returns the passphrase with which to decrypt, asking if it is given nowhere.
    pub(crate) fn to_decrypt(&self, args: &PassphraseArgs) -> Result<Passphrase> {
        match self.given(args)? {
            Some(passphrase) => Ok(passphrase),
            None => prompt("Passphrase: "),
        }
    }
}

/// Returns the passphrase that the command line names, or `None`.
pub(crate) fn named(args: &PassphraseArgs) -> Result<Option<Passphrase>> {
    if let Some(typed) = &args.pass {
        talk::warn("other users of this machine can read what is given with --pass");
        let bytes = Zeroizing::new(typed.as_bytes().to_vec());
        return Passphrase::from_text(bytes).context("--pass").map(Some);
    }
    from_file_or_descriptor(args.pass_file.as_deref(), args.pass_fd, "passphrase")
}

/// Returns the passphrase for the written image, or `None`.
pub(crate) fn new_passphrase(args: &NewPassphraseArgs) -> Result<Option<Passphrase>> {
    from_file_or_descriptor(args.new_pass_file.as_deref(), args.new_pass_fd, "passphrase")
}

/// Reads a file or descriptor, which errors call `what`.
fn from_file_or_descriptor(
    file: Option<&Path>,
    fd: Option<u32>,
    what: &str,
) -> Result<Option<Passphrase>> {
    let path = match (file, fd) {
        (Some(path), _) if path == Path::new("-") => {
            return from_reader(io::stdin(), "standard input", what);
        }
        (Some(path), _) => path.to_owned(),
        (None, Some(fd)) => PathBuf::from(format!("/proc/self/fd/{fd}")),
        (None, None) => return Ok(None),
    };
    let name = fd.map_or_else(|| path.display().to_string(), |fd| format!("file descriptor {fd}"));
    let file = File::open(&path).with_context(|| format!("cannot read the {what} from {name}"))?;
    from_reader(file, &name, what)
}

fn from_reader(reader: impl Read, name: &str, what: &str) -> Result<Option<Passphrase>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 1));
    reader
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read the {what} from {name}"))?;
    anyhow::ensure!(
        bytes.len() as u64 <= MAX_BYTES,
        "{name} is longer than 64 KiB: it holds something else than a {what}"
    );
    Passphrase::from_text(bytes).with_context(|| name.to_owned()).map(Some)
}

/// Returns the identities, or the passphrase, in a file that holds a key.
pub(crate) fn key_in(path: &Path) -> Result<Key> {
    let Some(text) = from_file_or_descriptor(Some(path), None, "key")? else {
        return Err(MissingKey.into());
    };
    key_of(&text).with_context(|| path.display().to_string())
}

/// Takes a passphrase, or a text that was given as one, for a key of packed programs.
pub(crate) fn key_of(text: &Passphrase) -> Result<Key> {
    Ok(Key::parse(Zeroizing::new(text.as_bytes().to_vec()))?)
}

/// Asks for a passphrase on the terminal, twice.
pub(crate) fn ask_twice() -> Result<Passphrase> {
    let first = prompt("Passphrase: ")?;
    let second = prompt("The same again: ")?;
    anyhow::ensure!(first.as_bytes() == second.as_bytes(), "the two passphrases are not the same");
    Ok(first)
}

/// Asks on the terminal, without echo.
fn prompt(text: &str) -> Result<Passphrase> {
    let typed = rpassword::prompt_password(Printable(text).to_string()).map_err(|error| {
        while error.kind() == io::ErrorKind::Interrupted {
            // Ctrl-C has raised a signal, and the thread that listens for it ends the program.
            std::thread::park();
        }
        MissingKey
    })?;
    Passphrase::new(Zeroizing::new(typed.into_bytes())).context("no passphrase was typed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing_named() -> PassphraseArgs {
        PassphraseArgs { pass_file: None, pass_fd: None, pass: None }
    }

    #[test]
    fn named_source_comes_before_the_variable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "from the file\r\n").unwrap();
        let ambient = Ambient::new(Some("from the variable".into()));
        let args = PassphraseArgs { pass_file: Some(file), ..nothing_named() };
        let given = |args| ambient.given(args).unwrap().unwrap().as_bytes().to_vec();
        assert_eq!(given(&args), b"from the file");
        assert_eq!(given(&nothing_named()), b"from the variable");
        assert!(Ambient::default().given(&nothing_named()).unwrap().is_none());
    }

    #[test]
    fn one_line_end_does_not_count_wherever_a_passphrase_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        for (text, taken) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n")] {
            std::fs::write(&file, text).unwrap();
            let ambient = Ambient::new(Some(text.into()));
            let in_file = PassphraseArgs { pass_file: Some(file.clone()), ..nothing_named() };
            let typed = PassphraseArgs { pass: Some(text.parse().unwrap()), ..nothing_named() };
            for args in [nothing_named(), in_file, typed] {
                let given = ambient.given(&args).unwrap().unwrap();
                assert_eq!(given.as_bytes(), taken.as_bytes(), "{text:?} {args:?}");
            }
        }
    }

    #[test]
    fn empty_and_huge_sources_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let refused = |content: Vec<u8>| {
            std::fs::write(&file, content).unwrap();
            let args = PassphraseArgs { pass_file: Some(file.clone()), ..nothing_named() };
            named(&args).unwrap_err()
        };
        assert!(format!("{:#}", refused(b"\n".to_vec())).ends_with("the passphrase is empty"));
        assert!(refused(vec![b'x'; 65_537]).to_string().contains("longer than 64 KiB"));
        let empty = Ambient::new(Some("".into()));
        assert!(empty.given(&nothing_named()).is_err());
    }
}
