//! Starts at every limit of memory: they go well, or say that it is not enough.

use std::fs;

use sealcrate_tests::fixtures::key_pair;
use sealcrate_tests::{Builder, Done, Engine, assert_all_are_told, busybox, memory_steps, noise};

use crate::workshop::{Workshop, install};

#[test]
fn program_is_started_or_refused_with_words_at_every_limit() {
    let (workshop, engine) = (Workshop::new(), Engine::from_env());
    // More than the decompressor looks back, and nothing in it that is found again.
    let program = workshop.path("program");
    install(&[busybox(), noise(12 << 20)].concat(), &program);
    for compression in ["zstd", "lz4"] {
        let recipient = &key_pair().recipient;
        let options = ["--compress", compression, "-r", recipient];
        let packed = fs::read(workshop.pack_with(&program, &options)).unwrap();
        let dockerfile = "FROM scratch\nCOPY busybox /bin/busybox\nCOPY packed /bin/packed/true\n\
                          RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";
        let files = [("busybox", busybox()), ("packed", packed)];
        let files = files.each_ref().map(|(name, bytes)| (*name, bytes.as_slice()));
        let image = engine.build(Builder::Classic, dockerfile, &files);
        let key = format!("BP={}", key_pair().identity);
        let docker = |arguments: &[&str]| Done::of(&mut engine.docker(arguments));
        let steps =
            memory_steps(docker, image.name(), &["-e", &key], (1, 44), &["/bin/packed/true"]);
        eprintln!("{compression}: {steps:?}");
        assert_all_are_told(&steps);
    }
}
