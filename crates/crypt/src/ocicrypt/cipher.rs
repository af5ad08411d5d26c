//! The layer cipher: AES-256 in counter mode, and an HMAC-SHA256 of the ciphertext under the same key.

use std::io::{self, Read, Write};

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, EncryptionContext, StreamingDecryptingKey, StreamingEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use sealcrate_errors::{Classified, ErrorClass};
use sealcrate_image::{Content, Layer, Spool};
use thiserror::Error;
use zeroize::Zeroizing;

const CHUNK: usize = 64 << 10;
const BLOCK: usize = 16;

/// Encrypts the bytes written to it.
pub struct CipherWriter<'w> {
    out: &'w mut dyn Write,
    cipher: StreamingEncryptingKey,
    mac: hmac::Context,
    buffer: Vec<u8>,
}

impl<'w> CipherWriter<'w> {
    /// Writes to `out` under `key`, with `nonce` as the first counter block. Use the two for
    /// nothing else.
    pub fn new(out: &'w mut dyn Write, key: &[u8; 32], nonce: [u8; 16]) -> Self {
        let mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        let key = UnboundCipherKey::new(&AES_256, key).expect("an AES-256 key is 32 bytes");
        let context = EncryptionContext::Iv128(FixedLength::from(nonce));
        let cipher = StreamingEncryptingKey::less_safe_ctr(key, context)
            .expect("counter mode takes a block of 16 bytes");
        Self { out, cipher, mac, buffer: vec![0; CHUNK + BLOCK] }
    }

    /// Returns the HMAC of the ciphertext written so far.
    pub fn finish(self) -> [u8; 32] {
        self.mac.sign().as_ref().try_into().expect("an HMAC-SHA256 is 32 bytes")
    }
}

impl Write for CipherWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(CHUNK);
        let update = self
            .cipher
            .update(&bytes[..count], &mut self.buffer)
            .map_err(|_| io::Error::other("cannot encrypt in counter mode"))?;
        self.mac.update(update.written());
        self.out.write_all(update.written())?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The plaintext of an encrypted layer.
///
/// [`open`](Content::open) reads the ciphertext to its end and authenticates it before it decrypts
/// the first byte. Where somebody could change the ciphertext in between, it waits in the spool.
pub struct CipherContent {
    /// The layer as stored.
    pub stored: Layer,
    /// The key of cipher and HMAC.
    pub key: Zeroizing<[u8; 32]>,
    /// The first counter block.
    pub nonce: [u8; 16],
    /// The HMAC that the ciphertext must have.
    pub hmac: [u8; 32],
    /// The spool in which ciphertext waits.
    pub spool: Spool,
}

impl Content for CipherContent {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut stored = self.stored.open_stored()?;
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*self.key));
        let content = self.stored.content();
        let ciphertext = if content.is_settled() {
            authenticate(&mut stored, &mut mac, &mut io::sink())?;
            content.open()
        } else {
            let spooled = self.spool.fill(|out| authenticate(&mut stored, &mut mac, out))?;
            spooled.content.open()
        };
        if verify_slices_are_equal(mac.sign().as_ref(), &self.hmac).is_err() {
            let damage = LayerAuthentication { layer: self.stored.name() };
            return Err(io::Error::new(io::ErrorKind::InvalidData, damage));
        }
        let cipher = counter_mode(&self.key, self.nonce);
        Ok(Box::new(CounterReader {
            ciphertext: ciphertext?,
            cipher,
            input: vec![0; CHUNK],
            output: Zeroizing::new(vec![0; CHUNK + BLOCK]),
            start: 0,
            end: 0,
        }))
    }
}

/// Copies the ciphertext to its end, and adds it to the HMAC.
fn authenticate(
    ciphertext: &mut dyn Read,
    mac: &mut hmac::Context,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = match ciphertext.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        mac.update(&chunk[..count]);
        out.write_all(&chunk[..count])?;
    }
}

fn counter_mode(key: &[u8; 32], nonce: [u8; 16]) -> StreamingDecryptingKey {
    let key = UnboundCipherKey::new(&AES_256, key).expect("an AES-256 key is 32 bytes");
    StreamingDecryptingKey::ctr(key, DecryptionContext::Iv128(FixedLength::from(nonce)))
        .expect("counter mode takes a block of 16 bytes")
}

struct CounterReader {
    ciphertext: Box<dyn Read + Send>,
    cipher: StreamingDecryptingKey,
    input: Vec<u8>,
    output: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
}

impl Read for CounterReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end {
            let count = self.ciphertext.read(&mut self.input)?;
            let update = self
                .cipher
                .update(&self.input[..count], &mut self.output)
                .map_err(|_| io::Error::other("cannot decrypt in counter mode"))?;
            (self.start, self.end) = (0, update.written().len());
        }
        let count = buffer.len().min(self.end - self.start);
        buffer[..count].copy_from_slice(&self.output[self.start..][..count]);
        self.start += count;
        Ok(count)
    }
}

/// Tells that an encrypted layer is damaged. It travels inside an [`io::Error`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the encrypted layer {layer} is damaged: it does not authenticate")]
pub struct LayerAuthentication {
    layer: String,
}

impl Classified for LayerAuthentication {
    fn class(&self) -> Option<ErrorClass> {
        Some(ErrorClass::Damaged)
    }
}
