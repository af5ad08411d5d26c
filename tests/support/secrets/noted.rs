//! The suite's secrets. The tests note every one, so that a search can find them in the recorded output
//! afterwards.
//!
//! The support code notes the secrets that it makes. It finds the secrets that a test gives to a program in
//! the program's arguments and variables, and in the files that these name.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::transcript;

/// Shorter texts occur by chance, and are no secrets.
pub(crate) const SHORTEST: usize = 8;

/// How many bytes of a key are searched for at once: a whole number of bytes in base64.
const PART: usize = 48;

/// Options before a passphrase.
const TEXTS: [&str; 2] = ["--pass", "-P"];

/// Options before a file with a passphrase.
const FILES: [&str; 2] = ["--pass-file", "--new-pass-file"];

/// Options before a file with a key. The key's password may follow.
const KEYS: [&str; 3] = ["--identity", "--decryption-key", "-i"];

/// Variables with a passphrase or a key.
const VARIABLES: [&str; 4] = ["SEALCRATE_PASS", "SEALCRATE_KEY", "BP", "START_KEY"];

/// Notes a secret that no program may print: its kind, which a failure names, and its bytes.
///
/// # Panics
/// If it is so short that it occurs by chance.
pub fn note_secret(kind: &str, secret: impl AsRef<[u8]>) {
    let secret = secret.as_ref();
    assert!(secret.len() >= SHORTEST, "a {kind} of {} bytes occurs by chance", secret.len());
    static NOTED: Mutex<Option<HashSet<Vec<u8>>>> = Mutex::new(None);
    let mut noted = NOTED.lock().unwrap_or_else(PoisonError::into_inner);
    if noted.get_or_insert_default().insert(secret.to_vec()) {
        transcript::write_secret(kind, secret);
    }
}

/// Notes the secret parts of a private key: the lines inside PEM, an identity of age, or pieces of any other
/// key.
pub fn note_key(key: &[u8]) {
    let text = str::from_utf8(key).unwrap_or_default();
    if text.contains("PRIVATE KEY") {
        // The first line tells the kind of key, the last one may be short.
        let lines: Vec<&str> = text.lines().filter(|line| line.len() == 64).collect();
        lines.iter().skip(1).for_each(|line| note_secret("private key", line));
    } else if text.contains("AGE-SECRET-KEY-") {
        let words = text.split_whitespace().filter(|word| word.starts_with("AGE-SECRET-KEY-"));
        words.for_each(|word| note_secret("age identity", word));
    } else if text.is_empty() {
        let parts = key.chunks_exact(PART).skip(1);
        parts.for_each(|part| note_secret("private key", part));
    }
}

/// Notes the secrets that a test gives to a program.
pub(crate) fn note_secrets_of(command: &Command) {
    let arguments: Vec<&str> = command.get_args().filter_map(OsStr::to_str).collect();
    let folder = command.get_current_dir().unwrap_or_else(|| Path::new("."));
    for (at, argument) in arguments.iter().enumerate() {
        let (option, value) = match argument.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (*argument, arguments.get(at + 1).copied()),
        };
        let Some(value) = value else { continue };
        if TEXTS.contains(&option) || VARIABLES.contains(&option) {
            note_given(value.as_bytes());
        } else if FILES.contains(&option) {
            note_file(&folder.join(value));
        } else if KEYS.contains(&option) {
            let (file, more) = value.split_once(':').unwrap_or((value, ""));
            note_file(&folder.join(file));
            if let Some(password) = more.strip_prefix("pass=") {
                note_given(password.as_bytes());
            } else if let Some(file) = more.strip_prefix("file=") {
                note_file(&folder.join(file));
            }
        }
    }
    for (name, value) in command.get_envs() {
        if let (true, Some(value)) = (VARIABLES.iter().any(|known| *known == name), value) {
            note_given(value.as_encoded_bytes());
        }
    }
}

fn note_file(path: &Path) {
    // If the file is missing, or no file, the test is about that.
    if path.is_file()
        && let Ok(content) = fs::read(path)
    {
        note_given(&content);
    }
}

/// Notes a passphrase or a key, in any form.
fn note_given(secret: &[u8]) {
    let is_text = str::from_utf8(secret).is_ok();
    let text = secret.trim_ascii();
    let is_key = memchr::memmem::find(secret, b"PRIVATE KEY").is_some()
        || memchr::memmem::find(secret, b"AGE-SECRET-KEY-").is_some();
    if is_key || !is_text {
        note_key(secret);
    } else if (SHORTEST..=4096).contains(&text.len()) && !text.contains(&b'\n') {
        note_secret("passphrase", text);
    }
}

/// The forms in which a secret may be printed: as it is, in base64, in hexadecimal, and as a list of numbers.
pub(crate) fn forms_of(secret: &[u8]) -> Vec<Vec<u8>> {
    let encoded = STANDARD.encode(secret);
    // The last quantum depends on what follows.
    let encoded = &encoded[..encoded.len() / 4 * 4 - 4];
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let numbers = |separator| {
        secret.iter().map(u8::to_string).collect::<Vec<_>>().join(separator).into_bytes()
    };
    let for_urls = encoded.replace('+', "-").replace('/', "_");
    let mut forms = vec![secret.to_vec(), encoded.into(), for_urls.into_bytes()];
    forms.extend([hex.to_uppercase().into_bytes(), hex.into_bytes(), numbers(", "), numbers(",")]);
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_secret_is_known() {
        let forms = forms_of(b"\xfa\xfbc secret?>");
        for form in ["+vtjIHNlY3JldD8", "-vtjIHNlY3JldD8", "fafb632073", "250, 251, 99"] {
            let is_found = |it: &Vec<u8>| it.starts_with(&form.as_bytes()[..form.len().min(12)]);
            assert!(forms.iter().any(is_found), "{form}");
        }
    }

    #[test]
    #[should_panic(expected = "a password of 3 bytes occurs by chance")]
    fn short_secrets_are_refused() {
        note_secret("password", "abc");
    }
}
