//! `pack`: from a program to one that opens itself.

use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};
use sealcrate_core::{Error, Existing, PackOptions, PackOptionsError, StartFolder, start_key_file};
use sealcrate_lock::{Privileges, Start};
use sealcrate_pack::{missing_targets, stubs};
use serde_json::json;

use super::{print, print_program};
use crate::args::{Output, PackArgs, StartArgs};
use crate::keys::openers::{Asking, openers, read_text};
use crate::output::failure::boxed;
use crate::session::Local;

pub(crate) fn run(args: &PackArgs, local: &Local) -> Result<()> {
    if args.list_targets {
        return list_targets(args.output);
    }
    let program = args.program.as_deref().expect("clap requires it");
    let to = args.out.as_deref().expect("clap requires it");
    let (existing, privileges) = match args.force {
        true => (Existing::Replace, Privileges::LeaveOut),
        false => (Existing::Keep, Privileges::Refuse),
    };
    let StartArgs { variable, start_key_file: named, .. } = &args.start;
    let key_file = start_key_file(variable, named.as_deref());
    let banner = match &args.start.banner {
        Some(path) => read_text(path).context("cannot read the banner")?,
        None => Vec::new(),
    };
    let start = Start { variable, key_file: key_file.as_os_str().as_bytes(), banner: &banner };
    let asking = if args.ask { Asking::Always } else { Asking::LastOfAll };
    let options = PackOptions {
        program,
        to,
        existing,
        privileges,
        start,
        folder: args.in_folder.as_deref().map(|path| StartFolder { path, beside: &args.with }),
        compression: args.compress.into(),
        openers: &|| openers(&args.openers, asking, &local.keys).map_err(boxed),
    };
    let written = sealcrate_core::pack(&local.files(), &options).map_err(with_option)?;
    print_program(args.output, to, &written)
}

/// Adds the name of the option that an error is about.
fn with_option(error: Error) -> anyhow::Error {
    let option = match &error {
        Error::PackOptions(PackOptionsError::Beside(_)) => "--with",
        Error::PackOptions(PackOptionsError::Folder(_)) => "--in-folder",
        _ => return error.into(),
    };
    anyhow::Error::new(error).context(option)
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

#[cfg(test)]
mod tests {
    use std::path::Path;

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
}
