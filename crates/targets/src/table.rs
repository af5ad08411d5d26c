//! The rows.

use crate::target::{Class, Libraries, Target, Toolchain};

/// Small code of SHA-256, and the instructions for it where a processor has them, which the processor
/// itself tells.
const SHA2_OF_X86: &[&str] = &["sha2_512_backend=\"soft\"", "sha2_backend_soft=\"compact\""];

/// Small code of SHA-256 alone. Elsewhere a C library would have to tell what a processor can do.
const SHA2: &[&str] = &["sha2_backend=\"soft\"", "sha2_backend_soft=\"compact\""];

/// All targets, whether or not a build has a stub for them.
pub static TARGETS: [Target; 4] = [
    // x86-64.
    Target {
        name: "amd64",
        oci: "amd64",
        debian: "amd64",
        class: Class::Bits64,
        machine: 62,
        page_size: 0x1000,
        libraries: Libraries {
            triplet: "x86_64-linux-gnu",
            inner_folders: &[
                "glibc-hwcaps/x86-64-v4",
                "glibc-hwcaps/x86-64-v3",
                "glibc-hwcaps/x86-64-v2",
                "tls",
                "haswell",
                "xeon_phi",
                "avx512_1",
                "x86_64",
            ],
            musl: "x86_64",
        },
        toolchain: Toolchain {
            triples: &["x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"],
            linker: "x86_64-linux-gnu-ld",
            cfgs: SHA2_OF_X86,
        },
    },
    // ARM, 64 bits, little endian.
    Target {
        name: "arm64",
        oci: "arm64",
        debian: "arm64",
        class: Class::Bits64,
        machine: 183,
        page_size: 0x1_0000,
        libraries: Libraries {
            triplet: "aarch64-linux-gnu",
            inner_folders: &["glibc-hwcaps", "tls", "atomics", "aarch64"],
            musl: "aarch64",
        },
        toolchain: Toolchain {
            triples: &["aarch64-unknown-linux-gnu", "aarch64-unknown-linux-musl"],
            linker: "aarch64-linux-gnu-ld",
            cfgs: SHA2,
        },
    },
    // ARM, 32 bits, version 7, little endian, hard float.
    Target {
        name: "armv7",
        oci: "arm",
        debian: "armhf",
        class: Class::Bits32,
        machine: 40,
        page_size: 0x1_0000,
        libraries: Libraries {
            triplet: "arm-linux-gnueabihf",
            inner_folders: &["glibc-hwcaps", "tls", "v7l", "neon", "vfp"],
            musl: "armhf",
        },
        toolchain: Toolchain {
            triples: &["armv7-unknown-linux-gnueabihf", "armv7-unknown-linux-musleabihf"],
            linker: "arm-linux-gnueabihf-ld",
            cfgs: SHA2,
        },
    },
    // x86, 32 bits.
    Target {
        name: "i386",
        oci: "386",
        debian: "i386",
        class: Class::Bits32,
        machine: 3,
        page_size: 0x1000,
        libraries: Libraries {
            triplet: "i386-linux-gnu",
            inner_folders: &["glibc-hwcaps", "tls", "i686", "i586", "sse2", "nosegneg"],
            musl: "i386",
        },
        toolchain: Toolchain {
            triples: &["i686-unknown-linux-gnu", "i686-unknown-linux-musl"],
            linker: "i686-linux-gnu-ld",
            cfgs: SHA2_OF_X86,
        },
    },
];
