//! Builds the stubs and inits, one of each for each target that a compiler here can build for, and
//! writes the lists of them.
//!
//! A stub is a program of its own, for another machine perhaps, with other flags and other versions
//! of libraries. So it is built by another run of cargo, with its own list of versions, in a folder
//! of its own, and without what the environment says about the build around it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// A kind of machine, and how compilers and linkers call it.
struct Machine {
    /// The name in `Target`.
    target: &'static str,
    /// The compiler's targets for it: any of them has the `core` that a stub needs.
    triples: &'static [&'static str],
    /// GNU's linker for it.
    linker: &'static str,
    /// The largest size of a page that its kernels have.
    page: &'static str,
    /// The code of SHA-256 that it gets.
    sha2: &'static [&'static str],
}

/// Small code of SHA-256, and the instructions for it where a processor has them, which the processor
/// itself tells.
const SHA2_OF_X86: &[&str] = &["sha2_512_backend=\"soft\"", "sha2_backend_soft=\"compact\""];

/// Small code of SHA-256 alone. Elsewhere a C library would have to tell what a processor can do.
const SHA2: &[&str] = &["sha2_backend=\"soft\"", "sha2_backend_soft=\"compact\""];

const MACHINES: [Machine; 4] = [
    Machine {
        target: "Amd64",
        triples: &["x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"],
        linker: "x86_64-linux-gnu-ld",
        page: "0x1000",
        sha2: SHA2_OF_X86,
    },
    Machine {
        target: "Arm64",
        triples: &["aarch64-unknown-linux-gnu", "aarch64-unknown-linux-musl"],
        linker: "aarch64-linux-gnu-ld",
        page: "0x10000",
        sha2: SHA2,
    },
    Machine {
        target: "Armv7",
        triples: &["armv7-unknown-linux-gnueabihf", "armv7-unknown-linux-musleabihf"],
        linker: "arm-linux-gnueabihf-ld",
        page: "0x10000",
        sha2: SHA2,
    },
    Machine {
        target: "I386",
        triples: &["i686-unknown-linux-gnu", "i686-unknown-linux-musl"],
        linker: "i686-linux-gnu-ld",
        page: "0x1000",
        sha2: SHA2_OF_X86,
    },
];

/// The distribution's compiler, which comes with `core` for other machines where rustup's does not.
const DISTRIBUTION_COMPILER: &str = "/usr/bin/rustc";

/// Where `cargo xtask test` puts what of Debian's packages for other machines a stub needs, seen from
/// this folder. It fits the distribution's compiler.
const UNPACKED: &str = "../../target/foreign-core";

/// Libraries that some precompiled `core` names and that nothing is taken from.
const EMPTY_LIBRARIES: [&str; 4] = ["c", "m", "pthread", "rt"];

/// What a stub is built of, seen from this folder.
const SOURCES: [&str; 12] = [
    "../../Cargo.toml",
    "../agefile/Cargo.toml",
    "../agefile/src",
    "../packfile/Cargo.toml",
    "../packfile/src",
    "../stub/Cargo.lock",
    "../stub/Cargo.toml",
    "../stub/init",
    "../stub/memory",
    "../stub/src",
    "../stub/start",
    "../stub/stub.ld",
];

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

fn main() {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR"));
    for source in SOURCES {
        rerun_if_changed(&here.join(source));
    }
    rerun_if_changed(&here.join("build.rs"));

    let compilers = compilers(&here);
    // What other runs of this script have built, for the same profile, is not built again.
    let shared = out.ancestors().nth(3).expect("cargo's folder of a profile").join("stubs");
    let empty = empty_libraries(&shared);
    let (mut stubs, mut inits) = (String::new(), String::new());
    for machine in &MACHINES {
        let Some(build) = compilers.iter().find_map(|compiler| compiler.build_for(machine)) else {
            continue;
        };
        build.run(&here, &shared, &empty);
        for (program, list) in [("sealcrate-stub", &mut stubs), ("sealcrate-stub-init", &mut inits)]
        {
            let built = shared.join(build.triple).join("release").join(program);
            let kept = out.join(format!("{}-{program}", machine.target));
            fs::copy(&built, &kept)
                .unwrap_or_else(|error| panic!("cannot copy {}: {error}", built.display()));
            list.push_str(&format!(
                "    Stub {{ target: Target::{}, bytes: include_bytes!({kept:?}) }},\n",
                machine.target
            ));
        }
    }
    let lists =
        format!("static STUBS: &[Stub] = &[\n{stubs}];\nstatic INITS: &[Stub] = &[\n{inits}];\n");
    fs::write(out.join("stubs.rs"), lists).expect("the folder for what is built can be written to");
}

/// Returns the compilers that there are: the one that builds this, and the distribution's, with its
/// own libraries and with others.
fn compilers(here: &Path) -> Vec<Compiler> {
    let distribution = || PathBuf::from(DISTRIBUTION_COMPILER);
    let compilers = [
        Compiler::find(PathBuf::from(variable("RUSTC")), None),
        Compiler::find(distribution(), None),
        Compiler::find(distribution(), Some(here.join(UNPACKED))),
    ];
    let compilers: Vec<Compiler> = compilers.into_iter().flatten().collect();
    for compiler in &compilers {
        // Another target may be installed.
        rerun_if_changed(&compiler.libraries());
    }
    compilers
}

