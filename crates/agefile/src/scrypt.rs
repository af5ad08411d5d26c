//! scrypt (RFC 7914) with r = 8 and p = 1, in as little memory as the caller has.
//!
//! scrypt fills N blocks of 1 KiB, each made from the one before, and reads them in an order that
//! depends on the passphrase. This module keeps only every k-th block, and makes the others again
//! when it reads them. The key is the same for every k. A large k takes more time: on average (k -
//! 1) / 2 more steps for each of the N reads.

use core::{array, mem};

use hmac::Hmac;
use pbkdf2::pbkdf2;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// The size of a block in bytes.
pub const BLOCK: usize = 1024;

/// The number of Salsa20 states in a block: 2 r.
const STATES: usize = 16;

/// The places of a Salsa20 state's words in its four diagonals, on which a round works at once.
const DIAGONALS: [usize; 16] = [0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11];

/// A Salsa20 state, sorted by its diagonals.
type State = [[u32; 4]; 4];

/// A block of the memory that scrypt fills.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Block([State; STATES]);

impl Block {
    /// A block of zeros.
    pub const ZERO: Self = Self([[[0; 4]; 4]; STATES]);
}

impl core::fmt::Debug for Block {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Block")
    }
}

/// Returns the number of blocks that a derivation needs if it keeps one of `2^log_stride` blocks.
pub fn blocks(log_n: u8, log_stride: u8) -> usize {
    1 << log_n.saturating_sub(log_stride)
}

/// Derives a key of 32 bytes, with N = 2^`log_n`.
///
/// It keeps as many blocks as the memory holds, rounded down to a power of two, and wipes the
/// memory afterwards.
///
/// # Panics
/// There is no memory, or N does not fit into the 32 bits that choose blocks.
// Not inlined, so that the compiler optimises it with this crate's settings.
#[inline(never)]
pub fn derive(
    passphrase: &[u8],
    salt: &[u8],
    log_n: u8,
    memory: &mut [Block],
) -> Zeroizing<[u8; 32]> {
    assert!(!memory.is_empty() && (1..32).contains(&log_n), "scrypt without memory or N");
    let kept = usize::min(1 << memory.len().ilog2(), 1 << log_n);
    let memory = &mut memory[..kept];

    let mut bytes = Zeroizing::new([0; BLOCK]);
    pbkdf2::<Hmac<Sha256>>(passphrase, salt, 1, &mut *bytes).expect("a key of any length");
    let mut block = decoded(&bytes);
    mix(&mut block, log_n, memory);
    memory.fill(Block::ZERO);
    encode(&block, &mut bytes);
    wipe(&mut block);

    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::<Hmac<Sha256>>(passphrase, &*bytes, 1, &mut *key).expect("a key of any length");
    key
}

/// scryptROMix of RFC 7914, section 5. The length of the memory is a power of two, and at most N.
fn mix(block: &mut Block, log_n: u8, memory: &mut [Block]) {
    let n = 1_usize << log_n;
    let stride = n / memory.len();
    let mut scratch = [Block::ZERO; 3];
    let [next, made, made_next] = &mut scratch;
    let (mut x, mut next) = (block, next);
    for i in 0..n {
        if i % stride == 0 {
            memory[i / stride] = *x;
        }
        mix_block(x, next);
        mem::swap(&mut x, &mut next);
    }
    let (mut v, mut v_next) = (made, made_next);
    for _ in 0..n {
        // The first word of the last state, modulo N.
        let j = x.0[STATES - 1][0][0] as usize & (n - 1);
        let kept = &memory[j / stride];
        if j % stride == 0 {
            xor(x, kept);
        } else {
            mix_block(kept, v);
            for _ in 1..j % stride {
                mix_block(v, v_next);
                mem::swap(&mut v, &mut v_next);
            }
            xor(x, v);
        }
        mix_block(x, next);
        mem::swap(&mut x, &mut next);
    }
    // Both loops swap N times, which is even, so the result is in the caller's block.
    scratch.iter_mut().for_each(wipe);
}

/// scryptBlockMix of RFC 7914, section 4.
#[inline(always)]
fn mix_block(from: &Block, to: &mut Block) {
    let mut x = from.0[STATES - 1];
    for i in 0..STATES {
        for (row, with) in x.iter_mut().zip(&from.0[i]) {
            *row = array::from_fn(|k| row[k] ^ with[k]);
        }
        x = salsa20_8(x);
        // States with even numbers come first, then the others.
        to.0[i / 2 + (i % 2) * (STATES / 2)] = x;
    }
}

