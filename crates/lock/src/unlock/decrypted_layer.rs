//! Private layers on the way back: finds the age files of a layer, and reads them as its plain tar file.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_agefile::{Decryptor, Header, x25519};
use sealcrate_image::{Content, FileSlice, Layer, Spool, Spooling};
use sealcrate_packfile::index::{Parts, header_digest};
use zeroize::Zeroizing;

use crate::UnlockError;
use crate::payload::compression::decompressor;
use crate::payload::concatenated::Concatenated;
use crate::payload::{self, PartFile, for_each_file};

/// The longest header of an age file that is read, in bytes.
const MAX_HEADER: u64 = 64 << 10;

/// A private layer. Reading decrypts it.
pub(crate) struct DecryptedLayer {
    /// The age files, lowest part first.
    pub(crate) files: Vec<PartFile>,
    pub(crate) identity: Zeroizing<String>,
}

impl DecryptedLayer {
    /// Finds the age files of a private layer, which have to be the files that the index names.
    pub(crate) fn find(
        layer: &Layer,
        parts: Parts<'_>,
        identity: &str,
        spool: &Spool,
    ) -> Result<Self, UnlockError> {
        let paths = parts.iter().map(|part| payload::path(&part.header));
        let mut wanted: HashMap<String, Option<FileSlice>> =
            paths.map(|path| (path, None)).collect();
        let mut spooling = Spooling::begin(spool)?;
        for_each_file(layer, |path, file| {
            let Some(found) = str::from_utf8(path).ok().and_then(|path| wanted.get_mut(path))
            else {
                return Ok(());
            };
            if found.is_some() {
                return Err(payload::twice(path));
            }
            *found = Some(spooling.add(|out| io::copy(file, out).map(drop))?.content);
            io::Result::Ok(())
        })?;
        let mut files = Vec::new();
        for part in parts.iter() {
            // A part that is named twice is none: each header is made for one part.
            let found = wanted.get_mut(&payload::path(&part.header)).and_then(Option::take);
            let content = found.ok_or(UnlockError::Damaged)?;
            let mut beginning = Vec::new();
            content.open()?.take(MAX_HEADER).read_to_end(&mut beginning)?;
            if header_digest(&Header::parse(&beginning)?) != part.header {
                return Err(UnlockError::Damaged);
            }
            files.push(PartFile { part, len: content.len(), content: Arc::new(content) });
        }
        Ok(Self { files, identity: Zeroizing::new(identity.to_owned()) })
    }
}

impl Content for DecryptedLayer {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let identity = x25519::Identity::parse(&self.identity).map_err(io::Error::other)?;
        let parts = self.files.iter().map(|file| {
            let (age, identity) = (file.content.clone(), identity.clone());
            Arc::new(DecryptedPart { age, identity }) as Arc<dyn Content>
        });
        Ok(Box::new(Concatenated::new(parts)))
    }
}

/// The part of the tar file that an age file holds.
struct DecryptedPart {
    age: Arc<dyn Content>,
    identity: x25519::Identity,
}

impl Content for DecryptedPart {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let decryptor = Decryptor::new(self.age.open()?).map_err(io::Error::other)?;
        let reader = decryptor.decrypt([&self.identity as _]).map_err(io::Error::other)?;
        Ok(Box::new(decompressor(reader)?))
    }
}

#[cfg(test)]
mod tests {
    use sealcrate_image::{DiffId, Digest, MediaType};
    use sealcrate_packfile::index::Part;

    use super::*;

    fn layer(files: &[(&str, &[u8])]) -> Layer {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in files {
            payload::append(&mut tar, path, 0o444, content).unwrap();
        }
        let bytes = tar.into_inner().unwrap();
        let (size, diff_id) = (bytes.len() as u64, DiffId(Digest::of(&bytes)));
        Layer::decrypted(MediaType::DOCKER_LAYER, size, diff_id, Arc::new(bytes))
    }

    fn parts(headers: &[[u8; 32]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Parts::write(headers.iter().map(|header| Part { len: 7, header: *header }), &mut bytes);
        bytes
    }

    /// Somebody who knows the key of a layer could write another file for it.
    #[test]
    fn another_file_of_the_same_key_is_damage() {
        let identity = x25519::Identity::generate().unwrap();
        let encrypt =
            || sealcrate_agefile::encrypt([&identity.recipient() as _], b"a layer").unwrap();
        let (file, other) = (encrypt(), encrypt());
        let header = |file: &[u8]| header_digest(&Header::parse(file).unwrap());
        let [one, two] = [&file, &other].map(|file| header(file));
        let spool = Spool::in_folder(std::env::temp_dir());
        let key = identity.to_text();
        let find = |files: &[(&str, &[u8])], headers: &[[u8; 32]]| {
            let parts = parts(headers);
            DecryptedLayer::find(&layer(files), Parts::parse(&parts).unwrap(), &key, &spool)
        };
        let path = payload::path(&one);
        assert!(find(&[(&path, &file)], &[one]).is_ok());
        let damaged = |found| matches!(found, Err(UnlockError::Damaged));
        assert!(damaged(find(&[(&path, &other)], &[one])));
        assert!(damaged(find(&[(&path, &file)], &[one, two])), "a part is missing");
        assert!(damaged(find(&[(&path, &file)], &[one, one])), "a part is named twice");
        let twice = find(&[(&path, &file), (&path, &file)], &[one]).err().unwrap();
        assert_eq!(twice.to_string(), format!("{path} is there twice"));
    }
}