/// A compiler, and a folder where there are libraries for it.
struct Compiler {
    program: PathBuf,
    sysroot: PathBuf,
    /// The linker that comes with it, if one does.
    lld: Option<PathBuf>,
}

impl Compiler {
    /// Looks for a compiler with its own libraries, or those in another folder.
    fn find(program: PathBuf, sysroot: Option<PathBuf>) -> Option<Self> {
        let printed = Command::new(&program).args(["--print", "sysroot"]).output().ok()?;
        let own = PathBuf::from(String::from_utf8(printed.stdout).ok()?.trim());
        let lld = own.join("lib/rustlib").join(variable("HOST")).join("bin/rust-lld");
        let lld = lld.exists().then_some(lld);
        let compiler = Self { program, sysroot: sysroot.unwrap_or(own), lld };
        compiler.libraries().exists().then_some(compiler)
    }

    fn libraries(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib")
    }

    /// Says how this compiler builds for a machine, if it has `core` and a linker for it.
    fn build_for<'a>(&'a self, machine: &'a Machine) -> Option<Build<'a>> {
        let triple = machine.triples.iter().find(|triple| self.has_core(triple))?;
        let linker = match &self.lld {
            Some(lld) => lld.clone(),
            None => in_path(machine.linker)?,
        };
        Some(Build { compiler: self, machine, triple, linker })
    }

    fn has_core(&self, triple: &str) -> bool {
        let files = fs::read_dir(self.libraries().join(triple).join("lib"));
        files.is_ok_and(|files| {
            files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
        })
    }
}

/// How a stub is built.
struct Build<'a> {
    compiler: &'a Compiler,
    machine: &'a Machine,
    triple: &'a str,
    linker: PathBuf,
}

impl Build<'_> {
    /// Builds the stub and the init in the folder `target`.
    fn run(&self, here: &Path, target: &Path, empty: &Path) {
        let manifest = here.join("../stub/Cargo.toml");
        let mut cargo = Command::new(variable("CARGO"));
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let is_about_builds = text.starts_with("CARGO") || text.starts_with("RUST");
            if is_about_builds && !KEPT_VARIABLES.iter().any(|kept| text.starts_with(kept)) {
                cargo.env_remove(&name);
            }
        }
        cargo
            .args(["build", "--release", "--locked", "--quiet", "--workspace"])
            .args(["--target", self.triple])
            .arg("--manifest-path")
            .arg(&manifest)
            .arg("--target-dir")
            .arg(target)
            .env("RUSTC", &self.compiler.program)
            // Empty is not the same as missing: configuration files may name some.
            .env("RUSTC_WRAPPER", "")
            .env("RUSTC_WORKSPACE_WRAPPER", "")
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(here, empty).join("\x1f"));
        let output = cargo.output().unwrap_or_else(|error| panic!("cannot run cargo: {error}"));
        assert!(
            output.status.success(),
            "the stub for {} cannot be built ({}):\n{}",
            self.triple,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn flags(&self, here: &Path, empty: &Path) -> Vec<String> {
        let folder = here.parent().expect("the folder of the crates");
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
            format!("link-arg=--script={}", folder.join("stub/stub.ld").display()),
            "link-arg=--build-id=none".into(),
            "link-arg=-znorelro".into(),
            format!("link-arg=-zmax-page-size={}", self.machine.page),
            format!("link-arg=-L{}", empty.display()),
        ];
        let mut flags: Vec<String> =
            codegen.into_iter().flat_map(|option| ["-C".into(), option]).collect();
        if self.triple.contains("musl") {
            // Else the compiler adds the beginning of a C program.
            flags.extend(["-C".into(), "link-self-contained=no".into()]);
        }
        for option in self.machine.sha2 {
            flags.extend(["--cfg".into(), (*option).to_owned()]);
        }
        flags.push(format!("--sysroot={}", self.compiler.sysroot.display()));
        // A stub does not tell who built it, and is the same wherever that was.
        flags.push(format!("--remap-path-prefix={}=sealcrate", folder.display()));
        let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
        if let Some(home) = cargo_home.or_else(home) {
            flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
        }
        flags
    }
}

/// Makes archives with nothing in them below `shared`, and returns their folder.
fn empty_libraries(shared: &Path) -> PathBuf {
    let folder = shared.join("empty");
    let made = fs::create_dir_all(&folder).and_then(|()| {
        EMPTY_LIBRARIES
            .iter()
            .try_for_each(|name| fs::write(folder.join(format!("lib{name}.a")), "!<arch>\n"))
    });
    made.unwrap_or_else(|error| panic!("cannot write to {}: {error}", folder.display()));
    folder
}

/// Finds a program in the folders of `PATH`.
fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.exists())
}

/// Returns what cargo sets for every build script.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| panic!("the variable {name}: {error}"))
}

fn rerun_if_changed(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
