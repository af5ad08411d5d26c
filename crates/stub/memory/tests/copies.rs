//! Copies, fills and compares bytes, with every length that the functions treat in its own way.

use std::ffi::c_int;

use sealcrate_stub_memory::{memcmp, memcpy, memmove, memset};

/// More than two pieces on every machine.
const LONGEST: usize = 3 * 16 + 7;

/// Bytes that are all different.
fn numbers() -> Vec<u8> {
    (0..=u8::MAX).collect()
}

#[test]
fn every_length_is_copied_and_nothing_beside_it() {
    for len in 0..=LONGEST {
        for at in 0..9 {
            let from = numbers();
            let mut to = vec![255; at + len + 9];
            // SAFETY: both places have that length.
            unsafe { memcpy(to.as_mut_ptr().add(at), from.as_ptr().add(1), len) };
            let mut expected = vec![255; to.len()];
            expected[at..at + len].clone_from_slice(&from[1..=len]);
            assert_eq!(to, expected, "{len} bytes to {at}");
        }
    }
}

#[test]
fn places_that_overlap_are_moved_whole_in_both_directions() {
    for len in 0..=LONGEST {
        for from in 0..LONGEST {
            for to in 0..LONGEST {
                let mut bytes = numbers();
                // SAFETY: both places have that length.
                unsafe {
                    let start = bytes.as_mut_ptr();
                    memmove(start.add(to), start.add(from), len);
                }
                let mut expected = numbers();
                expected[to..to + len].clone_from_slice(&numbers()[from..from + len]);
                assert_eq!(bytes, expected, "{len} bytes from {from} to {to}");
            }
        }
    }
}

#[test]
fn every_length_is_filled_and_nothing_beside_it() {
    for len in 0..=LONGEST {
        let mut bytes = vec![1; len + 2];
        // SAFETY: the place has that length.
        unsafe { memset(bytes.as_mut_ptr().add(1), 0x1f7, len) };
        let expected: Vec<u8> = [1].into_iter().chain(vec![0xf7; len]).chain([1]).collect();
        assert_eq!(bytes, expected);
    }
}

#[test]
fn the_first_difference_counts() {
    let compare = |one: &[u8], other: &[u8]| -> c_int {
        // SAFETY: both places have that length.
        unsafe { memcmp(one.as_ptr(), other.as_ptr(), one.len().min(other.len())) }
    };
    assert!(compare(b"\x80a", b"\x7fb") > 0);
    assert!(compare(b"ab", b"ac") < 0);
    assert_eq!(compare(b"ab", b"abc"), 0);
}
