//! `pack`: from a program to one that opens itself.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sealcrate_image::{MeteredReader, Stage};
use sealcrate_pack::{
    Compression, InFolder, Openers, OwnFile, Packer, Parameters, Privilege, Program, Recipient,
    missing_targets, stubs,
};
use serde_json::json;

use super::{cannot_read, open, print, print_file};
use crate::args::{OpenerArgs, Output, PackArgs, StartArgs};
use crate::environment::destination::{Destination, Existing};
use crate::keys;
use crate::keys::Ambient;
use crate::output::failure::{Privileged, Usage};
use crate::output::report;
use crate::output::talk;
use crate::session::Local;

/// The folder in which engines put secrets.
const SECRETS: &str = "/run/secrets/";

/// A shorter passphrase is tried out sooner or later by anybody who has the image.
const SHORT: usize = 12;

/// The longest file with a banner or recipients.
const MAX_TEXT: u64 = 64 << 10;

pub(crate) fn run(args: &PackArgs, local: &Local) -> Result<()> {
    if args.list_targets {
        return list_targets(args.output);
    }
    let path = args.program.as_deref().expect("clap requires it");
    let out = args.out.as_deref().expect("clap requires it");
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let destination = Destination::new(out, existing)?;
    let StartArgs { variable, start_key_file: named, .. } = &args.start;
    let start_key_file = start_key_file(variable, named.as_deref());
    let banner = match &args.start.banner {
        Some(path) => read_text(path).context("cannot read the banner")?,
        None => Vec::new(),
    };

    let mut file = open(path)?;
    let program =
        Program::read(&file).with_context(|| format!("cannot pack {}", path.display()))?;
    let mode = file.metadata().with_context(|| cannot_read(path))?.mode() & 0o777;
    let in_folder = in_folder(args, path, mode, program.size())?;
    let size = in_folder.as_ref().map_or_else(|| program.size(), InFolder::size);
    let compression: Compression = args.compress.into();
    let parameters = Parameters::new(
        compression.needed_mib(size),
        variable,
        start_key_file.as_os_str().as_bytes(),
        &banner,
    )
    .map_err(|error| Usage(error.to_string()))?;
    check_privileges(&file, existing).with_context(|| format!("cannot pack {}", path.display()))?;
    if in_folder.is_none() {
        warn_of_own_file(&program, &file).with_context(|| cannot_read(path))?;
    }

    let asking = if args.ask { Asking::Always } else { Asking::LastOfAll };
    let protection = protection(&args.openers, asking, &local.keys)?;
    let packer = Packer { parameters, openers: &protection, compression };
    let packed = destination.create(0o600, &local.interrupt)?;
    file.rewind().with_context(|| cannot_read(path))?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let meter =
        local.progress.begin(Stage::Encrypt, &report::printable(&name), Some(program.size()));
    let mut input = MeteredReader::new(&file, &*meter);
    let written = match &in_folder {
        Some(in_folder) => {
            in_folder.content(&mut input).map_err(Into::into).and_then(|(mut content, len)| {
                let target = program.target();
                Ok(packer.pack_content(target, &mut content, len, packed.file())?)
            })
        }
        None => packer.pack(&program, &mut input, packed.file()).map_err(anyhow::Error::from),
    };
    let written = written.with_context(|| format!("cannot pack {}", path.display()))?;
    meter.done();
    destination.name_with_mode(packed, mode, &local.interrupt)?;
    print_file(args.output, out, &written, program.target())
}

/// Returns the folder that the program is put into when it starts, if it is.
fn in_folder(args: &PackArgs, program: &Path, mode: u32, len: u64) -> Result<Option<InFolder>> {
    let Some(folder) = &args.in_folder else { return Ok(None) };
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut in_folder = InFolder::new(folder, name, mode, len)
        .map_err(|error| Usage(format!("--in-folder: {error}")))?;
    for path in &args.with {
        in_folder.add(path).context("--with")?;
    }
    Ok(Some(in_folder))
}

/// Warns where the program looks for itself, or for others beside it, and will not find them.
fn warn_of_own_file(program: &Program, file: &File) -> io::Result<()> {
    let advice = "put it into a folder when it starts, with --in-folder PATH";
    if let Some(run_path) = program.run_path() {
        talk::warn(format!(
            "the program looks for libraries beside itself ({}), but once it is packed and started \
             it lies in no folder: link it statically, or to libraries at a path, or {advice}, and \
             the libraries beside it, with --with FILE",
            report::printable(run_path)
        ));
    }
    if let Some(own_file) = OwnFile::of(file)? {
        talk::warn(format!(
            "the program {own_file}, but once it is packed and started it has none: {advice}"
        ));
    }
    Ok(())
}

