//! Facts of the files that a start may check. Each layer is read once for them.

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

/// The facts of a file.
#[derive(Debug)]
pub(crate) struct Fact {
    /// The SHA-256 of its content.
    pub(crate) digest: [u8; 32],
    /// The needs of a program, if the file is one.
    pub(crate) program: Option<Program>,
}

impl Fact {
    fn of(bytes: &[u8]) -> Arc<Self> {
        Arc::new(Self { digest: *Digest::of(bytes).as_bytes(), program: Program::parse(bytes) })
    }
}

/// The facts of the files of an image.
pub(crate) struct Facts<'i> {
    image: &'i Image,
    /// The facts of the programs in each layer that was read, by the places of their contents.
    layers: BTreeMap<usize, HashMap<u64, Arc<Fact>>>,
}

impl<'i> Facts<'i> {
    pub(crate) fn of(image: &'i Image) -> Self {
        Self { image, layers: BTreeMap::new() }
    }

    /// Returns the facts of a file, or nothing if it is longer than a start checks.
    pub(crate) fn get(&mut self, inode: &Inode) -> io::Result<Option<Arc<Fact>>> {
        let InodeKind::File { offset, len } = inode.kind else { return Ok(None) };
        if len > MAX_FILE {
            return Ok(None);
        }
        let place = inode.id.0;
        if !self.layers.contains_key(&place) {
            self.layers.insert(place, self.programs(place)?);
        }
        let known = self.layers.get(&place).and_then(|layer| layer.get(&offset));
        if let Some(fact) = known {
            return Ok(Some(Arc::clone(fact)));
        }
        // The file is no program, which is rare here.
        let fact = Fact::of(&self.read(inode, len)?);
        self.layers.entry(place).or_default().insert(offset, Arc::clone(&fact));
        Ok(Some(fact))
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
    fn programs(&self, place: usize) -> io::Result<HashMap<u64, Arc<Fact>>> {
        let bounds = HeaderBounds::new(MAX_HEADERS);
        let layer = self.image.layers[place].open_unpacked()?;
        let mut archive = tar::Archive::new(bounds.reader(layer));
        let mut facts = HashMap::new();
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
                facts.insert(offset, Fact::of(&bytes));
            }
        }
        // The layer's reader checks the bytes at their end, which is behind the archive's end.
        io::copy(&mut archive.into_inner().into_inner(), &mut io::sink())?;
        Ok(facts)
    }
}
