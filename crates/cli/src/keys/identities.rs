//! Identities for images: private keys in files, and the passwords that some of them are under.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sealcrate_crypt::Passphrase;
use sealcrate_crypt::ocicrypt::{Identity, IdentityError, MAX_KEY_FILE_BYTES};
use sealcrate_image::Runtime;
use sealcrate_pack::KeyOddity;
use zeroize::Zeroizing;

use super::{from_file_or_descriptor, prompt};
use crate::args::{ImageKey, KeyFile, PasswordSource};
use crate::keys::key_providers;
use crate::output::failure::MissingKey;
use crate::output::talk;

/// Reads the identities in files, and finds the key providers among these, which are called on the threads of
/// `runtime`.
pub(crate) fn identities(named: &[ImageKey], runtime: &Runtime) -> Result<Vec<Identity>> {
    let mut identities = Vec::with_capacity(named.len());
    for (place, key) in named.iter().enumerate() {
        let file = match key {
            ImageKey::File(file) => file,
            ImageKey::Provider(provider) => {
                identities.push(Identity::provider(key_providers::named(provider, runtime)?));
                continue;
            }
        };
        let read = identity(file);
        // Other tools want the certificate beside the key; without any key, it is a mistake.
        let is_certificate = matches!(&read, Err(error)
            if matches!(error.downcast_ref(), Some(IdentityError::Certificate)));
        let is_last_hope = identities.is_empty() && place + 1 == named.len();
        if !is_certificate || is_last_hope {
            let context = || format!("cannot use the key in {}", file.path.display());
            identities.push(read.with_context(context)?);
        }
    }
    Ok(identities)
}

fn identity(file: &KeyFile) -> Result<Identity> {
    let bytes = read(&file.path)?;
    let password = match &file.password {
        Some(source) => password(source)?,
        None => match Identity::parse(&bytes) {
            Err(IdentityError::Password) => {
                prompt(&format!("Password of {}: ", file.path.display()))?
            }
            Err(error @ (IdentityError::Age | IdentityError::NoKey)) => {
                return Err(written_otherwise(error, &bytes));
            }
            parsed => return Ok(parsed?),
        },
    };
    Ok(Identity::parse_with_password(&bytes, &password)?)
}

/// Adds how a text is written that is meant as an age identity.
fn written_otherwise(error: IdentityError, text: &[u8]) -> anyhow::Error {
    match KeyOddity::of_identity(text) {
        Some(oddity) => anyhow::Error::new(error).context(format!("of age identities, {oddity}")),
        None => error.into(),
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_BYTES + 1));
    let most = MAX_KEY_FILE_BYTES as u64 + 1;
    if path == Path::new("-") {
        io::stdin().take(most).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(most).read_to_end(&mut bytes)?;
    }
    ensure!(!bytes.is_empty(), "it is empty");
    Ok(bytes)
}

fn password(source: &PasswordSource) -> Result<Passphrase> {
    let given = match source {
        PasswordSource::Descriptor(fd) => from_file_or_descriptor(None, Some(*fd), "password")?,
        PasswordSource::File(path) => from_file_or_descriptor(Some(path), None, "password")?,
        PasswordSource::Typed(typed) => {
            talk::warn("other users of this machine can read a password behind :pass=");
            Some(Passphrase::from_text(Zeroizing::new(typed.as_bytes().to_vec()))?)
        }
    };
    given.ok_or_else(|| MissingKey.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_that_are_written_otherwise_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for (text, told) in [
            ("age-secret-key-1qqqq", "of age identities, this one is in lower case"),
            ("\"AGE-SECRET-KEY-1QQQQ\"", "of age identities, this one is in quotes"),
            ("age1qqqq", "of age identities, this one is a recipient"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = identity(&KeyFile { path: path.clone(), password: None }).unwrap_err();
            assert_eq!(error.to_string(), told);
        }
    }

    #[test]
    fn line_end_of_a_password_on_the_command_line_does_not_count() {
        let typed = PasswordSource::Typed("secret\n".parse().unwrap());
        assert_eq!(password(&typed).unwrap().as_bytes(), b"secret");
    }
}
