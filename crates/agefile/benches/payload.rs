//! How fast the payload of a packed program is decrypted, as the stub does it.
//!
//! `cargo xtask bench ciphers` runs this beside `openssl speed`, and says how the two compare.

// The macros of criterion make items without comments.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::Write as _;
use std::iter;

use age::secrecy::ExposeSecret as _;
use age::x25519;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sealcrate_agefile::{AgeFile, CHUNK, Identity};

/// Of a payload, in bytes: larger than the caches of a core, smaller than those of a processor.
const PAYLOAD: usize = 4 << 20;

fn payload(criterion: &mut Criterion) {
    let key = x25519::Identity::generate();
    let recipient = key.to_public();
    let recipients = iter::once(&recipient as &dyn age::Recipient);
    let mut writer =
        age::Encryptor::with_recipients(recipients).unwrap().wrap_output(Vec::new()).unwrap();
    writer.write_all(&vec![7; PAYLOAD]).unwrap();
    let sealed = writer.finish().unwrap();
    let file = AgeFile::parse(&sealed).unwrap();
    let identity = Identity::parse(key.to_string().expose_secret()).unwrap();
    let file_key = identity.unwrap(file.header()).unwrap();
    let mut buffer = Box::new([0; CHUNK]);
    let mut group = criterion.benchmark_group("payload");
    group.throughput(Throughput::Bytes(PAYLOAD as u64));
    group.bench_function("decrypt", |bencher| {
        bencher.iter(|| {
            let mut chunks = file.chunks(&file_key);
            while chunks.next(&mut buffer).unwrap().is_some() {}
        });
    });
    group.finish();
}

criterion_group!(benches, payload);
criterion_main!(benches);
