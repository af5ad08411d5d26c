//! Contents of the files of an image, read out of its layers.

use std::io::{self, Read};

use sealcrate_image::Image;

use crate::{Inode, InodeKind};

/// Contents of an image's files. A layer can only be read from its beginning, so that it is kept open
/// for contents further on.
pub(crate) struct Contents<'i> {
    image: &'i Image,
    /// The layer that is open, and how much of its tar file has been read.
    open: Option<(usize, u64, Box<dyn Read + Send>)>,
}

impl<'i> Contents<'i> {
    /// Begins to read contents of an image.
    pub(crate) fn of(image: &'i Image) -> Self {
        Self { image, open: None }
    }

    /// Opens the content of a file, in the layer that has it. It has to be read to its end.
    pub(crate) fn open(&mut self, inode: &Inode) -> io::Result<Box<dyn Read + '_>> {
        let InodeKind::File { offset, len } = inode.kind else { return Ok(Box::new(io::empty())) };
        let place = inode.id.0;
        let (at, reader) = match self.open.take() {
            Some((open, at, reader)) if open == place && at <= offset => (at, reader),
            _ => (0, self.image.layers[place].open_unpacked()?),
        };
        let (_, at, reader) = self.open.insert((place, at, reader));
        io::copy(&mut reader.take(offset - *at), &mut io::sink())?;
        *at = offset + len;
        Ok(Box::new(reader.take(len)))
    }
}
