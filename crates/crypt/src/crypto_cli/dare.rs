//! DARE 2.0: an authenticated stream of packages, in which crypto-cli stores layers.
//!
//! A package has a 16-byte header, up to 64 KiB of ciphertext, and a 16-byte tag. This module knows
//! AES-256-GCM alone. A stream holds at least one byte. The reader gives out no plaintext before it
//! has authenticated the package. Only at the end does it know that the stream was whole. Source:
//! "Data At Rest Encryption", version 2.0; `docs/formats/crypto-cli.md`.

use std::io::{self, Read, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sealcrate_errors::{Classified, ErrorClass};
use thiserror::Error;

const HEADER: usize = 16;
const PAYLOAD: usize = 64 << 10;
const TAG: usize = 16;
const OVERHEAD: usize = HEADER + TAG;
const PACKAGE: usize = PAYLOAD + OVERHEAD;

const VERSION: u8 = 0x20;
const CIPHER: u8 = 0;
/// The bit of the first nonce byte that marks the last package.
const FINAL: u8 = 0x80;

/// Returns the length of the plaintext of a stream that is `stored` bytes long.
///
/// # Errors
/// No stream has that length.
pub fn plaintext_len(stored: u64) -> Result<u64, DareError> {
    let (full, rest) = (stored / PACKAGE as u64, stored % PACKAGE as u64);
    if stored == 0 || (rest > 0 && rest <= OVERHEAD as u64) {
        return Err(DareError::Truncated);
    }
    let packages = full + u64::from(rest > 0);
    Ok(stored - packages * OVERHEAD as u64)
}

/// Encrypts the bytes written to it.
pub struct DareWriter<W> {
    inner: W,
    key: LessSafeKey,
    nonce: [u8; 12],
    sequence: u32,
    /// The current package: room for the header, then the payload so far. The writer seals it when
    /// more bytes come: only then does it know that the package is not the last.
    package: Vec<u8>,
}

impl<W: Write> DareWriter<W> {
    /// Encrypts to `inner` under `key`, which must be used for this stream alone.
    ///
    /// # Errors
    /// The system has no random bytes to give.
    pub fn new(inner: W, key: &[u8; 32]) -> io::Result<Self> {
        let mut nonce = [0; 12];
        aws_lc_rs::rand::fill(&mut nonce)
            .map_err(|_| io::Error::other("the system gives no random bytes"))?;
        let mut package = Vec::with_capacity(PACKAGE);
        package.resize(HEADER, 0);
        Ok(Self { inner, key: aead_key(key), nonce, sequence: 0, package })
    }

    /// Writes the last package, and returns the inner writer.
    ///
    /// # Errors
    /// The inner writer fails; the caller has written no bytes; the stream has too many packages.
    pub fn finish(mut self) -> io::Result<W> {
        if self.package.len() == HEADER {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, DareError::Empty));
        }
        self.seal(FINAL)?;
        Ok(self.inner)
    }

    fn seal(&mut self, final_bit: u8) -> io::Result<()> {
        let payload = u16::try_from(self.package.len() - HEADER - 1).expect("at most 64 KiB");
        let mut nonce = self.nonce;
        nonce[0] = (nonce[0] & !FINAL) | final_bit;
        let mut header = [0; HEADER];
        header[0] = VERSION;
        header[1] = CIPHER;
        header[2..4].copy_from_slice(&payload.to_le_bytes());
        header[4..].copy_from_slice(&nonce);
        self.package[..HEADER].copy_from_slice(&header);
        let tag = self
            .key
            .seal_in_place_separate_tag(
                package_nonce(nonce, self.sequence),
                Aad::from(&header[..4]),
                &mut self.package[HEADER..],
            )
            .map_err(|_| io::Error::other("a package could not be encrypted"))?;
        self.package.extend_from_slice(tag.as_ref());
        self.inner.write_all(&self.package)?;
        self.package.truncate(HEADER);
        self.sequence =
            self.sequence.checked_add(1).ok_or_else(|| io::Error::other(DareError::TooLong))?;
        Ok(())
    }
}

impl<W: Write> Write for DareWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.package.len() == HEADER + PAYLOAD {
            self.seal(0)?;
        }
        let count = bytes.len().min(HEADER + PAYLOAD - self.package.len());
        self.package.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Does nothing: only the last package may be shorter than the others.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decrypts the bytes of a reader.
pub struct DareReader<R> {
    inner: R,
    key: LessSafeKey,
    /// The nonce of the first package, without the final bit.
    nonce: Option<[u8; 12]>,
    sequence: u32,
    package: Vec<u8>,
    plain: std::ops::Range<usize>,
    finished: bool,
}

impl<R: Read> DareReader<R> {
    /// Decrypts `inner` with `key`.
    pub fn new(inner: R, key: &[u8; 32]) -> Self {
        Self {
            inner,
            key: aead_key(key),
            nonce: None,
            sequence: 0,
            package: vec![0; PACKAGE],
            plain: 0..0,
            finished: false,
        }
    }

