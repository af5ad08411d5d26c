//! Recipients of images, as they are written on the command line.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::slice;

use anyhow::{Context, Result};
use sealcrate_crypt::ocicrypt::{FormerRecipient, MAX_KEY_FILE_BYTES, Recipient};
use sealcrate_image::Runtime;

use crate::args::Typed;
use crate::keys::key_providers;
use crate::output::failure::{NoOpenPgpFile, Usage};

/// Finds the recipients that were named: `age1…`, `jwe:FILE`, `pkcs7:FILE`, `pgp:FILE`,
/// `provider:NAME[:PARAMETER]`, or a file with `age1…` on its lines. Key providers are called on the
/// threads of `runtime`.
pub(crate) fn recipients(named: &[Typed], runtime: &Runtime) -> Result<Vec<Recipient>> {
    let mut found = Vec::new();
    for name in named {
        let name = name.as_str();
        if name.starts_with("age1") {
            found.push(Recipient::age(name).context("--recipient")?);
        } else if let Some(path) = name.strip_prefix("jwe:") {
            let cannot_use = || format!("cannot use the public key in {path}");
            let file = read(path).with_context(cannot_use)?;
            found.push(Recipient::jwe(&file).with_context(cannot_use)?);
        } else if let Some(path) = name.strip_prefix("pgp:") {
            let cannot_use = || format!("cannot use the OpenPGP key in {path}");
            found.push(Recipient::openpgp(&read_openpgp(path)?).with_context(cannot_use)?);
        } else if let Some(path) = name.strip_prefix("pkcs7:") {
            let cannot_use = || format!("cannot use the certificate in {path}");
            let file = read(path).with_context(cannot_use)?;
            found.push(Recipient::pkcs7(&file).with_context(cannot_use)?);
        } else if let Some(provider) = name.strip_prefix("provider:") {
            let Ok(provider) = provider.parse();
            found.push(Recipient::provider(key_providers::named(&provider, runtime)?));
        } else if Path::new(name).is_file() {
            found.extend(listed(name).with_context(|| format!("cannot use {name}"))?);
        } else {
            // It may be a secret in the wrong place, and is not repeated.
            let text = "a recipient is written age1…, jwe:FILE with a public key in the file, pkcs7:FILE \
                        with a certificate in it, pgp:FILE with a public OpenPGP key, \
                        provider:NAME[:PARAMETER], or as the name of a file that is there, with age1… on its \
                        lines";
            return Err(Usage(text.to_owned()).into());
        }
    }
    Ok(found)
}

/// Finds recipients to remove: written as those that are encrypted to, but an OpenPGP key may be
/// expired or revoked.
pub(crate) fn former_recipients(
    named: &[Typed],
    runtime: &Runtime,
) -> Result<Vec<FormerRecipient>> {
    let mut found = Vec::new();
    for name in named {
        match name.as_str().strip_prefix("pgp:") {
            Some(path) => {
                let cannot_use = || format!("cannot use the OpenPGP key in {path}");
                let file = read_openpgp(path)?;
                found.push(FormerRecipient::openpgp(&file).with_context(cannot_use)?);
            }
            None => {
                found.extend(
                    recipients(slice::from_ref(name), runtime)?.into_iter().map(Into::into),
                );
            }
        }
    }
    Ok(found)
}

/// Reads the file of an OpenPGP key, for which others take a name in GnuPG's keyring.
fn read_openpgp(path: &str) -> Result<Vec<u8>> {
    if !Path::new(path).exists() {
        return Err(NoOpenPgpFile(path.to_owned()).into());
    }
    read(path).with_context(|| format!("cannot use the OpenPGP key in {path}"))
}

/// Reads a file with a recipient on each line that is neither blank nor a comment.
fn listed(path: &str) -> Result<Vec<Recipient>> {
    let text = String::from_utf8(read(path)?).map_err(|_| Usage("it is no text".to_owned()))?;
    let lines = (1..).zip(text.lines().map(str::trim));
    let found: Vec<_> = lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| Recipient::age(line).with_context(|| format!("line {number}")))
        .collect::<Result<_>>()?;
    if found.is_empty() {
        return Err(Usage("there is no recipient in it".to_owned()).into());
    }
    Ok(found)
}

fn read(path: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_KEY_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_KEY_FILE_BYTES {
        return Err(Usage("it is longer than 64 KiB".to_owned()).into());
    }
    Ok(bytes)
}
