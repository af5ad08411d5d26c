//! Encryption: from the plain tar file of a private layer to its parts, encrypted.
//!
//! A part is a piece of the tar file, in an age file of its own. The parts of a layer are compressed on all
//! cores here, and the init decompresses them on all cores.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::panic;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

use sealcrate_agefile::{Encryptor, Header, x25519};
use sealcrate_image::{Layer, Spool, Spooling};
use sealcrate_packfile::index::{IndexLayer, Part, Parts, header_digest};
use zeroize::Zeroizing;

use crate::payload::compression::compressor;
use crate::payload::{self, PartFile};

/// The length of every part but a layer's last, in bytes of the tar file. Smaller parts compress worse, and
/// larger ones leave cores without work.
const PART: usize = 8 << 20;

/// The most parts that are compressed at once: each takes some 20 MiB.
const MAX_AT_ONCE: usize = 4;

/// A private layer, encrypted.
#[derive(Clone)]
pub(crate) struct EncryptedLayer {
    /// The layer that holds the age files.
    pub(crate) layer: Layer,
    /// The secret key that opens the age files.
    pub(crate) identity: Zeroizing<String>,
    /// The parts, as the index has them.
    parts: Vec<u8>,
}

impl EncryptedLayer {
    /// Encrypts a plain tar file, under a key that nothing else has.
    pub(crate) fn of(tar: &mut dyn Read, spool: &Spool) -> io::Result<Self> {
        let identity = x25519::Identity::generate().map_err(io::Error::other)?;
        let recipient = identity.recipient();
        let mut spooling = Spooling::begin(spool)?;
        let mut files = Vec::new();
        for_each_encrypted(tar, &recipient, |EncryptedPart { part, age }| {
            let content = spooling.add(|out| out.write_all(&age))?.content;
            files.push(PartFile { part, content: Arc::new(content), len: age.len() as u64 });
            io::Result::Ok(())
        })?;
        Self::from_files(files, identity.to_text())
    }

    /// Puts age files into a layer.
    pub(crate) fn from_files(
        files: Vec<PartFile>,
        identity: Zeroizing<String>,
    ) -> io::Result<Self> {
        let mut parts = Vec::new();
        Parts::write(files.iter().map(|file| file.part), &mut parts);
        Ok(Self { layer: payload::layer(files)?, identity, parts })
    }

    /// Returns the layer as the index has it.
    pub(crate) fn in_index(&self, diff_id: [u8; 32]) -> IndexLayer<'_> {
        IndexLayer::Private { diff_id, identity: &self.identity, parts: self.parts() }
    }

    /// Returns the parts.
    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts::parse(&self.parts).expect("they were written here")
    }
}

/// A part in its age file.
struct EncryptedPart {
    part: Part,
    age: Vec<u8>,
}

/// Encrypts piece after piece of `tar`, several at once, and calls `take` with each in their order. An empty
/// file has one part.
fn for_each_encrypted(
    tar: &mut dyn Read,
    recipient: &x25519::Recipient,
    mut take: impl FnMut(EncryptedPart) -> io::Result<()>,
) -> io::Result<()> {
    let at_once = thread::available_parallelism().map_or(1, usize::from).min(MAX_AT_ONCE);
    thread::scope(|scope| {
        let mut begun: VecDeque<ScopedJoinHandle<'_, io::Result<EncryptedPart>>> = VecDeque::new();
        let mut count = 0_u64;
        loop {
            let mut piece = Vec::new();
            tar.take(PART as u64).read_to_end(&mut piece)?;
            let is_end = piece.len() < PART;
            if !piece.is_empty() || count == 0 {
                count += 1;
                begun.push_back(scope.spawn(move || encrypt(&piece, recipient)));
            }
            while begun.len() >= at_once || is_end {
                let Some(encrypting) = begun.pop_front() else { return Ok(()) };
                take(encrypting.join().unwrap_or_else(|payload| panic::resume_unwind(payload))?)?;
            }
        }
    })
}

fn encrypt(piece: &[u8], recipient: &x25519::Recipient) -> io::Result<EncryptedPart> {
    let encryptor = Encryptor::new([recipient as _]).map_err(io::Error::other)?;
    let mut writer = compressor(encryptor.write_to(Vec::new())?)?;
    writer.write_all(piece)?;
    let age = writer.finish()?.finish()?;
    let header = Header::parse(&age).map_err(io::Error::other)?;
    let part = Part { len: piece.len() as u64, header: header_digest(&header) };
    Ok(EncryptedPart { part, age })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_their_order_and_hold_all_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::in_folder(folder.path());
        for len in [0, 1, PART - 1, PART, PART + 1, 7 * PART] {
            let tar: Vec<u8> = (0..len).map(|at| (at / 1000) as u8).collect();
            let encrypted = EncryptedLayer::of(&mut &tar[..], &spool).unwrap();
            let lens: Vec<u64> = encrypted.parts().iter().map(|part| part.len).collect();
            assert_eq!(lens.len(), len.div_ceil(PART).max(1), "{len}");
            assert_eq!(lens.iter().sum::<u64>(), len as u64);
            let decrypted = crate::unlock::decrypted_layer::DecryptedLayer::find(
                &encrypted.layer,
                encrypted.parts(),
                &encrypted.identity,
                &spool,
            );
            let mut found = Vec::new();
            sealcrate_image::Content::open(&decrypted.unwrap())
                .unwrap()
                .read_to_end(&mut found)
                .unwrap();
            assert!(found == tar, "{len}");
        }
    }

    #[test]
    fn file_that_cannot_be_read_is_no_layer() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("it is gone"))
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let mut tar = io::repeat(7).take(3 * PART as u64).chain(Broken);
        let error = EncryptedLayer::of(&mut tar, &Spool::in_folder(folder.path())).err().unwrap();
        assert_eq!(error.to_string(), "it is gone");
    }
}