    /// Reads and opens the next package.
    fn next(&mut self) -> io::Result<()> {
        // All packages but the last have one length, so the reader takes the next one in one go.
        // Only the last may be shorter, and bytes behind it are an error.
        let count = read_full(&mut self.inner, &mut self.package)?;
        if count <= OVERHEAD {
            return Err(DareError::Truncated.into());
        }
        let header: [u8; HEADER] = self.package[..HEADER].try_into().expect("of that length");
        if header[0] != VERSION {
            return Err(DareError::Version(header[0]).into());
        }
        if header[1] != CIPHER {
            return Err(DareError::Cipher(header[1]).into());
        }
        let payload = usize::from(u16::from_le_bytes([header[2], header[3]])) + 1;
        let mut nonce: [u8; 12] = header[4..].try_into().expect("of that length");
        let is_final = nonce[0] & FINAL != 0;
        if !is_final && payload != PAYLOAD {
            return Err(DareError::ShortPackage.into());
        }
        if count < payload + OVERHEAD {
            return Err(DareError::Truncated.into());
        }
        if count > payload + OVERHEAD {
            return Err(DareError::TrailingData.into());
        }
        let aead_nonce = package_nonce(nonce, self.sequence);
        nonce[0] &= !FINAL;
        if *self.nonce.get_or_insert(nonce) != nonce {
            return Err(DareError::Authentication.into());
        }
        self.key
            .open_in_place(aead_nonce, Aad::from(&header[..4]), &mut self.package[HEADER..count])
            .map_err(|_| DareError::Authentication)?;
        if is_final {
            if read_full(&mut self.inner, &mut [0])? > 0 {
                return Err(DareError::TrailingData.into());
            }
            self.finished = true;
        } else {
            self.sequence = self.sequence.checked_add(1).ok_or(DareError::TooLong)?;
        }
        self.plain = HEADER..HEADER + payload;
        Ok(())
    }
}

impl<R: Read> Read for DareReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.plain.is_empty() {
            if self.finished {
                return Ok(0);
            }
            self.next()?;
        }
        let count = self.plain.len().min(buffer.len());
        let start = self.plain.start;
        buffer[..count].copy_from_slice(&self.package[start..start + count]);
        self.plain.start += count;
        Ok(count)
    }
}

fn aead_key(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key is 32 bytes"))
}

/// Returns the nonce of a package: its number is XORed into the last four bytes of the stream's
/// nonce.
fn package_nonce(mut nonce: [u8; 12], sequence: u32) -> Nonce {
    for (byte, number) in nonce[8..].iter_mut().zip(sequence.to_le_bytes()) {
        *byte ^= number;
    }
    Nonce::assume_unique_for_key(nonce)
}

