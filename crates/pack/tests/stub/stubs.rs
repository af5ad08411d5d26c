//! Stubs are small, and do not tell where they were built.

use sealcrate_pack::stubs;

use crate::packed::own_stub;

/// The largest size of the stub for amd64, in bytes.
const MAX_AMD64: usize = 144 << 10;

/// The largest size of any stub, in bytes. Older compilers build the others too.
const MAX_ANY: usize = 160 << 10;

#[test]
fn stubs_are_small() {
    assert_eq!(own_stub().bytes[..4], *b"\x7fELF");
    for stub in stubs() {
        let bound = if stub.target.name == "amd64" { MAX_AMD64 } else { MAX_ANY };
        assert!(stub.bytes.len() <= bound, "{}: {} bytes", stub.target, stub.bytes.len());
    }
}

#[test]
fn stubs_do_not_tell_where_they_were_built() {
    for stub in stubs() {
        let tells = |text: &str| stub.bytes.windows(text.len()).any(|w| w == text.as_bytes());
        for place in [env!("CARGO_MANIFEST_DIR"), "/.cargo/", "/home/", "/root/"] {
            assert!(!tells(place), "{} tells of {place}", stub.target);
        }
    }
}
