//! DARE streams: the reader returns the same bytes as a plain reading of the format page, and no
//! more.

use std::io::Read;

use sealcrate_crypt::crypto_cli::dare::{DareReader, plaintext_len};

use crate::crypt::crypto_cli::gcm;

const KEY: [u8; 32] = [7; 32];
const HEADER: usize = 16;
const TAG: usize = 16;
const PAYLOAD: usize = 1 << 16;

/// How many packages a script makes: enough for a first, a middle, and a last.
const MAX_PACKAGES: usize = 4;

/// Reads a stream under a known key. The first byte says whether the other bytes are the stream
/// itself or a script that makes one. It also chooses the steps in which the stream is read.
pub(crate) fn run(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else { return };
    let stored = if mode & 1 == 0 { rest.to_vec() } else { scripted(rest) };
    let (expected, is_whole) = authentic(&KEY, &stored);
    let step = [1 << 17, PAYLOAD, 4099, 61][usize::from(mode >> 1) % 4];

    let mut reader = DareReader::new(stored.as_slice(), &KEY);
    let (mut plain, mut buffer) = (Vec::new(), vec![0; step]);
    let ended_well = loop {
        match reader.read(&mut buffer) {
            Ok(0) => break true,
            Ok(count) => plain.extend_from_slice(&buffer[..count]),
            Err(_) => break false,
        }
    };
    assert!(plain == expected, "bytes that were not authenticated, or too few of the others");
    assert_eq!(ended_well, is_whole, "whether the stream is whole");
    if is_whole {
        assert_eq!(plaintext_len(stored.len() as u64), Ok(plain.len() as u64));
    }
}

/// Encrypts `plain` as one stream under `key`.
pub(crate) fn encrypt(key: &[u8; 32], plain: &[u8]) -> Vec<u8> {
    let last = plain.chunks(PAYLOAD).count() - 1;
    let mut stream = Vec::new();
    for (i, payload) in plain.chunks(PAYLOAD).enumerate() {
        let header = header(payload.len(), [9; 12], i == last);
        stream.extend(package(key, header, i as u32, payload));
    }
    stream
}

/// Returns the plaintext of the packages that are authentic and in their places, and whether they
/// are a whole stream.
fn authentic(key: &[u8; 32], stored: &[u8]) -> (Vec<u8>, bool) {
    let (mut plain, mut rest) = (Vec::new(), stored);
    for sequence in 0.. {
        let Some((header, body)) = rest.split_at_checked(HEADER) else { break };
        let header: [u8; HEADER] = header.try_into().expect("of that length");
        let len = usize::from(header[2]) + 256 * usize::from(header[3]) + 1;
        let is_last = header[4] >= 0x80;
        let same_nonce = header[4] & 0x7f == stored[4] & 0x7f && header[5..] == stored[5..HEADER];
        let acceptable = header[..2] == [0x20, 0] && same_nonce && (is_last || len == PAYLOAD);
        let Some((message, after)) = body.split_at_checked(len + TAG) else { break };
        if !acceptable || (is_last && !after.is_empty()) {
            break;
        }
        let nonce = nonce(&header, sequence);
        let Some(payload) = gcm::open(key, nonce, &header[..4], message) else { break };
        plain.extend(payload);
        if is_last {
            return (plain, true);
        }
        rest = after;
    }
    (plain, false)
}

/// Makes a stream with right tags, each package from four bytes of `script`. The first of them
/// chooses the package's other faults.
fn scripted(script: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let steps: Vec<&[u8]> = script.chunks_exact(4).take(MAX_PACKAGES).collect();
    for (i, &step) in steps.iter().enumerate() {
        let &[faults, a, b, c] = step else { continue };
        let has = |bit: u8| faults & (1 << bit) != 0;
        // A script of zeros is a proper stream: all packages full but the last, which is final.
        let is_last = (i + 1 == steps.len()) != has(0);
        let len = if (i + 1 == steps.len()) != has(1) { usize::from(b) + 1 } else { PAYLOAD };
        let payload: Vec<u8> = (0..len).map(|j| (j ^ i) as u8).collect();
        let mut header = header(len, [5; 12], is_last);
        if has(2) {
            header[0] = a;
        }
        if has(3) {
            header[1] = a;
        }
        if has(4) {
            header[4 + usize::from(a) % 12] ^= c;
        }
        let sequence = if has(5) { u32::from(c) } else { i as u32 };
        let mut package = package(&KEY, header, sequence, &payload);
        if has(6) {
            let place = (usize::from(a) << 9 | usize::from(b)) % package.len();
            package[place] ^= c;
        }
        if has(7) {
            package.truncate(package.len() - (usize::from(c) % package.len()));
        }
        stream.extend(package);
    }
    stream
}

fn header(len: usize, nonce: [u8; 12], is_last: bool) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = 0x20;
    header[2] = ((len - 1) & 0xff) as u8;
    header[3] = ((len - 1) >> 8) as u8;
    header[4..].copy_from_slice(&nonce);
    header[4] = (header[4] & 0x7f) | if is_last { 0x80 } else { 0 };
    header
}

fn package(key: &[u8; 32], header: [u8; HEADER], sequence: u32, payload: &[u8]) -> Vec<u8> {
    let sealed = gcm::seal(key, nonce(&header, sequence), &header[..4], payload);
    [&header[..], &sealed].concat()
}

fn nonce(header: &[u8; HEADER], sequence: u32) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&header[4..]);
    for i in 0..4 {
        nonce[8 + i] ^= (sequence >> (8 * i)) as u8;
    }
    nonce
}
