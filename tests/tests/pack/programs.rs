//! The programs that are packed: one source a language, built in this run in every way that makes
//! another kind of ELF file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sealcrate_tests::Done;

/// The line that every program prints by default.
pub(crate) const MARK: &str = "only this very program says: lantern under the stairs";

/// A kind of ELF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    CStatic,
    CStaticPie,
    CStaticStripped,
    CDynamic,
    CPie,
    CPieStripped,
    MuslDynamic,
    MuslStatic,
    Go,
    GoStripped,
    Rust,
    RustStatic,
}

impl Kind {
    pub(crate) const ALL: [Self; 12] = [
        Self::CStatic,
        Self::CStaticPie,
        Self::CStaticStripped,
        Self::CDynamic,
        Self::CPie,
        Self::CPieStripped,
        Self::MuslDynamic,
        Self::MuslStatic,
        Self::Go,
        Self::GoStripped,
        Self::Rust,
        Self::RustStatic,
    ];

    /// The program, built when it is asked for first.
    pub(crate) fn path(self) -> &'static Path {
        static BUILT: [OnceLock<PathBuf>; Kind::ALL.len()] =
            [const { OnceLock::new() }; Kind::ALL.len()];
        BUILT[self as usize].get_or_init(|| self.build())
    }

    fn build(self) -> PathBuf {
        let output = folder().join(format!("{self:?}"));
        let (compiler, options, source): (_, &[&str], _) = match self {
            Self::CStatic => ("gcc", &["-static"], "probe.c"),
            Self::CStaticPie => ("gcc", &["-static-pie", "-fPIE"], "probe.c"),
            Self::CStaticStripped => ("gcc", &["-static", "-s"], "probe.c"),
            Self::CDynamic => ("gcc", &["-no-pie"], "probe.c"),
            Self::CPie => ("gcc", &["-pie", "-fPIE"], "probe.c"),
            Self::CPieStripped => ("gcc", &["-pie", "-fPIE", "-s"], "probe.c"),
            Self::MuslDynamic => ("musl-gcc", &[], "probe.c"),
            Self::MuslStatic => ("musl-gcc", &["-static", "-s", "-Os"], "probe.c"),
            Self::Go => ("go", &["build"], "probe.go"),
            Self::GoStripped => ("go", &["build", "-ldflags=-s -w"], "probe.go"),
            Self::Rust => ("rustc", &["-O"], "probe.rs"),
            Self::RustStatic => ("rustc", &["-O", "-Ctarget-feature=+crt-static"], "probe.rs"),
        };
        let mut command = Command::new(compiler);
        if compiler == "go" {
            command.envs(GO).env("GOCACHE", folder().join("go-cache"));
        }
        command.args(options).arg("-o").arg(&output).arg(source_folder().join(source));
        Done::of(&mut command).with_status(0);
        output
    }

    /// Whether it runs where there are no files but itself.
    pub(crate) fn is_static(self) -> bool {
        !matches!(
            self,
            Self::CDynamic | Self::CPie | Self::CPieStripped | Self::MuslDynamic | Self::Rust
        )
    }
}

/// Nothing is downloaded, and nothing but Go is needed.
const GO: [(&str, &str); 3] = [("CGO_ENABLED", "0"), ("GOFLAGS", "-mod=mod"), ("GOPROXY", "off")];

/// Builds something of C that is no program to be packed, or not without a word.
pub(crate) fn build_c(name: &str, options: &[&str]) -> PathBuf {
    let output = folder().join(name);
    let mut command = Command::new("gcc");
    command.args(options).arg("-o").arg(&output).arg(source_folder().join("probe.c"));
    Done::of(&mut command).with_status(0);
    output
}

/// Builds a program of a few instructions, all of which can be tampered with one after the other.
pub(crate) fn smallest() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let output = folder().join("smallest");
        let mut command = Command::new("gcc");
        command.args(["-nostdlib", "-static", "-s", "-Wl,-n,--build-id=none", "-o"]);
        command.arg(&output).arg(source_folder().join("smallest.S"));
        Done::of(&mut command).with_status(0);
        output
    })
}

/// Builds a program in Go.
pub(crate) fn build_go(name: &str) -> PathBuf {
    let output = folder().join(name);
    let mut command = Command::new("go");
    command.envs(GO).env("GOCACHE", folder().join("go-cache")).args(["build", "-o"]);
    command.arg(&output).arg(source_folder().join(format!("{name}.go")));
    Done::of(&mut command).with_status(0);
    output
}

/// Builds a program of this folder that is not packed, but starts packed ones.
pub(crate) fn build_tool(name: &str) -> PathBuf {
    let output = folder().join(name);
    let mut command = Command::new("gcc");
    command.args(["-static", "-o"]).arg(&output).arg(source_folder().join(format!("{name}.c")));
    Done::of(&mut command).with_status(0);
    output
}

pub(crate) fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

pub(crate) fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn programs_are_of_the_kinds_that_they_are_named_for() {
    for kind in Kind::ALL {
        let headers = Done::of(Command::new("readelf").args(["-hlS", "-W"]).arg(kind.path()));
        let headers = headers.with_status(0).stdout;
        assert_eq!(headers.contains("INTERP"), !kind.is_static(), "{kind:?}");
        let stripped =
            [Kind::CStaticStripped, Kind::CPieStripped, Kind::GoStripped, Kind::MuslStatic];
        assert_eq!(headers.contains(".symtab"), !stripped.contains(&kind), "{kind:?}");
        let movable = [
            Kind::CStaticPie,
            Kind::CPie,
            Kind::CPieStripped,
            Kind::MuslDynamic,
            Kind::Rust,
            Kind::RustStatic,
        ];
        assert_eq!(headers.contains("DYN ("), movable.contains(&kind), "{kind:?}");
    }
}
