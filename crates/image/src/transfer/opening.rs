//! How a layer is opened: the checks that its bytes pass, and the form that they get.

use std::io::{self, Read};
use std::sync::Arc;

use super::verify::{DiffIdReader, VerifyReader};
use crate::{
    Compression, Compressor, Descriptor, Family, Layer, MediaType, Meter, MeteredReader, Spool,
};

impl Layer {
    /// Opens the bytes. Reading to the end checks their length and every digest that is known.
    ///
    /// # Errors
    /// Errors of the medium; [`Damage`](crate::Damage) inside an error of kind `InvalidData` when the end
    /// is reached and something disagrees.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let checked = self.open_by_digest()?;
        match self.diff_id() {
            // A tar that is stored as it is has been checked by its digest.
            Some(diff_id) if self.digest() != Some(diff_id.0) => {
                let compression = self.compression()?;
                Ok(Box::new(DiffIdReader::new(checked, compression, diff_id, self.expansion())?))
            }
            _ => Ok(checked),
        }
    }

    /// Opens the bytes like [`open`](Self::open). If the digest is known, it checks that alone, and so
    /// skips decompression.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_stored(&self) -> io::Result<Box<dyn Read + Send>> {
        match self.digest() {
            Some(_) => self.open_by_digest(),
            None => self.open(),
        }
    }

    /// Opens the bytes like [`open`](Self::open) for a caller that keeps them as they are. It does not
    /// decompress a bound layer, whose digest already proves its diff ID. It does decompress one whose
    /// bytes begin otherwise than its media type says: nobody has bound the media type.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_to_keep(&self) -> io::Result<Box<dyn Read + Send>> {
        match self.bound_diff_id() {
            Some(diff_id) => {
                let mut reader = self.open_by_digest()?;
                let mut head = Vec::with_capacity(4);
                (&mut reader).take(4).read_to_end(&mut head)?;
                let found = Compression::sniff(&mut &head[..])?;
                let whole = io::Cursor::new(head).chain(reader);
                match self.media_type().compression() {
                    Some(stated) if stated != found => {
                        let checked = DiffIdReader::new(whole, stated, diff_id, self.expansion())?;
                        Ok(Box::new(checked))
                    }
                    _ => Ok(Box::new(whole)),
                }
            }
            None => self.open(),
        }
    }

    /// Opens the layer's tar file, decompressed. It is checked as by [`open`](Self::open), if the
    /// compressed bytes are read to their end as well.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`ExpansionError`](crate::ExpansionError) inside an error where too many
    /// bytes come out.
    pub fn open_unpacked(&self) -> io::Result<Box<dyn Read + Send>> {
        self.compression()?.reader(self.open()?, self.expansion())
    }

    /// Decompresses `reader`, which yields the bytes of the layer.
    ///
    /// # Errors
    /// Errors of reading; too many bytes come out.
    pub fn unpack<'a>(
        &self,
        reader: Box<dyn Read + Send + 'a>,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        self.compression()?.reader(reader, self.expansion())
    }

    fn open_by_digest(&self) -> io::Result<Box<dyn Read + Send>> {
        let digest = self.digest();
        if digest.is_some() && digest == self.content().proven() {
            return self.content().open();
        }
        let what = match digest {
            Some(digest) => format!("blob {digest}"),
            None => format!("decrypted layer {}", self.name()),
        };
        Ok(Box::new(VerifyReader::new(self.content().open()?, what, self.size(), digest)))
    }

    /// Returns the layer in the form that registries and layouts take: with a known digest, of `family`'s
    /// media type, and compressed. It keeps compressed bytes as they are.
    ///
    /// # Errors
    /// Errors of reading, and of the spool.
    pub fn packed(
        &self,
        family: Family,
        compressor: &Compressor,
        spool: &Spool,
        meter: &dyn Meter,
    ) -> io::Result<Self> {
        let compression = self.compression()?;
        let mut reader = MeteredReader::new(self.open()?, meter);
        let spooled = spool.fill(|out| match compression {
            Compression::None => compressor.gzip(&mut reader, out),
            Compression::Gzip | Compression::Zstd => io::copy(&mut reader, out).map(|_| ()),
        })?;
        let packed = match compression {
            Compression::None => Compression::Gzip,
            kept => kept,
        };
        let media_type = MediaType::layer(family, packed);
        let descriptor = Descriptor::new(media_type, spooled.digest, spooled.len);
        let packed = Self::stored(descriptor, self.diff_id(), Arc::new(spooled.content));
        Ok(packed.with_expansion(self.expansion()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CompressionLevel, Damage, DiffId, Digest, Quiet};

    fn read(layer: &Layer) -> Result<Vec<u8>, Damage> {
        let mut out = Vec::new();
        match layer.open().unwrap().read_to_end(&mut out) {
            Ok(_) => Ok(out),
            Err(error) => {
                Err(error.into_inner().unwrap().downcast_ref::<Damage>().unwrap().clone())
            }
        }
    }

    #[test]
    fn stored_layer_is_checked_by_digest_and_by_diff_id() {
        let bytes = Arc::new(b"tar".to_vec());
        let descriptor = Descriptor::of(MediaType::DOCKER_LAYER, b"tar");
        let good =
            Layer::stored(descriptor.clone(), Some(DiffId(Digest::of(b"tar"))), bytes.clone());
        assert_eq!(read(&good).unwrap(), b"tar");
        let other = Layer::stored(descriptor, Some(DiffId(Digest::of(b"x"))), bytes.clone());
        assert!(matches!(read(&other), Err(Damage::DiffId { .. })));
        let wrong = Descriptor::of(MediaType::DOCKER_LAYER, b"rat");
        assert!(matches!(read(&Layer::stored(wrong, None, bytes)), Err(Damage::Digest { .. })));
    }

    #[test]
    fn bound_layer_that_is_kept_is_checked_by_digest_alone() {
        let bytes: Arc<Vec<u8>> = Arc::new(b"tar".to_vec());
        let other = DiffId(Digest::of(b"other"));
        let bound = |of: &[u8]| {
            Layer::bound(Descriptor::of(MediaType::DOCKER_LAYER, of), other, bytes.clone())
        };
        let kept = |layer: &Layer| layer.open_to_keep()?.read_to_end(&mut Vec::new());
        assert_eq!(kept(&bound(b"tar")).unwrap(), 3);
        assert!(kept(&bound(b"rat")).is_err());
        assert!(matches!(read(&bound(b"tar")), Err(Damage::DiffId { .. })));
        assert!(kept(&bound(b"tar").with_diff_id(other)).is_err());
        for media_type in [MediaType::DOCKER_LAYER_GZIP, MediaType::OCI_LAYER_ZSTD] {
            let descriptor = Descriptor::of(media_type, b"tar");
            assert!(kept(&Layer::bound(descriptor, other, bytes.clone())).is_err());
        }
    }

    #[test]
    fn bound_layer_that_begins_in_another_way_is_unpacked_to_see() {
        // A frame that decoders skip may come first. RFC 8878, section 3.1.2.
        let mut packed = b"\x50\x2a\x4d\x18\x01\0\0\0x".to_vec();
        packed.extend_from_slice(&zstd::encode_all(&b"tar"[..], 1).unwrap());
        let descriptor = Descriptor::of(MediaType::OCI_LAYER_ZSTD, &packed);
        let packed = Arc::new(packed);
        let kept = |tar: &[u8]| {
            let diff_id = DiffId(Digest::of(tar));
            let layer = Layer::bound(descriptor.clone(), diff_id, packed.clone());
            layer.open_to_keep()?.read_to_end(&mut Vec::new())
        };
        assert_eq!(kept(b"tar").unwrap(), packed.len());
        assert!(kept(b"other").is_err());
    }

    #[test]
    fn digest_that_is_proven_is_another_layers_proof_of_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let spooled = Spool::in_folder(folder.path()).fill(|out| out.write_all(b"tar")).unwrap();
        let content = Arc::new(spooled.content);
        let layer = |bytes: &[u8]| {
            Layer::stored(Descriptor::of(MediaType::DOCKER_LAYER, bytes), None, content.clone())
        };
        assert_eq!(read(&layer(b"tar")).unwrap(), b"tar");
        assert!(matches!(read(&layer(b"rat")), Err(Damage::Digest { .. })));
    }

    #[test]
    fn decrypted_layer_is_checked_by_diff_id_and_length() {
        let bytes = Arc::new(b"tar".to_vec());
        let id = DiffId(Digest::of(b"tar"));
        let make = |size, id| Layer::decrypted(MediaType::DOCKER_LAYER, size, id, bytes.clone());
        assert_eq!(read(&make(3, id)).unwrap(), b"tar");
        assert!(matches!(read(&make(4, id)), Err(Damage::TooShort { .. })));
        let other = DiffId(Digest::of(b"x"));
        assert!(matches!(read(&make(3, other)), Err(Damage::DiffId { .. })));
    }

    #[test]
    fn packing_compresses_once_and_learns_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, compressor) =
            (Spool::in_folder(folder.path()), Compressor::new(2, CompressionLevel::default()));
        let tar = b"tar".repeat(1000);
        let id = DiffId(Digest::of(&tar));
        let size = tar.len() as u64;
        let plain = Layer::decrypted(MediaType::DOCKER_LAYER, size, id, Arc::new(tar));
        let packed = plain.packed(Family::Oci, &compressor, &spool, &Quiet).unwrap();
        assert_eq!(*packed.media_type(), MediaType::OCI_LAYER_GZIP);
        let bytes = read(&packed).unwrap();
        assert_eq!(packed.digest(), Some(Digest::of(&bytes)));
        assert!(packed.is_packed().unwrap() && !plain.is_packed().unwrap());
        let decrypted = Layer::decrypted(
            MediaType::DOCKER_LAYER_GZIP,
            packed.size(),
            id,
            packed.content().clone(),
        );
        let kept = decrypted.packed(Family::Docker, &compressor, &spool, &Quiet).unwrap();
        assert_eq!(kept.digest(), packed.digest());
    }
}