/// Salsa20/8 Core of RFC 7914, section 3.
#[inline(always)]
fn salsa20_8(state: State) -> State {
    let [mut a, mut b, mut c, mut d] = state;
    for _ in 0..4 {
        b = quarter(b, a, d, 7);
        c = quarter(c, b, a, 9);
        d = quarter(d, c, b, 13);
        a = quarter(a, d, c, 18);
        (b, c, d) = (turned::<3>(b), turned::<2>(c), turned::<1>(d));
        d = quarter(d, a, b, 7);
        c = quarter(c, d, a, 9);
        b = quarter(b, c, d, 13);
        a = quarter(a, b, c, 18);
        (b, c, d) = (turned::<1>(b), turned::<2>(c), turned::<3>(d));
    }
    let mixed = [a, b, c, d];
    array::from_fn(|i| array::from_fn(|k| mixed[i][k].wrapping_add(state[i][k])))
}

#[inline(always)]
fn quarter(to: [u32; 4], one: [u32; 4], other: [u32; 4], by: u32) -> [u32; 4] {
    array::from_fn(|k| to[k] ^ one[k].wrapping_add(other[k]).rotate_left(by))
}

/// Moves every word `BY` places to the front.
#[inline(always)]
fn turned<const BY: usize>(row: [u32; 4]) -> [u32; 4] {
    array::from_fn(|k| row[(k + BY) % 4])
}

fn xor(block: &mut Block, with: &Block) {
    for (row, with) in block.0.as_flattened_mut().iter_mut().zip(with.0.as_flattened()) {
        *row = array::from_fn(|k| row[k] ^ with[k]);
    }
}

fn decoded(bytes: &[u8; BLOCK]) -> Block {
    let mut block = Block::ZERO;
    for (state, bytes) in block.0.iter_mut().zip(bytes.chunks_exact(64)) {
        for (word, from) in state.as_flattened_mut().iter_mut().zip(DIAGONALS) {
            let bytes: [u8; 4] = array::from_fn(|k| bytes[4 * from + k]);
            *word = u32::from_le_bytes(bytes);
        }
    }
    block
}

fn encode(block: &Block, bytes: &mut [u8; BLOCK]) {
    for (state, bytes) in block.0.iter().zip(bytes.chunks_exact_mut(64)) {
        for (word, to) in state.as_flattened().iter().zip(DIAGONALS) {
            bytes[4 * to..][..4].copy_from_slice(&word.to_le_bytes());
        }
    }
}

fn wipe(block: &mut Block) {
    block.0.as_flattened_mut().as_flattened_mut().zeroize();
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    /// Derives a key, and keeps one of `2^log_stride` blocks.
    fn with_stride(log_n: u8, log_stride: u8) -> [u8; 32] {
        let mut memory = vec![Block::ZERO; blocks(log_n, log_stride)];
        *derive(b"a passphrase", b"some salt", log_n, &mut memory)
    }

    #[test]
    fn the_key_is_that_of_the_scrypt_crate_for_every_stride() {
        for log_n in [1, 2, 3, 5, 10, 14] {
            let parameters = ::scrypt::Params::new(log_n, 8, 1).unwrap();
            let mut expected = [0; 32];
            ::scrypt::scrypt(b"a passphrase", b"some salt", &parameters, &mut expected).unwrap();
            for log_stride in 0..=log_n.min(6) {
                let key = with_stride(log_n, log_stride);
                assert_eq!(key, expected, "N = 2^{log_n}, every 2^{log_stride}th");
            }
        }
    }

    #[test]
    fn the_key_is_that_of_the_specification() {
        // In RFC 7914, section 12, the second vector has p = 16. The third is the first with p = 1.
        let mut memory = vec![Block::ZERO; blocks(14, 1)];
        let key = derive(b"pleaseletmein", b"SodiumChloride", 14, &mut memory);
        let start = [0x70, 0x23, 0xbd, 0xcb, 0x3a, 0xfd, 0x73, 0x48, 0x46, 0x1c, 0x06, 0xcd];
        assert_eq!(key[..12], start);
    }

    #[test]
    fn memory_of_any_length_serves_and_is_wiped() {
        let expected = with_stride(5, 0);
        for len in [1, 2, 3, 7, 8, 31, 32, 33, 100] {
            let mut memory = vec![Block::ZERO; len];
            let key = derive(b"a passphrase", b"some salt", 5, &mut memory);
            assert_eq!(*key, expected, "{len} blocks");
            assert!(memory.iter().all(|block| block.0 == Block::ZERO.0), "{len} blocks");
        }
    }
}
