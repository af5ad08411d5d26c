//! Checks on bytes as they pass by: their length, their digest, their diff ID.
//!
//! Each check is a reader around a reader. It fails the read that would reach the end: wrong bytes
//! never end well.

use std::io::{self, Read, Write};

use flate2::write::MultiGzDecoder;

use crate::transfer::background::BackgroundWriter;
use crate::transfer::compression::expanded::{Expanded, Packed};
use crate::{Compression, Damage, DiffId, Digest, Expansion, ExpansionError, Hasher};

/// Reads exactly as many bytes as there should be, and checks their digest.
pub(crate) struct VerifyReader<R> {
    inner: R,
    what: String,
    expected_len: u64,
    read: u64,
    check: Option<(Hasher, Digest)>,
}

impl<R: Read> VerifyReader<R> {
    /// Checks the length, and the digest where one is known.
    pub(crate) fn new(inner: R, what: String, len: u64, digest: Option<Digest>) -> Self {
        let check = digest.map(|digest| (Hasher::default(), digest));
        Self { inner, what, expected_len: len, read: 0, check }
    }

    fn at_end(&mut self) -> io::Result<usize> {
        if self.read < self.expected_len {
            return Err(Damage::TooShort {
                what: self.what.clone(),
                expected: self.expected_len,
                found: self.read,
            }
            .into());
        }
        if let Some((hasher, expected)) = self.check.take() {
            let found = hasher.finish();
            if found != expected {
                return Err(Damage::Digest { expected, found }.into());
            }
        }
        Ok(0)
    }
}

impl<R: Read> Read for VerifyReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        if count == 0 {
            return self.at_end();
        }
        self.read += count as u64;
        if self.read > self.expected_len {
            let (what, expected) = (self.what.clone(), self.expected_len);
            return Err(Damage::TooLong { what, expected }.into());
        }
        if let Some((hasher, _)) = &mut self.check {
            hasher.update(&buffer[..count]);
        }
        Ok(count)
    }
}

/// Passes a layer's bytes on as they are, and checks the diff ID of the tar that they hold.
pub(crate) struct DiffIdReader<R> {
    inner: R,
    expected: DiffId,
    /// It decompresses on a thread beside the transfer, and hashes on another one: each takes as
    /// long as all the rest.
    unpacker: Option<BackgroundWriter<Unpacker>>,
    packed: Packed,
}

impl<R: Read> DiffIdReader<R> {
    /// Checks bytes that are compressed with `compression`, and unpack to no more than `expansion`
    /// allows.
    pub(crate) fn new(
        inner: R,
        compression: Compression,
        expected: DiffId,
        expansion: Expansion,
    ) -> io::Result<Self> {
        let packed = Packed::default();
        let unpacker = Unpacker::new(compression, expansion, packed.clone())?;
        Ok(Self { inner, expected, unpacker: Some(BackgroundWriter::new(unpacker)?), packed })
    }

    fn damaged(&self, error: io::Error) -> io::Error {
        if ExpansionError::is_in(&error) {
            return error;
        }
        Damage::Undecompressable { diff_id: self.expected, reason: error.to_string() }.into()
    }
}

impl<R: Read> Read for DiffIdReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        if count > 0 {
            // Count the bytes before they go in, since the bytes that come out may be compared at
            // once.
            self.packed.add(count);
            let written = self.unpacker.as_mut().map(|to| to.write_all(&buffer[..count]));
            written.transpose().map_err(|error| self.damaged(error))?;
            return Ok(count);
        }
        if let Some(unpacker) = self.unpacker.take() {
            let found = unpacker.finish().and_then(Unpacker::finish);
            let found = DiffId(found.map_err(|error| self.damaged(error))?);
            if found != self.expected {
                return Err(Damage::DiffId { expected: self.expected, found }.into());
            }
        }
        Ok(0)
    }
}

