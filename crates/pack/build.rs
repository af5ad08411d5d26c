//! Embeds stubs and inits.
//!
//! If `SEALCRATE_STUBS_DIR` is set, they are taken from that folder. Otherwise this script builds them,
//! for its own target alone. `sealcrate pack --list-targets` names the missing ones. A build of the
//! profile `dist` fails if one is missing.

use std::fmt::Write as _;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::{env, error, fs};

use sealcrate_stub_build::{
    Build, Compiler, Network, Pair, Sources, check_release, folder_of_profile,
};
use sealcrate_targets::{TARGETS, Target};

/// The folder of ready stubs. A distribution has one, and `cargo xtask stubs` makes one.
const FOLDER: &str = "SEALCRATE_STUBS_DIR";

fn main() {
    if let Err(error) = embed() {
        for line in error.to_string().lines() {
            println!("cargo::error={line}");
        }
    }
}

fn embed() -> Result<(), Box<dyn error::Error>> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR"));
    println!("cargo::rerun-if-env-changed={FOLDER}");
    rerun_if_changed(&here.join("build.rs"));

    let pairs = match env::var_os(FOLDER) {
        Some(folder) => ready(Path::new(&folder))?,
        None => own(&here, &out)?,
    };
    check_release(&out, &pairs)?;
    let (mut stubs, mut inits) = (String::new(), String::new());
    for pair in &pairs {
        let kept = pair.keep_in(&out)?;
        let place = TARGETS.iter().position(|target| target == pair.target);
        let place = place.expect("all targets are in the table");
        for (list, file) in [(&mut stubs, &kept.stub), (&mut inits, &kept.init)] {
            writeln!(
                list,
                "    Stub {{ target: &TARGETS[{place}], bytes: include_bytes!({file:?}) }},"
            )?;
        }
    }
    let lists =
        format!("static STUBS: &[Stub] = &[\n{stubs}];\nstatic INITS: &[Stub] = &[\n{inits}];\n");
    Ok(fs::write(out.join("stubs.rs"), lists)?)
}

/// Takes the stubs in a folder.
fn ready(folder: &Path) -> Result<Vec<Pair>, Box<dyn error::Error>> {
    if !folder.is_absolute() {
        return Err(format!("{FOLDER} has to be an absolute path").into());
    }
    rerun_if_changed(folder);
    let pairs = Pair::all_in(folder).map_err(with_cause)?;
    for pair in &pairs {
        rerun_if_changed(&pair.stub);
        rerun_if_changed(&pair.init);
    }
    Ok(pairs)
}

/// Builds stubs for the machine that the program is built for, with the program's compiler.
fn own(here: &Path, out: &Path) -> Result<Vec<Pair>, Box<dyn error::Error>> {
    let triple = variable("TARGET");
    let Some(target) = Target::of_triple(&triple) else {
        println!("cargo::warning=there are no stubs for {triple}: it packs programs of no machine");
        return Ok(Vec::new());
    };
    // All runs of this script for one profile share this folder, so that the stub is built once.
    let shared = folder_of_profile(out).unwrap_or(out).join("stubs");
    let sources =
        Sources::copy(&here.join("stub-sources"), &shared.join("sources")).map_err(with_cause)?;
    for original in sources.originals() {
        rerun_if_changed(original);
    }
    let program = PathBuf::from(variable("RUSTC"));
    let compiler = Compiler::find(&program)
        .ok_or_else(|| format!("{} does not tell its version", program.display()))?;
    let build = Build::by_triple(&compiler, target, &triple)?;
    let built =
        build.run(variable("CARGO").as_ref(), &sources, &shared, Network::of_cargo(parent_id()));
    let hint = |error| format!("{}\n{FOLDER} names a folder of ready stubs", with_cause(error));
    Ok(vec![built.map_err(hint)?])
}

fn with_cause(error: sealcrate_stub_build::Error) -> String {
    use error::Error as _;
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Returns a variable that cargo sets for every build script.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| panic!("the variable {name}: {error}"))
}

fn rerun_if_changed(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
