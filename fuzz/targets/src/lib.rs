//! The fuzz targets: for every parser of hostile bytes, a function that takes any bytes at all.
//!
//! A function here panics if a rule does not hold that always should. The caller has to notice if
//! the code under test panics or loops. libFuzzer runs these functions (`fuzz/fuzz_targets`). An
//! ordinary test runs them too, over the corpus and over bytes that it derives from the corpus.

mod crypt;
mod image;
mod keys;
mod lock;
mod pack;
mod parts;

use crate::crypt::{crypto_cli, ocicrypt};

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
    Target { name: "age_file", run: keys::age_file::run },
    Target { name: "age_item", run: ocicrypt::age_item::run },
    Target { name: "annotations", run: ocicrypt::annotations::run },
    Target { name: "challenge", run: image::challenge::run },
    Target { name: "config", run: image::config::run },
    Target { name: "dare", run: crypto_cli::dare::run },
    Target { name: "docker_archive", run: image::archives::docker },
    Target { name: "folder_head", run: pack::folder_head::run },
    Target { name: "jwe", run: ocicrypt::jwe::run },
    Target { name: "key_data", run: crypto_cli::key_data::run },
    Target { name: "key_text", run: keys::key_text::run },
    Target { name: "label", run: image::label::run },
    Target { name: "layout", run: image::layout::run },
    Target { name: "locked_index", run: lock::locked_index::run },
    Target { name: "manifest", run: image::manifest::run },
    Target { name: "names", run: image::names::run },
    Target { name: "openpgp", run: keys::openpgp::message },
    Target { name: "openpgp_key", run: keys::openpgp::key },
    Target { name: "payload", run: pack::payload::run },
    Target { name: "pkcs7", run: ocicrypt::pkcs7::run },
    Target { name: "program", run: pack::program::run },
    Target { name: "provider", run: ocicrypt::provider::run },
    Target { name: "provider_answer", run: ocicrypt::provider_answer::run },
    Target { name: "provider_config", run: ocicrypt::provider_config::run },
    Target { name: "remote", run: pack::remote::run },
    Target { name: "sealed_image", run: crypto_cli::sealed_image::run },
    Target { name: "sealed_record", run: crypt::sealed_record::run },
    Target { name: "stream_payload", run: ocicrypt::stream_payload::run },
];

/// Runs the target `name` on `bytes`.
///
/// # Panics
/// A rule of the target does not hold, or there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("the target's name");
    (target.run)(bytes);
}
