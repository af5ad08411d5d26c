//! The inspection of files that a start may check: their digests, and the needs of programs.
//!
//! Each layer is read once for all its programs.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::sync::Arc;

use sealcrate_image::archive::HeaderBounds;
use sealcrate_image::{Digest, Image};

use crate::closure::program::Program;
use crate::tree::changes::MAX_HEADERS;
use crate::{Inode, InodeKind};

/// The length of the longest file that a start checks, in bytes.
pub(crate) const MAX_FILE: u64 = 256 << 20;

/// The most bytes of a text that are read.
const MAX_TEXT: u64 = 1 << 20;

/// The findings about a file.
#[derive(Debug)]
pub(crate) struct Inspected {
    /// The SHA-256 of its content.
    pub(crate) digest: [u8; 32],
    /// The needs of a program, if the file is one.
    pub(crate) program: Option<Program>,
}

impl Inspected {
    fn of(bytes: &[u8]) -> Arc<Self> {
        Arc::new(Self { digest: *Digest::of(bytes).as_bytes(), program: Program::parse(bytes) })
    }
}

/// The inspector of the files of an image.
pub(crate) struct Inspector<'i> {
    image: &'i Image,
    /// The inspected files of each layer, by the places of their contents: all its programs, and others
    /// that were asked for.
    layers: BTreeMap<usize, HashMap<u64, Arc<Inspected>>>,
}

impl<'i> Inspector<'i> {
    pub(crate) fn of(image: &'i Image) -> Self {
        Self { image, layers: BTreeMap::new() }
    }

    /// Inspects a file. Returns nothing if it is longer than a start checks.
    pub(crate) fn inspect(&mut self, inode: &Inode) -> io::Result<Option<Arc<Inspected>>> {
        let InodeKind::File { offset, len } = inode.kind else { return Ok(None) };
        if len > MAX_FILE {
            return Ok(None);
        }
        let place = inode.id.0;
        if !self.layers.contains_key(&place) {
            self.layers.insert(place, self.programs(place)?);
        }
        let known = self.layers.get(&place).and_then(|layer| layer.get(&offset));
        if let Some(inspected) = known {
            return Ok(Some(Arc::clone(inspected)));
        }
        // The file is no program, which is rare here.
        let inspected = Inspected::of(&self.read(inode, len)?);
        self.layers.entry(place).or_default().insert(offset, Arc::clone(&inspected));
        Ok(Some(inspected))
    }

    /// Reads the beginning of a file that is a text.
    pub(crate) fn text(&self, inode: &Inode) -> io::Result<Vec<u8>> {
        self.read(inode, MAX_TEXT)
    }

    fn read(&self, inode: &Inode, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let InodeKind::File { offset, len } = inode.kind {
            let mut layer = self.image.layers[inode.id.0].open_unpacked()?;
            io::copy(&mut layer.by_ref().take(offset), &mut io::sink())?;
            layer.take(len.min(most)).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }

    /// Reads all programs of a layer.
    fn programs(&self, place: usize) -> io::Result<HashMap<u64, Arc<Inspected>>> {
        let bounds = HeaderBounds::new(MAX_HEADERS);
        let layer = self.image.layers[place].open_unpacked()?;
        let mut archive = tar::Archive::new(bounds.reader(layer));
        let mut programs = HashMap::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            bounds.begin(&entry);
            if !entry.header().entry_type().is_file() || entry.size() > MAX_FILE {
                continue;
            }
            let offset = entry.raw_file_position();
            let mut bytes = Vec::new();
            entry.by_ref().take(4).read_to_end(&mut bytes)?;
            if Program::may_begin(&bytes) {
                entry.read_to_end(&mut bytes)?;
                programs.insert(offset, Inspected::of(&bytes));
            }
        }
        // The layer's reader checks the bytes at their end, which is behind the archive's end.
        io::copy(&mut archive.into_inner().into_inner(), &mut io::sink())?;
        Ok(programs)
    }
}
