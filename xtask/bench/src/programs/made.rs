//! The programs that are packed and started: a small one in Go, and a large one that carries this
//! machine's files along. Both end at once.
//!
//! They are kept between runs, in the target folder.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::files;
use crate::steps::tell;
use xtask::child;

/// A program to be packed.
pub(super) struct Program {
    /// The name in tables.
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    /// How often it is started in a round.
    pub(super) starts: u16,
}

const SMALL: &str = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"started\") }\n";

const LARGE: &str = "#include <stdio.h>
__asm__(\".section .rodata\\n.global carried\\ncarried: .incbin \\\"\" CARRIED \"\\\"\\n.previous\");
extern const char carried[];
int main(void) { return puts(carried[0] ? \"started\" : \"also started\") < 0; }
";

/// How much of this machine's files the large program carries, in bytes.
const CARRIED: u64 = 126_000_000;

/// Returns the programs, those that were not kept in `folder` made now.
pub(super) fn all(folder: &Path) -> anyhow::Result<[Program; 2]> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let small = made(folder, "small-program", |output| {
        let source = output.with_extension("go");
        fs::write(&source, SMALL)?;
        let mut command = Command::new("go");
        command.args(["build", "-o"]).arg(output).arg(source);
        command.env("CGO_ENABLED", "0").env("GO111MODULE", "off");
        child::quietly(command)
    })?;
    let large = made(folder, "large-program", |output| {
        let (source, carried) = (output.with_extension("c"), output.with_extension("carried"));
        fs::write(&source, LARGE)?;
        write_carried(&carried)?;
        let mut command = Command::new("gcc");
        command.args(["-static", "-s", "-o"]).arg(output).arg(source);
        command.arg(format!("-DCARRIED=\"{}\"", carried.display()));
        child::quietly(command)?;
        fs::remove_file(carried)?;
        Ok(())
    })?;
    Ok([
        Program { name: "2 MB, Go", path: small, starts: 20 },
        Program { name: "127 MB, C and files", path: large, starts: 3 },
    ])
}

fn made(
    folder: &Path,
    name: &str,
    make: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    if !path.exists() {
        tell(&format!("making the {}", name.replace('-', " ")));
        let unfinished = folder.join(format!("{name}.unfinished"));
        make(&unfinished)?;
        fs::rename(unfinished, &path)?;
    }
    Ok(path)
}

fn write_carried(path: &Path) -> anyhow::Result<()> {
    let mut output = BufWriter::new(File::create(path)?);
    let mut left = CARRIED;
    for file in files::all()? {
        // Not everybody may read every file.
        let Ok(file) = File::open(&file) else { continue };
        left -= io::copy(&mut file.take(left), &mut output)?;
        if left == 0 {
            break;
        }
    }
    output.flush().context("cannot write what the large program carries")
}
