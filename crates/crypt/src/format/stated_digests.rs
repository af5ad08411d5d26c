//! The digests that writers state for layers before encryption, where nothing binds an image. Other
//! tools do not always state the right ones. That is no reason to refuse their images, but a reason
//! to tell the user.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use sealcrate_image::{Content, Digest, Hasher};

/// The layers whose digests turned out to differ from the stated ones.
#[derive(Clone, Debug, Default)]
pub struct StatedDigests(Arc<Mutex<Vec<String>>>);

impl StatedDigests {
    /// Returns the names of the layers that somebody has read to the end, and whose digest is not
    /// the one beside their key.
    pub fn wrong(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, layer: &str) {
        let mut wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !wrong.iter().any(|name| name == layer) {
            wrong.push(layer.to_owned());
        }
    }
}

/// A decrypted layer whose digest is compared with the stated one at the end of each reading.
pub(crate) struct StatedContent<C> {
    content: C,
    stated: Digest,
    layer: String,
    record: StatedDigests,
}

impl<C> StatedContent<C> {
    /// Takes the layer with the name `layer`, for which its writer stated the digest `stated`.
    pub(crate) fn new(content: C, stated: Digest, layer: String, record: StatedDigests) -> Self {
        Self { content, stated, layer, record }
    }
}

impl<C: Content> Content for StatedContent<C> {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(StatedReader {
            inner: self.content.open()?,
            hasher: Some(Hasher::default()),
            stated: self.stated,
            layer: self.layer.clone(),
            record: self.record.clone(),
        }))
    }
}

struct StatedReader {
    inner: Box<dyn Read + Send>,
    hasher: Option<Hasher>,
    stated: Digest,
    layer: String,
    record: StatedDigests,
}

impl Read for StatedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match (count, buffer.is_empty()) {
            (0, false) => {
                if self.hasher.take().is_some_and(|hasher| hasher.finish() != self.stated) {
                    self.record.add(&self.layer);
                }
            }
            _ => {
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&buffer[..count]);
                }
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_that_are_not_what_was_stated_are_recorded_once() {
        let record = StatedDigests::default();
        let content = |stated: &[u8], name: &str| {
            let stated = Digest::of(stated);
            StatedContent::new(b"tar".to_vec(), stated, name.to_owned(), record.clone())
        };
        let (right, wrong) = (content(b"tar", "right"), content(b"rat", "wrong"));
        for content in [&right, &wrong, &wrong] {
            let mut bytes = Vec::new();
            content.open().unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, b"tar");
        }
        assert_eq!(record.wrong(), ["wrong"]);
    }
}
