//! The package of the packer has all that it is built of.

use std::process::Command;

#[test]
fn package_of_the_packer_has_the_sources_of_stubs() {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--list", "--offline", "--locked", "--allow-dirty"])
        .args(["--package", "sealcrate-pack"])
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    // One file of each folder that is a link, and one of each link to a file.
    for file in [
        "Cargo.toml.in",
        "crates/agefile/Cargo.toml.in",
        "crates/agefile/src/lib.rs",
        "crates/packfile/Cargo.toml.in",
        "crates/packfile/src/lib.rs",
        "crates/stub/Cargo.lock.in",
        "crates/stub/Cargo.toml.in",
        "crates/stub/init/Cargo.toml.in",
        "crates/stub/init/src/main.rs",
        "crates/stub/memory/Cargo.toml.in",
        "crates/stub/memory/src/lib.rs",
        "crates/stub/src/main.rs",
        "crates/stub/start/Cargo.toml.in",
        "crates/stub/start/src/lib.rs",
        "crates/stub/stub.ld",
    ] {
        let file = format!("stub-sources/{file}");
        assert!(listed.lines().any(|line| line == file), "{file} is not in the package");
    }
}