/// Reads until `buffer` is full or the reader ends, and returns the number of bytes.
fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match reader.read(&mut buffer[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Why a stream cannot be decrypted. It travels inside an [`io::Error`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DareError {
    /// A package was changed, or was encrypted under another key.
    #[error("encrypted data is damaged: a package does not authenticate")]
    Authentication,
    /// The header names another cipher than AES-256-GCM.
    #[error("encrypted data is damaged or of an unknown kind: cipher {0}")]
    Cipher(u8),
    /// There is nothing to encrypt, which the format cannot express.
    #[error("an empty stream cannot be encrypted")]
    Empty,
    /// A package before the last is not full.
    #[error("encrypted data is damaged: a short package before the last")]
    ShortPackage,
    /// The stream has more packages than 32 bits can count.
    #[error("the stream is longer than the format allows")]
    TooLong,
    /// Something follows the last package.
    #[error("encrypted data is damaged: data after the last package")]
    TrailingData,
    /// The end came before the last package.
    #[error("encrypted data is damaged: it ends too early")]
    Truncated,
    /// The header names another version than 2.0.
    #[error("encrypted data is damaged or of an unknown kind: version {0:#04x}")]
    Version(u8),
}

impl Classified for DareError {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Authentication
            | Self::Cipher(_)
            | Self::ShortPackage
            | Self::TooLong
            | Self::TrailingData
            | Self::Truncated
            | Self::Version(_) => Some(ErrorClass::Damaged),
            Self::Empty => Some(ErrorClass::Failure),
        }
    }
}

impl From<DareError> for io::Error {
    fn from(error: DareError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn encrypt(plain: &[u8]) -> Vec<u8> {
        let mut writer = DareWriter::new(Vec::new(), &KEY).unwrap();
        writer.write_all(plain).unwrap();
        writer.finish().unwrap()
    }

    fn decrypt(stored: &[u8]) -> Result<Vec<u8>, DareError> {
        let mut plain = Vec::new();
        match DareReader::new(stored, &KEY).read_to_end(&mut plain) {
            Ok(_) => Ok(plain),
            Err(error) => Err(*error.into_inner().unwrap().downcast::<DareError>().unwrap()),
        }
    }

    #[test]
    fn lengths_around_the_package_borders_round_trip() {
        for len in [1, 2, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, 2 * PAYLOAD, 2 * PAYLOAD + 1] {
            let plain: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let stored = encrypt(&plain);
            assert_eq!(plaintext_len(stored.len() as u64).unwrap(), len as u64);
            assert!(decrypt(&stored).unwrap() == plain, "{len}");
        }
    }

    #[test]
    fn nothing_cannot_be_encrypted() {
        let error = DareWriter::new(Vec::new(), &KEY).unwrap().finish().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(decrypt(&[]), Err(DareError::Truncated));
    }

    #[test]
    fn lengths_that_no_stream_has_are_refused() {
        for stored in [0, 1, OVERHEAD, PACKAGE + 1, PACKAGE + OVERHEAD] {
            assert_eq!(plaintext_len(stored as u64), Err(DareError::Truncated), "{stored}");
        }
        assert_eq!(plaintext_len(OVERHEAD as u64 + 1), Ok(1));
        assert!(plaintext_len(u64::MAX).is_ok());
    }

    #[test]
    fn flip_of_any_header_or_tag_bit_is_noticed() {
        let stored = encrypt(&vec![1; PAYLOAD + 5]);
        let interesting = (0..HEADER)
            .chain(PACKAGE - TAG..PACKAGE + HEADER)
            .chain(stored.len() - TAG..stored.len());
        for position in interesting {
            for bit in 0..8 {
                let mut changed = stored.clone();
                changed[position] ^= 1_u8 << bit;
                assert!(decrypt(&changed).is_err(), "bit {bit} of byte {position}");
            }
        }
    }

    #[test]
    fn each_way_to_be_malformed_has_its_error() {
        let stored = encrypt(&vec![1; 2 * PAYLOAD + 5]);
        let last = &stored[2 * PACKAGE..];
        let with = |position: usize, byte: u8| {
            let mut changed = stored.clone();
            changed[position] = byte;
            decrypt(&changed)
        };
        assert_eq!(with(0, 0x10), Err(DareError::Version(0x10)));
        assert_eq!(with(1, 1), Err(DareError::Cipher(1)));
        assert_eq!(with(PACKAGE + 1, 1), Err(DareError::Cipher(1)));
        assert_eq!(with(2, 0), Err(DareError::ShortPackage));
        assert_eq!(decrypt(&stored[..2 * PACKAGE]), Err(DareError::Truncated));
        assert_eq!(decrypt(&stored[..stored.len() - 1]), Err(DareError::Truncated));
        assert_eq!(decrypt(&[&stored[..], b"x"].concat()), Err(DareError::TrailingData));
        assert_eq!(decrypt(last), Err(DareError::Authentication));
        let swapped = [&stored[PACKAGE..2 * PACKAGE], &stored[..PACKAGE], last].concat();
        assert_eq!(decrypt(&swapped), Err(DareError::Authentication));
        let doubled = [&stored[..PACKAGE], &stored].concat();
        assert_eq!(decrypt(&doubled), Err(DareError::Authentication));
        let full = encrypt(&vec![1; PAYLOAD]);
        assert_eq!(decrypt(&[&full[..], &full].concat()), Err(DareError::TrailingData));
    }

    #[test]
    fn wrong_key_yields_nothing() {
        let stored = encrypt(b"secret");
        let mut out = Vec::new();
        assert!(DareReader::new(&stored[..], &[8; 32]).read_to_end(&mut out).is_err());
        assert!(out.is_empty());
    }

    /// Reads bytes in pieces of the given sizes, over and over.
    struct Pieces<'a> {
        inner: &'a [u8],
        sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = *self.sizes.next().unwrap();
            let count = size.min(buffer.len());
            self.inner.read(&mut buffer[..count])
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_length_in_pieces_of_any_size_round_trips(
            border in 0_usize..4,
            around in 0_usize..80,
            sizes in prop::collection::vec(1_usize..100_000, 1..6),
        ) {
            let len = (border * PAYLOAD + around).saturating_sub(40).max(1);
            let plain: Vec<u8> = (0..len).map(|i| (i * 31) as u8).collect();
            let mut writer = DareWriter::new(Vec::new(), &KEY).unwrap();
            let mut rest = &plain[..];
            for size in sizes.iter().cycle() {
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                writer.write_all(piece).unwrap();
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            let stored = writer.finish().unwrap();
            let pieces = Pieces { inner: &stored, sizes: sizes.iter().cycle() };
            let mut read = Vec::new();
            DareReader::new(pieces, &KEY).read_to_end(&mut read).unwrap();
            prop_assert!(read == plain);
        }

        #[test]
        fn any_flip_and_any_cut_is_noticed(
            len in 1_usize..200_000, at in any::<prop::sample::Index>(), bit in 0_u8..8,
        ) {
            let stored = encrypt(&vec![5; len]);
            let position = at.index(stored.len());
            let mut changed = stored.clone();
            changed[position] ^= 1_u8 << bit;
            prop_assert!(decrypt(&changed).is_err());
            prop_assert!(decrypt(&stored[..position]).is_err());
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(decrypt(&bytes).is_err());
        }
    }
}
