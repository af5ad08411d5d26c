//! ELF files, packed and not packed.

use std::io::Write;

use sealcrate_pack::{Finding, Key, Packed, Program, find_program};
use zeroize::Zeroizing;

/// The identity that opens the packed programs of the corpus. It opens nothing else.
const IDENTITY: &str = "AGE-SECRET-KEY-1CQNHJWMNQREDRC73C6P5SNUMXX40VSNTKV68Q2E4R9TY4SKTAAFQV4CHHM";

/// The program inside them.
const ORIGINAL: &[u8] = include_bytes!("../../../corpus/program/static-amd64");

/// Reads bytes as a program before packing, as a packed program, and as a program in a layer.
pub(crate) fn run(data: &[u8]) {
    let program = Program::of(data);
    if let Ok(program) = &program {
        assert_eq!(program.size(), data.len() as u64);
        let run_path = program.run_path().unwrap_or("$ORIGIN");
        assert!(run_path.contains("$ORIGIN") || run_path.contains("${ORIGIN}"), "{run_path}");
    }

    let mut file = tempfile::tempfile().expect("there is room");
    file.write_all(data).expect("there is room");
    let layer = layer(data);
    let Ok(packed) = Packed::read(&file) else {
        assert!(find_program(layer.as_slice(), b"").expect("it is a layer").is_none());
        return;
    };
    assert!(program.is_err(), "a packed program would be packed again");
    assert!(packed.age().starts_with(packed.header()));
    assert!(packed.age().len() < data.len());
    // The layer's reader finds the program or does not. Both readers tell the same of its stub.
    let found = find_program(layer.as_slice(), packed.header()).expect("it is a layer");
    if let Some(Finding::Program { stub }) = found {
        assert_eq!(stub, packed.stub());
    }

    let key = Key::parse(Zeroizing::new(IDENTITY.into())).expect("it is an identity");
    let mut opened = Vec::new();
    if packed.open(&key, &mut opened).is_ok() {
        assert!(opened == ORIGINAL, "what was not packed comes out");
    }
}

/// Makes a layer of one file.
fn layer(data: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(data.len() as u64);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, "app", data).expect("memory takes all");
    builder.into_inner().expect("memory takes all")
}
