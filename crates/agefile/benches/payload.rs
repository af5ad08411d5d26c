//! The speed at which the content of age files is decrypted and encrypted. The stub's code decrypts it;
//! the program's code and the crate `age` do both.
//!
//! `cargo xtask bench ciphers` runs this beside `openssl speed`, and says how the two compare.

// The macros of criterion make items without comments.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::iter;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sealcrate_agefile::x25519::Identity;
use sealcrate_agefile::{AgeFile, CHUNK, Decryptor, Encryptor};

/// The length of a payload in bytes. It fits into the caches of a processor. The caches of one core are
/// smaller.
const PAYLOAD: usize = 4 << 20;

fn payload(criterion: &mut Criterion) {
    let identity = Identity::generate().unwrap();
    let recipient = identity.recipient();
    let content = vec![7; PAYLOAD];
    let sealed = sealcrate_agefile::encrypt([&recipient as _], &content).unwrap();
    let file = AgeFile::parse(&sealed).unwrap();
    let file_key = file.header().unwrap(&identity).unwrap();
    let mut buffer = Box::new([0; CHUNK]);
    let mut group = criterion.benchmark_group("payload");
    group.throughput(Throughput::Bytes(PAYLOAD as u64));
    group.bench_function("decrypt", |bencher| {
        bencher.iter(|| {
            let mut chunks = file.chunks(&file_key);
            while chunks.next(&mut buffer).unwrap().is_some() {}
        });
    });
    group.bench_function("stream decrypt", |bencher| {
        bencher.iter(|| {
            let decryptor = Decryptor::new(&sealed[..]).unwrap();
            let mut reader = decryptor.decrypt([&identity as _]).unwrap();
            while reader.read(&mut buffer[..]).unwrap() > 0 {}
        });
    });
    group.bench_function("stream encrypt", |bencher| {
        bencher.iter(|| {
            let encryptor = Encryptor::new([&recipient as _]).unwrap();
            let mut writer = encryptor.write_to(Vec::with_capacity(2 * PAYLOAD)).unwrap();
            writer.write_all(&content).unwrap();
            writer.finish().unwrap()
        });
    });
    let identity: age::x25519::Identity = identity.to_text().parse().unwrap();
    let recipient = identity.to_public();
    group.bench_function("age decrypt", |bencher| {
        bencher.iter(|| {
            let decryptor = age::Decryptor::new_buffered(&sealed[..]).unwrap();
            let identities = iter::once(&identity as &dyn age::Identity);
            let mut reader = decryptor.decrypt(identities).unwrap();
            while reader.read(&mut buffer[..]).unwrap() > 0 {}
        });
    });
    group.bench_function("age encrypt", |bencher| {
        bencher.iter(|| {
            let recipients = iter::once(&recipient as &dyn age::Recipient);
            let encryptor = age::Encryptor::with_recipients(recipients).unwrap();
            let mut writer = encryptor.wrap_output(Vec::with_capacity(2 * PAYLOAD)).unwrap();
            writer.write_all(&content).unwrap();
            writer.finish().unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, payload);
criterion_main!(benches);
