//! Recipients of images, as they are written on the command line.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result};
use sealcrate_crypt::ocicrypt::{MAX_KEY_FILE_BYTES, Recipient};

use crate::args::Typed;
use crate::failure::Usage;

/// Finds the recipients that were named.
pub(crate) fn recipients(named: &[Typed]) -> Result<Vec<Recipient>> {
    named.iter().map(|name| recipient(name.as_str())).collect()
}

fn recipient(name: &str) -> Result<Recipient> {
    match name.split_once(':') {
        Some(("jwe", path)) => {
            let cannot_use = || format!("cannot use the public key in {path}");
            Recipient::jwe(&read(path).with_context(cannot_use)?).with_context(cannot_use)
        }
        // What is refused may be a secret in the wrong place, and is not repeated.
        _ => {
            Err(Usage("a recipient is written jwe:FILE, with a public key in the file".to_owned())
                .into())
        }
    }
}

fn read(path: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_KEY_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
