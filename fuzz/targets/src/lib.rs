//! The fuzz targets: for every parser of hostile bytes, a function that takes any bytes at all.
//!
//! A function here panics if a rule does not hold that always should. The caller has to notice if
//! the code under test panics or loops. libFuzzer runs these functions (`fuzz/fuzz_targets`). An
//! ordinary test runs them too, over the corpus and over bytes that it derives from the corpus.

mod age_file;
mod age_item;
mod annotations;
mod archives;
mod challenge;
mod config;
mod dare;
mod folder_head;
mod gcm;
mod jwe;
mod key_data;
mod key_text;
mod label;
mod layout;
mod locked_index;
mod manifest;
mod names;
mod openpgp;
mod parts;
mod payload;
mod pkcs7;
mod program;
mod provider;
mod provider_answer;
mod provider_config;
mod reading;
mod remote;
mod sealed_image;
mod sealed_record;
mod stream_payload;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name, which the folder of its corpus has too.
    pub name: &'static str,
    /// The function that takes the bytes.
    pub run: fn(&[u8]),
}

/// All targets, by name.
pub const TARGETS: [Target; 28] = [
    Target { name: "age_file", run: age_file::run },
    Target { name: "age_item", run: age_item::run },
    Target { name: "annotations", run: annotations::run },
    Target { name: "challenge", run: challenge::run },
    Target { name: "config", run: config::run },
    Target { name: "dare", run: dare::run },
    Target { name: "docker_archive", run: archives::docker },
    Target { name: "folder_head", run: folder_head::run },
    Target { name: "jwe", run: jwe::run },
    Target { name: "key_data", run: key_data::run },
    Target { name: "key_text", run: key_text::run },
    Target { name: "label", run: label::run },
    Target { name: "layout", run: layout::run },
    Target { name: "locked_index", run: locked_index::run },
    Target { name: "manifest", run: manifest::run },
    Target { name: "names", run: names::run },
    Target { name: "openpgp", run: openpgp::message },
    Target { name: "openpgp_key", run: openpgp::key },
    Target { name: "payload", run: payload::run },
    Target { name: "pkcs7", run: pkcs7::run },
    Target { name: "program", run: program::run },
    Target { name: "provider", run: provider::run },
    Target { name: "provider_answer", run: provider_answer::run },
    Target { name: "provider_config", run: provider_config::run },
    Target { name: "remote", run: remote::run },
    Target { name: "sealed_image", run: sealed_image::run },
    Target { name: "sealed_record", run: sealed_record::run },
    Target { name: "stream_payload", run: stream_payload::run },
];

/// Runs the target `name` on `bytes`.
///
/// # Panics
/// A rule of the target does not hold, or there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("the target's name");
    (target.run)(bytes);
}
