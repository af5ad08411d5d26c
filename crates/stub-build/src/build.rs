//! One run of cargo, which builds the stub and the init of a target.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use sealcrate_targets::Target;

use crate::{Compiler, Error, PROGRAMS, Pair, Sources};

/// Libraries that some precompiled `core` names and that nothing is taken from.
const EMPTY_LIBRARIES: [&str; 4] = ["c", "m", "pthread", "rt"];

/// The variables of cargo that say where crates come from. All others are about the build around.
const KEPT_VARIABLES: [&str; 8] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
];

/// Whether crates may be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// As cargo's configuration says.
    AsConfigured,
    /// They may not.
    Offline,
}

/// How the stub and the init of a target are built.
#[derive(Debug)]
pub struct Build<'a> {
    pub(crate) compiler: &'a Compiler,
    pub(crate) target: &'static Target,
    pub(crate) triple: String,
    pub(crate) linker: PathBuf,
}

impl<'a> Build<'a> {
    /// Says how a compiler builds for a target.
    ///
    /// # Errors
    /// It has no `core` for it, or there is no linker.
    pub fn new(compiler: &'a Compiler, target: &'static Target) -> Result<Self, Error> {
        Self::by_triple(compiler, target, compiler.triple(target)?)
    }

    /// Says how a compiler builds for a target under one of the compiler's names for it.
    ///
    /// # Errors
    /// There is no linker.
    pub fn by_triple(
        compiler: &'a Compiler,
        target: &'static Target,
        triple: &str,
    ) -> Result<Self, Error> {
        let linker = compiler.linker(target)?;
        Ok(Self { compiler, target, triple: triple.to_owned(), linker })
    }

    /// Returns the compiler that builds both.
    pub fn compiler(&self) -> &Compiler {
        self.compiler
    }

    /// Builds both in a folder. A later build there builds only the changed crates.
    ///
    /// # Errors
    /// cargo cannot be run, or says why it fails; the folder cannot be written to.
    pub fn run(
        &self,
        cargo: &OsStr,
        sources: &Sources,
        folder: &Path,
        network: Network,
    ) -> Result<Pair, Error> {
        let empty = empty_libraries(folder)?;
        let mut command = Command::new(cargo);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let is_about_builds = text.starts_with("CARGO") || text.starts_with("RUST");
            if is_about_builds && !KEPT_VARIABLES.iter().any(|kept| text.starts_with(kept)) {
                command.env_remove(&name);
            }
        }
        command
            .args(["build", "--release", "--locked", "--quiet", "--workspace"])
            .args(["--target", &self.triple])
            .arg("--manifest-path")
            .arg(sources.manifest())
            .arg("--target-dir")
            .arg(folder)
            .env("RUSTC", &self.compiler.program)
            // Empty is not the same as missing: configuration files may name some.
            .env("RUSTC_WRAPPER", "")
            .env("RUSTC_WORKSPACE_WRAPPER", "")
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(sources, &empty).join("\x1f"));
        if network == Network::Offline {
            command.arg("--offline");
        }
        let output = command.output().map_err(Error::file(Path::new(cargo)))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::Cargo(self.triple.clone(), said));
        }
        let built = folder.join(&self.triple).join("release");
        let [stub, init] = PROGRAMS.map(|program| built.join(program.built));
        Ok(Pair { target: self.target, stub, init })
    }

    fn flags(&self, sources: &Sources, empty: &Path) -> Vec<String> {
        let toolchain = &self.target.toolchain;
        let flavor = if self.compiler.lld.is_some() { "ld.lld" } else { "ld" };
        let codegen = [
            // The program that comes later gets the addresses that it likes; the stub needs nobody
            // to move it.
            "relocation-model=static".into(),
            "target-feature=+crt-static".into(),
            "force-unwind-tables=no".into(),
            "default-linker-libraries=no".into(),
            // cargo forgets it where the profile says something of the stub's own crate.
            "strip=symbols".into(),
            format!("linker={}", self.linker.display()),
            format!("linker-flavor={flavor}"),
            format!("link-arg=--script={}", sources.linker_script().display()),
            "link-arg=--build-id=none".into(),
            "link-arg=-znorelro".into(),
            format!("link-arg=-zmax-page-size={:#x}", self.target.page_size),
            format!("link-arg=-L{}", empty.display()),
        ];
        let mut flags: Vec<String> =
            codegen.into_iter().flat_map(|option| ["-C".into(), option]).collect();
        if self.triple.contains("musl") {
            // Else the compiler adds the beginning of a C program.
            flags.extend(["-C".into(), "link-self-contained=no".into()]);
        }
        for option in toolchain.cfgs {
            flags.extend(["--cfg".into(), (*option).to_owned()]);
        }
        flags.push(format!("--sysroot={}", self.compiler.sysroot.display()));
        // A stub does not tell who built it, and is the same wherever that was.
        flags.push(format!("--remap-path-prefix={}=sealcrate", sources.crates().display()));
        let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
        if let Some(home) = cargo_home.or_else(home) {
            flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
        }
        flags
    }
}

/// Makes archives with nothing in them below a folder, and returns the folder that they are in.
fn empty_libraries(folder: &Path) -> Result<PathBuf, Error> {
    let folder = folder.join("empty");
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    for name in EMPTY_LIBRARIES {
        let file = folder.join(format!("lib{name}.a"));
        fs::write(&file, "!<arch>\n").map_err(Error::file(&file))?;
    }
    Ok(folder)
}
