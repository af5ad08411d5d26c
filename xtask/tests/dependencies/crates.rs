//! The arrows between the crates, as ARCHITECTURE.md draws them, held against what cargo resolves.

use std::collections::BTreeSet;
use std::process::Command;

/// Crates that speak to networks or drive asynchronous code.
const NETWORK: [&str; 7] = ["bollard", "futures-util", "http", "hyper", "mio", "reqwest", "tokio"];

/// Returns the names of everything that `package`, alone and with its default features, is built of.
fn tree(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}", "--package", package])
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    text.lines().filter_map(|line| line.split(' ').next()).map(ToOwned::to_owned).collect()
}

fn found<'n>(tree: &BTreeSet<String>, names: &[&'n str]) -> Vec<&'n str> {
    names.iter().copied().filter(|name| tree.contains(*name)).collect()
}

#[test]
fn cryptography_is_built_without_network() {
    let tree = tree("sealcrate-crypt");
    assert!(tree.contains("sealcrate-image"));
    assert_eq!(found(&tree, &NETWORK), [""; 0]);
    assert_eq!(found(&tree, &["sealcrate"]), [""; 0]);
}

#[test]
fn images_are_built_without_network_and_cryptography() {
    let tree = tree("sealcrate-image");
    assert!(tree.contains("tar"));
    assert_eq!(found(&tree, &NETWORK), [""; 0]);
    assert_eq!(found(&tree, &["aws-lc-rs", "sealcrate", "sealcrate-crypt"]), [""; 0]);
}

#[test]
fn packed_programs_are_written_without_network_and_layer_formats() {
    let tree = tree("sealcrate-pack");
    assert!(tree.contains("sealcrate-image") && tree.contains("sealcrate-packfile"));
    assert!(tree.contains("sealcrate-agefile"));
    assert_eq!(found(&tree, &NETWORK), [""; 0]);
    assert_eq!(found(&tree, &["sealcrate", "sealcrate-crypt"]), [""; 0]);
}

#[test]
fn images_are_locked_without_network() {
    let tree = tree("sealcrate-lock");
    assert!(tree.contains("sealcrate-image"));
    assert_eq!(found(&tree, &NETWORK), [""; 0]);
    assert_eq!(found(&tree, &["sealcrate", "sealcrate-crypt"]), [""; 0]);
}

#[test]
fn the_bytes_of_packed_programs_are_known_without_anything_of_ours_but_age_files() {
    let tree = tree("sealcrate-packfile");
    assert!(tree.contains("sealcrate-agefile"));
    assert_eq!(found(&tree, &NETWORK), [""; 0]);
    let ours = ["sealcrate", "sealcrate-crypt", "sealcrate-image", "sealcrate-pack"];
    assert_eq!(found(&tree, &ours), [""; 0]);
    assert_eq!(found(&tree, &["age", "libc", "rustix"]), [""; 0]);
}

/// A stub is built without the feature `host`, which brings what needs an operating system.
#[test]
fn age_files_are_read_without_anything_else_of_ours() {
    let tree = tree("sealcrate-agefile");
    assert!(tree.contains("chacha20poly1305"));
    assert_eq!(found(&tree, &NETWORK), [""; 0]);
    assert_eq!(
        found(&tree, &["age", "aws-lc-rs", "libc", "rustix", "sealcrate-packfile"]),
        [""; 0]
    );
    let ours = tree.iter().filter(|name| name.starts_with("sealcrate"));
    assert_eq!(ours.count(), 1);
}

/// The crate `age` and tables of Unicode's names of hosts are large, and the program needs neither.
#[test]
fn the_program_has_no_second_age_and_no_tables_of_unicode() {
    let tree = tree("sealcrate");
    assert!(tree.contains("sealcrate-agefile") && tree.contains("idna_adapter"));
    let large = ["age", "age-core", "i18n-embed", "icu_normalizer", "icu_properties"];
    assert_eq!(found(&tree, &large), [""; 0]);
}

#[test]
fn openpgp_is_known_without_anything_else_of_ours() {
    let tree = tree("sealcrate-openpgp");
    assert!(tree.contains("aws-lc-rs"));
    assert_eq!(found(&tree, &NETWORK), [""; 0]);
    let others = tree.iter().filter(|name| name.starts_with("sealcrate"));
    assert_eq!(others.collect::<Vec<_>>(), ["sealcrate-openpgp"]);
}

#[test]
fn the_program_is_built_of_all() {
    // The names above are those that cargo writes: here they are found.
    let tree = tree("sealcrate");
    assert_eq!(found(&tree, &NETWORK), NETWORK);
    assert_eq!(found(&tree, &["sealcrate-crypt", "sealcrate-image", "sealcrate-pack"]).len(), 3);
}
