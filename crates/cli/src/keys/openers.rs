//! The openers of packed programs and locked images, as the user names them: recipients, or a passphrase.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use sealcrate_pack::{Openers, Recipient};

use super::{Ambient, ask_twice, named};
use crate::args::OpenerArgs;
use crate::commands::{cannot_read, open};
use crate::output::failure::Usage;
use crate::output::talk;

/// Anybody who has the file finds a shorter passphrase by trial, sooner or later.
const SHORT: usize = 12;

/// The longest file with a banner or recipients.
const MAX_TEXT: u64 = 64 << 10;

/// When a passphrase is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// Unless an option names it.
    Always,
    /// Where the environment does not have it either.
    LastOfAll,
}

/// Returns the passphrase or the recipients that will open a packed program or locked image.
pub(crate) fn openers(args: &OpenerArgs, asking: Asking, ambient: &Ambient) -> Result<Openers> {
    let OpenerArgs { recipient, recipients_file, passphrase, work_factor } = args;
    if !recipient.is_empty() || !recipients_file.is_empty() {
        let typed = recipient.iter().map(|text| text.as_str().parse().context("--recipient"));
        let mut recipients = typed.collect::<Result<Vec<Recipient>>>()?;
        for path in recipients_file {
            recipients.extend(recipients_in(path)?);
        }
        return Openers::recipients(recipients).map_err(|error| Usage(error.to_string()).into());
    }
    let passphrase = match named(passphrase)? {
        Some(passphrase) => passphrase,
        None if asking == Asking::Always => ask_twice()?,
        None => ambient.to_encrypt(passphrase)?,
    };
    let text = String::from_utf8_lossy(passphrase.as_bytes());
    if text.chars().count() < SHORT {
        talk::warn(format!(
            "anybody who has the result finds a passphrase of less than {SHORT} characters by trial: \
             `sealcrate keygen --passphrase` makes a strong one",
        ));
    }
    Ok(Openers::passphrase(passphrase.as_bytes(), *work_factor)?)
}

/// Reads a file with a recipient on each line that is neither blank nor a comment.
fn recipients_in(path: &Path) -> Result<Vec<Recipient>> {
    let text = String::from_utf8(read_text(path)?)
        .with_context(|| format!("{} is no text", path.display()))?;
    let lines = (1..).zip(text.lines().map(str::trim));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            line.parse().with_context(|| format!("{}, line {number}", path.display()))
        })
        .collect()
}

/// Reads a small file whole.
pub(crate) fn read_text(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_TEXT + 1).read_to_end(&mut bytes).with_context(|| cannot_read(path))?;
    anyhow::ensure!(bytes.len() as u64 <= MAX_TEXT, "{} is longer than 64 KiB", path.display());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_read_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipients");
        let one = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
        std::fs::write(&path, format!("# team\n\n{one}\r\n  {one}\n")).unwrap();
        assert_eq!(recipients_in(&path).unwrap(), [one.parse().unwrap(), one.parse().unwrap()]);
        std::fs::write(&path, format!("{one}\nage1\n")).unwrap();
        assert!(recipients_in(&path).unwrap_err().to_string().ends_with("line 2"));
        std::fs::write(&path, vec![b'#'; 70_000]).unwrap();
        assert!(recipients_in(&path).unwrap_err().to_string().ends_with("longer than 64 KiB"));
    }
}
