//! How fast layers are encrypted and decrypted, in memory and by one thread.
//!
//! `cargo xtask bench ciphers` runs this beside `openssl speed`, and says how the two compare.

// The macros of criterion make items without comments.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{self, Write};
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sealcrate_crypt::crypto_cli::dare::{DareReader, DareWriter};
use sealcrate_crypt::ocicrypt::{CipherContent, CipherWriter};
use sealcrate_image::{Content as _, Descriptor, Layer, MediaType, Spool};
use zeroize::Zeroizing;

/// The size of a layer in bytes: larger than a core's caches, smaller than a processor's.
const LAYER: usize = 4 << 20;

const KEY: [u8; 32] = [7; 32];
const NONCE: [u8; 16] = [8; 16];

fn layer() -> Vec<u8> {
    (0..LAYER).map(|i| (i ^ i >> 8) as u8).collect()
}

/// Reads to the end in pieces, as every reader of layers does.
fn drain(mut reader: impl io::Read) {
    let mut buffer = vec![0; 64 << 10];
    while reader.read(&mut buffer).unwrap() > 0 {}
}

fn dare(criterion: &mut Criterion) {
    let plain = layer();
    let encrypt = |out: &mut dyn Write| {
        let mut writer = DareWriter::new(out, &KEY).unwrap();
        writer.write_all(&plain).unwrap();
        writer.finish().unwrap();
    };
    let mut stored = Vec::new();
    encrypt(&mut stored);
    let mut group = criterion.benchmark_group("dare");
    group.throughput(Throughput::Bytes(LAYER as u64));
    group.bench_function("encrypt", |bencher| bencher.iter(|| encrypt(&mut io::sink())));
    group.bench_function("decrypt", |bencher| {
        bencher.iter(|| drain(DareReader::new(&stored[..], &KEY)));
    });
    group.finish();
}

fn oci(criterion: &mut Criterion) {
    let plain = layer();
    let encrypt = |out: &mut dyn Write| {
        let mut writer = CipherWriter::new(out, &KEY, NONCE);
        writer.write_all(&plain).unwrap();
        writer.finish()
    };
    let mut stored = Vec::new();
    let hmac = encrypt(&mut stored);
    let descriptor = Descriptor::of(MediaType::OCI_LAYER, &stored);
    let spool = Spool::in_folder(std::env::temp_dir());
    // Like a download, it was checked against its digest on arrival.
    let arrived = spool.fill(|out| out.write_all(&stored)).unwrap().content;
    let content = CipherContent {
        stored: Layer::stored(descriptor, None, Arc::new(arrived)),
        key: Zeroizing::new(KEY),
        nonce: NONCE,
        hmac,
        spool,
    };
    let mut group = criterion.benchmark_group("oci");
    group.throughput(Throughput::Bytes(LAYER as u64));
    group.bench_function("encrypt", |bencher| bencher.iter(|| encrypt(&mut io::sink())));
    group.bench_function("decrypt", |bencher| bencher.iter(|| drain(content.open().unwrap())));
    group.finish();
}

criterion_group!(benches, dare, oci);
criterion_main!(benches);
