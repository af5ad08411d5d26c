//! The table of what the tests start, and of the Debian packages that hold it.

use std::fs;
use std::path::Path;

/// Something that the tests start: it is there when one of `files` is acceptable.
pub(super) struct Need {
    pub(super) package: &'static str,
    files: &'static [&'static str],
    accepts: fn(&Path) -> bool,
}

const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];

/// By file, not by package name: Docker's own packages (docker-ce) serve as well as Debian's.
pub(super) const NEEDS: &[Need] = &[
    Need {
        package: "docker.io",
        files: &["/usr/sbin/dockerd", "/usr/bin/dockerd"],
        accepts: Path::exists,
    },
    Need {
        package: "docker-registry",
        files: &["/usr/bin/docker-registry"],
        accepts: Path::exists,
    },
    Need { package: "containerd", files: &["/usr/bin/containerd"], accepts: Path::exists },
    Need { package: "runc", files: &["/usr/sbin/runc", "/usr/bin/runc"], accepts: Path::exists },
    Need { package: "podman", files: &["/usr/bin/podman"], accepts: Path::exists },
    Need { package: "crun", files: &["/usr/bin/crun"], accepts: Path::exists },
    Need { package: "buildah", files: &["/usr/bin/buildah"], accepts: Path::exists },
    Need { package: "skopeo", files: &["/usr/bin/skopeo"], accepts: Path::exists },
    Need { package: "docker-compose", files: &["/usr/bin/docker-compose"], accepts: Path::exists },
    Need { package: "gnupg", files: &["/usr/bin/gpg"], accepts: Path::exists },
    Need { package: "busybox-static", files: &BUSYBOX, accepts: is_static },
    // These generate a client of gRPC, and it runs with the last.
    Need { package: "protobuf-compiler", files: &["/usr/bin/protoc"], accepts: Path::exists },
    Need {
        package: "protobuf-compiler-grpc",
        files: &["/usr/bin/grpc_python_plugin"],
        accepts: Path::exists,
    },
    Need {
        package: "python3-grpcio",
        files: &["/usr/lib/python3/dist-packages/grpc/__init__.py"],
        accepts: Path::exists,
    },
    // These read the files in deploy/.
    Need {
        package: "python3-yaml",
        files: &["/usr/lib/python3/dist-packages/yaml/__init__.py"],
        accepts: Path::exists,
    },
    Need { package: "systemd", files: &["/usr/bin/systemd-analyze"], accepts: Path::exists },
    // The engines of other suites are unpacked by this.
    Need { package: "mmdebstrap", files: &["/usr/bin/mmdebstrap"], accepts: Path::exists },
    // Programs to be packed are built by these,
    Need { package: "gcc", files: &["/usr/bin/gcc"], accepts: Path::exists },
    Need { package: "musl-tools", files: &["/usr/bin/musl-gcc"], accepts: Path::exists },
    Need { package: "golang-go", files: &["/usr/bin/go"], accepts: Path::exists },
    Need { package: "binutils", files: &["/usr/bin/strip"], accepts: Path::exists },
    Need { package: "libcap2-bin", files: &["/usr/sbin/setcap"], accepts: Path::exists },
    // some of them look for themselves,
    Need { package: "default-jre-headless", files: &["/usr/bin/java"], accepts: Path::exists },
    Need {
        package: "python3-pip",
        files: &["/usr/lib/python3/dist-packages/pip/__init__.py"],
        accepts: Path::exists,
    },
    Need { package: "libpython3-dev", files: &["/usr/lib"], accepts: has_library_of_python },
    // and these open packed programs.
    Need { package: "age", files: &["/usr/bin/age"], accepts: Path::exists },
    Need { package: "lz4", files: &["/usr/bin/lz4"], accepts: Path::exists },
    Need { package: "zstd", files: &["/usr/bin/zstd"], accepts: Path::exists },
    // Applications in locked images have these in their clear bases.
    Need { package: "nginx", files: &["/usr/sbin/nginx"], accepts: Path::exists },
    Need { package: "nodejs", files: &["/usr/bin/node"], accepts: Path::exists },
    Need { package: "python3-minimal", files: &["/usr/bin/python3"], accepts: Path::exists },
    // Programs for other machines are made by these, and run in the last.
    Need {
        package: "binutils-aarch64-linux-gnu",
        files: &["/usr/bin/aarch64-linux-gnu-ld"],
        accepts: Path::exists,
    },
    Need {
        package: "binutils-arm-linux-gnueabihf",
        files: &["/usr/bin/arm-linux-gnueabihf-ld"],
        accepts: Path::exists,
    },
    Need {
        package: "binutils-i686-linux-gnu",
        files: &["/usr/bin/i686-linux-gnu-ld"],
        accepts: Path::exists,
    },
    Need {
        package: "qemu-user-static",
        files: &["/usr/bin/qemu-aarch64-static"],
        accepts: Path::exists,
    },
];

/// Parts that newer releases have split off from docker.io: the client, and BuildKit's part of it.
pub(super) const SPLIT_OFF: [Need; 2] = [
    Need { package: "docker-cli", files: &["/usr/bin/docker"], accepts: Path::exists },
    Need {
        package: "docker-buildx",
        files: &[
            "/usr/lib/docker/cli-plugins/docker-buildx",
            "/usr/libexec/docker/cli-plugins/docker-buildx",
        ],
        accepts: Path::exists,
    },
];

/// Needs of the bench alone: the times and memory of a command, and a key for skopeo.
pub(super) const FOR_BENCH: [Need; 2] = [
    Need { package: "time", files: &["/usr/bin/time"], accepts: Path::exists },
    Need { package: "openssl", files: &["/usr/bin/openssl"], accepts: Path::exists },
];

impl Need {
    /// Tells whether it is there.
    pub(super) fn is_met(&self) -> bool {
        self.files.iter().any(|file| (self.accepts)(Path::new(file)))
    }
}

/// Returns a busybox that can run in an image that holds nothing else, if there is one.
pub fn static_busybox() -> Option<&'static Path> {
    BUSYBOX.into_iter().map(Path::new).find(|file| is_static(file))
}

/// Whether a program can run in an image that holds nothing else: it names no dynamic loader.
fn is_static(program: &Path) -> bool {
    fs::read(program)
        .is_ok_and(|bytes| !bytes.windows(b"/ld-".len()).any(|window| window == b"/ld-"))
}

/// Whether the distribution's Python is there as a library, in one of the folders of architectures.
fn has_library_of_python(libraries: &Path) -> bool {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    names(libraries)
        .iter()
        .filter(|name| name.ends_with("-linux-gnu"))
        .flat_map(|name| names(&libraries.join(name)))
        .any(|name| name.starts_with("libpython3.") && name.contains(".so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_a_loader_is_not_static() {
        assert!(!is_static(Path::new("/bin/sh")));
        assert!(!is_static(Path::new("/missing")));
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, b"\x7fELF").unwrap();
        assert!(is_static(&program));
    }
}