/// Decompresses the bytes that it gets, and keeps only their digest.
enum Unpacker {
    Gzip(Box<MultiGzDecoder<Bounded>>),
    Plain(Hasher),
    Zstd(Box<zstd::stream::write::Decoder<'static, Bounded>>),
}

/// The digest of the unpacked bytes, as long as those are not too many.
type Bounded = Expanded<BackgroundWriter<Hasher>>;

impl Unpacker {
    fn new(compression: Compression, expansion: Expansion, packed: Packed) -> io::Result<Self> {
        let bounded = || {
            Ok::<_, io::Error>(Expanded::new(
                BackgroundWriter::new(Hasher::default())?,
                expansion,
                packed,
            ))
        };
        Ok(match compression {
            Compression::None => Self::Plain(Hasher::default()),
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(bounded()?))),
            Compression::Zstd => {
                Self::Zstd(Box::new(zstd::stream::write::Decoder::new(bounded()?)?))
            }
        })
    }

    fn finish(self) -> io::Result<Digest> {
        match self {
            Self::Gzip(decoder) => Ok(decoder.finish()?.into_inner().finish()?.finish()),
            Self::Plain(hasher) => Ok(hasher.finish()),
            Self::Zstd(mut decoder) => {
                decoder.flush()?;
                Ok(decoder.into_inner().into_inner().finish()?.finish())
            }
        }
    }
}

impl Write for Unpacker {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.write(bytes),
            Self::Plain(hasher) => hasher.write(bytes),
            Self::Zstd(decoder) => decoder.write(bytes),
        }
    }

    /// Does nothing: the unpacked bytes matter at the end only.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::expansion::tests::small;

    fn damage(error: io::Error) -> Damage {
        error.into_inner().unwrap().downcast_ref::<Damage>().unwrap().clone()
    }

    fn verify(bytes: &[u8], len: u64, digest: Option<Digest>) -> Result<Vec<u8>, Damage> {
        let mut out = Vec::new();
        VerifyReader::new(bytes, "blob".into(), len, digest)
            .read_to_end(&mut out)
            .map(|_| out)
            .map_err(damage)
    }

    #[test]
    fn length_and_digest_must_hold() {
        let digest = Some(Digest::of(b"abc"));
        assert_eq!(verify(b"abc", 3, digest).unwrap(), b"abc");
        assert!(matches!(verify(b"abd", 3, digest), Err(Damage::Digest { .. })));
        assert!(matches!(verify(b"abc", 2, digest), Err(Damage::TooLong { .. })));
        assert!(matches!(verify(b"abc", 4, digest), Err(Damage::TooShort { found: 3, .. })));
    }

    fn unpacked(bytes: &[u8], compression: Compression, tar: &[u8]) -> Result<Vec<u8>, Damage> {
        let mut out = Vec::new();
        let expansion = Expansion::default();
        DiffIdReader::new(bytes, compression, DiffId(Digest::of(tar)), expansion)
            .unwrap()
            .read_to_end(&mut out)
            .map(|_| out)
            .map_err(damage)
    }

    #[test]
    fn diff_id_is_that_of_the_unpacked_bytes() {
        let tar = b"a layer".repeat(1000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar[..100]).unwrap();
        let mut packed = gzip.finish().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
        gzip.write_all(&tar[100..]).unwrap();
        gzip.finish().unwrap();
        let zstd = zstd::encode_all(&tar[..], 1).unwrap();
        for (bytes, compression) in
            [(&packed, Compression::Gzip), (&zstd, Compression::Zstd), (&tar, Compression::None)]
        {
            assert_eq!(&unpacked(bytes, compression, &tar).unwrap(), bytes, "{compression:?}");
            let wrong = unpacked(bytes, compression, b"other");
            assert!(matches!(wrong, Err(Damage::DiffId { .. })), "{compression:?}");
            let cut = unpacked(&bytes[..bytes.len() - 3], compression, &tar);
            assert!(cut.is_err(), "{compression:?}");
        }
        let garbage = unpacked(&tar, Compression::Gzip, &tar);
        assert!(matches!(garbage, Err(Damage::Undecompressable { .. })));
    }

    #[test]
    fn layer_that_unpacks_to_too_much_is_no_damage_and_is_not_unpacked_to_its_end() {
        let zeros = vec![0; 3 << 20];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&zeros).unwrap();
        let zstd = zstd::encode_all(&zeros[..], 1).unwrap();
        for (bytes, compression) in
            [(gzip.finish().unwrap(), Compression::Gzip), (zstd, Compression::Zstd)]
        {
            let read = |expansion| {
                let expected = DiffId(Digest::of(&zeros));
                let mut reader =
                    DiffIdReader::new(&bytes[..], compression, expected, expansion).unwrap();
                reader.read_to_end(&mut Vec::new())
            };
            let error = read(small(1 << 20, 2)).unwrap_err();
            assert!(ExpansionError::is_in(&error), "{compression:?}: {error}");
            for fits in [small(3 << 20, 2), small(0, 100_000)] {
                assert_eq!(read(fits).unwrap(), bytes.len(), "{compression:?}");
            }
        }
    }
}