fn list_targets(output: Output) -> Result<()> {
    let stubs = stubs().iter().map(|stub| (stub.target.name, stub.bytes.len()));
    let missing: Vec<&str> = missing_targets().map(|target| target.name).collect();
    let listed = stubs.clone().map(|(name, bytes)| format!("{name}\t{bytes}"));
    let others = missing.iter().map(|name| format!("{name}\tnot in this build"));
    let lines: Vec<_> = listed.chain(others).collect();
    let targets: Vec<_> =
        stubs.map(|(name, bytes)| json!({ "name": name, "stub_bytes": bytes })).collect();
    print(output, &lines.join("\n"), &json!({ "targets": targets, "missing": missing }))
}

/// Returns where a packed program or locked image looks for a file with the key: where the user has
/// `named` one, or in the secret that is called like the variable.
pub(super) fn start_key_file(variable: &str, named: Option<&Path>) -> PathBuf {
    match named {
        Some(path) => path.to_owned(),
        None => Path::new(SECRETS).join(variable.to_ascii_lowercase()),
    }
}

/// Refuses a file whose privileges would be lost, unless it was said that they may be.
fn check_privileges(file: &File, existing: Existing) -> Result<()> {
    let privileges = Privilege::of(file)?;
    if privileges.is_empty() {
        return Ok(());
    }
    let names = privileges.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    match existing {
        Existing::Keep => Err(Privileged(names).into()),
        Existing::Replace => {
            talk::warn(format!("the packed program does not have the program's {names}"));
            Ok(())
        }
    }
}

/// When a passphrase is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// Unless an option names it.
    Always,
    /// Where the environment does not have it either.
    LastOfAll,
}

/// Returns what will open a packed program or locked image.
pub(super) fn protection(
    openers: &OpenerArgs,
    asking: Asking,
    ambient: &Ambient,
) -> Result<Openers> {
    let OpenerArgs { recipient, recipients_file, passphrase, work_factor } = openers;
    if !recipient.is_empty() || !recipients_file.is_empty() {
        let typed = recipient.iter().map(|text| text.as_str().parse().context("--recipient"));
        let mut recipients = typed.collect::<Result<Vec<Recipient>>>()?;
        for path in recipients_file {
            recipients.extend(recipients_in(path)?);
        }
        return Openers::recipients(recipients).map_err(|error| Usage(error.to_string()).into());
    }
    let passphrase = match keys::named(passphrase)? {
        Some(passphrase) => passphrase,
        None if asking == Asking::Always => keys::ask_twice()?,
        None => ambient.to_encrypt(passphrase)?,
    };
    let text = String::from_utf8_lossy(passphrase.as_bytes());
    if text.chars().count() < SHORT {
        talk::warn(format!(
            "a passphrase of less than {SHORT} characters can be found by trial by anybody who has \
             what is written: `sealcrate keygen --passphrase` makes a strong one",
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
pub(super) fn read_text(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_TEXT + 1).read_to_end(&mut bytes).with_context(|| cannot_read(path))?;
    anyhow::ensure!(bytes.len() as u64 <= MAX_TEXT, "{} is longer than 64 KiB", path.display());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn parse(arguments: &[&str]) -> PackArgs {
        let all = ["sealcrate", "pack", "in", "-o", "out"].iter().chain(arguments);
        match Cli::try_parse_from(all).unwrap().command {
            Command::Pack(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn start_key_file_is_named_for_the_variable() {
        let found = |arguments: &[&str]| {
            let StartArgs { variable, start_key_file: named, .. } = parse(arguments).start;
            start_key_file(&variable, named.as_deref())
        };
        assert_eq!(found(&[]), Path::new("/run/secrets/bp"));
        assert_eq!(found(&["--env=My_KEY"]), Path::new("/run/secrets/my_key"));
        assert_eq!(found(&["--env=A", "--start-key-file=/k"]), Path::new("/k"));
    }

    #[test]
    fn passphrase_and_recipients_do_not_go_together() {
        let recipient =
            "--recipient=age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
        let fails = |arguments: &[&str]| {
            let all = ["sealcrate", "pack", "in", "-o", "out"].iter().chain(arguments);
            Cli::try_parse_from(all).unwrap_err().kind()
        };
        let kind = clap::error::ErrorKind::ArgumentConflict;
        for other in ["--pass=x", "-Px", "--pass-file=x", "--pass-fd=3", "-p", "--work-factor=16"] {
            assert_eq!(fails(&[recipient, other]), kind, "{other}");
            assert_eq!(fails(&["-Rx", other]), kind, "{other}");
        }
        assert!(parse(&["-p", "--pass-file=x"]).ask);
        assert_eq!(parse(&[recipient, recipient]).openers.recipient.len(), 2);
    }

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
