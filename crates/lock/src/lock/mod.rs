//! Locking: from an image to one that opens itself when it starts.

mod clear_files;
mod encrypted_layer;
mod index;
pub(crate) mod reuse;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::Arc;

use sealcrate_image::{
    Config, DiffId, Image, Layer, MediaType, MeteredReader, Outgoing, Progress, Spool, Stage,
};
use sealcrate_pack::{Parameters, ParametersError, Protection, Stub, Target, inits};
use sealcrate_packfile::index::{Index, IndexError, IndexLayer, Needs, UnlockOn};
use sealcrate_packfile::write_head;
use thiserror::Error;

use crate::closure::Closure;
use crate::config::{self, Lists, PrivateHalf};
use crate::lock::clear_files::Taken;
use crate::lock::encrypted_layer::Sealed;
use crate::payload;
use crate::tree::holes::Holes;
use crate::{
    Changes, ConfigError, Difference, DifferenceError, Inode, InodeKind, LayerError, Node, Problem,
    Reusable, Rules, SingleLinks, SkeletonEntry, SkeletonKind, Tree, TreePath, UnlockedKind,
};

/// The longest list of users or groups that is read, in bytes.
const MAX_LIST: u64 = 1 << 20;

/// The facts that a locked image knows before it has a key.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The variable in which the key may be.
    pub variable: &'a str,
    /// The absolute path of the file in which it may be.
    pub key_file: &'a [u8],
    /// The banner before a prompt.
    pub banner: &'a [u8],
}

/// How images are locked.
pub struct Locker<'a> {
    /// The facts that a locked image knows before it has a key.
    pub start: Start<'a>,
    /// The passphrase or recipients of the locked image.
    pub protection: &'a Protection,
    /// The paths that stay where they are. The image names the volumes.
    pub rules: Rules,
    /// The volumes that the locked image does not have.
    pub dropped_volumes: Vec<TreePath>,
    /// Where private files may be unlocked.
    pub unlock_on: UnlockOn,
    /// The place where layers wait.
    pub spool: &'a Spool,
    /// The listener.
    pub progress: &'a dyn Progress,
}

/// A locked image.
pub struct Locked {
    /// The image: the clear layers, the payload, the skeleton.
    pub image: Outgoing,
    /// The entries that were left out.
    pub left_out: Vec<Problem>,
    /// The clear files of the command that are too large for a check at the start.
    pub unchecked: Vec<TreePath>,
    /// Private files that are single links in clear folders.
    pub single_links: Vec<SingleLinks>,
    /// The folders in which private files are not seen beside clear ones, by their real path.
    pub crowded: Vec<TreePath>,
    /// The number of bytes that a start unlocks.
    pub unlocked_bytes: u64,
    /// The memory and files that a start takes.
    pub needs: Needs,
}

impl Locker<'_> {
    /// Locks the layers of `image` at the places `private`. Layers in `reusable` keep their payload.
    ///
    /// # Errors
    /// The image cannot be locked so; it cannot be read; the spool cannot be written.
    pub fn lock(
        &self,
        image: &Image,
        private: &BTreeSet<usize>,
        reusable: &Reusable,
    ) -> Result<Locked, LockError> {
        let config = Config::parse(&image.config)?;
        let init = init_for(&config)?;
        let command = PrivateHalf::of(&config)?;
        let mut rules = self.rules.clone();
        rules.volumes = config::volumes(&config)?;
        rules.volumes.retain(|volume| !self.dropped_volumes.contains(volume));
        let (mut changes, mut holes) = (Vec::new(), Holes::default());
        for (place, layer) in image.layers.iter().enumerate() {
            let read = Changes::read_with_holes(place, open(layer)?);
            let (read, found) = read.map_err(|error| LockError::Layer(layer.name(), error))?;
            changes.push(read);
            holes.extend(found);
        }
        let mut difference = Difference::of(&changes, private, &rules)?;
        drop(changes);
        let closure = Closure::of(image, &difference, &rules, &command.command())?;
        let holes = holes.of(&difference.unlocked);
        let single_links = SingleLinks::of(&difference, &rules);

        let (mut sealed, mut clear) = (Vec::new(), Vec::new());
        for (place, layer) in image.layers.iter().enumerate() {
            if !private.contains(&place) {
                clear.push(layer.clone());
                continue;
            }
            let reused = config.diff_ids().get(place).and_then(|diff_id| reusable.get(*diff_id));
            if let Some(reused) = reused {
                sealed.push(reused);
                continue;
            }
            let meter = self.progress.begin(Stage::Encrypt, &layer.name(), Some(layer.size()));
            let mut reader = MeteredReader::new(open(layer)?, &*meter);
            sealed.push(Sealed::of(&mut reader, self.spool)?);
            meter.done();
        }
        let taken = Taken::of(image, private, &mut difference.unlocked, self.spool)?;
        let mut layers = index_layers(&config, private, &sealed)?;
        layers.extend(taken.as_ref().map(|taken| taken.sealed.in_index(taken.digest)));
        let (config_bytes, unlocked) = (&image.config, &difference.unlocked);
        let index = index::encode(
            self.unlock_on,
            &command,
            config_bytes,
            &layers,
            unlocked,
            &closure,
            holes,
        );
        let needs = Needs::of(&Index::parse(&index)?);
        let unlocked_bytes = difference.unlocked.iter().map(|entry| match entry.kind {
            UnlockedKind::File { len, .. } => len,
            _ => 0,
        });
        let unlocked_bytes = unlocked_bytes.sum();
        let segment = self.segment(&index, &needs)?;
        let skeleton = self.skeleton(image, &difference.skeleton.0, init, &segment)?;

        let lists = Lists {
            passwd: file_in(image, &difference.whole, "etc/passwd")?,
            group: file_in(image, &difference.whole, "etc/group")?,
        };
        let mut layers = clear;
        let taken = taken.map(|taken| taken.sealed);
        layers.extend(sealed.into_iter().chain(taken).map(|sealed| sealed.layer));
        layers.push(skeleton);
        let diff_ids: Vec<DiffId> = layers.iter().filter_map(Layer::diff_id).collect();
        let config = config::clear_half(&config, &rules.volumes, &lists, &diff_ids)?;
        let image = Outgoing::built(Image::new(config, layers));
        let Difference { left_out, crowded, .. } = difference;
        let unchecked = closure.beyond;
        Ok(Locked { image, left_out, unchecked, single_links, crowded, unlocked_bytes, needs })
    }

    /// Encrypts the index, and puts the facts before it that a start reads without a key.
    fn segment(&self, index: &[u8], needs: &Needs) -> Result<Vec<u8>, LockError> {
        let encrypted = self.encrypted(index)?;
        let files = match self.unlock_on {
            // Only the init knows whether it is memory.
            UnlockOn::AnyFileSystem => 0,
            UnlockOn::Memory => needs.memory(),
        };
        let kept = (index.len() + encrypted.len()) as u64;
        let bytes = files.saturating_add(kept).saturating_add(payload::decoder_memory());
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
        let Start { variable, key_file, banner } = self.start;
        let parameters = Parameters::new(mib, variable, key_file, banner)?;
        let mut segment = Vec::new();
        write_head(&parameters, encrypted.len() as u64, &mut segment);
        segment.extend(encrypted);
        Ok(segment)
    }

    /// Compresses and encrypts the index.
    fn encrypted(&self, index: &[u8]) -> Result<Vec<u8>, LockError> {
        let encryptor = self.protection.encryptor().map_err(io::Error::other)?;
        let mut writer = payload::compressor(encryptor.write_to(Vec::new())?)?;
        writer.write_all(index)?;
        Ok(writer.finish()?.finish()?)
    }

    fn skeleton(
        &self,
        image: &Image,
        entries: &[SkeletonEntry],
        init: &Stub,
        segment: &[u8],
    ) -> Result<Layer, LockError> {
        let spooled = self.spool.fill(|out| {
            let mut tar = tar::Builder::new(out);
            payload::append(&mut tar, ".sealcrate/", 0o755, b"")?;
            payload::append(&mut tar, ".sealcrate/init", 0o755, init.bytes)?;
            payload::append(&mut tar, payload::FOLDER, 0o755, b"")?;
            payload::append(&mut tar, &format!("{}index", payload::FOLDER), 0o444, segment)?;
            let mut contents = Contents::of(image);
            for entry in in_order_of_contents(entries) {
                entry.append(&mut tar, |inode| contents.open(inode))?;
            }
            tar.finish()
        })?;
        let diff_id = DiffId(spooled.digest);
        let content = Arc::new(spooled.content);
        Ok(Layer::decrypted(MediaType::DOCKER_LAYER, spooled.len, diff_id, content))
    }
}

/// Opens the plain tar file of a layer.
fn open(layer: &Layer) -> io::Result<Box<dyn Read + Send>> {
    layer.open_unpacked()
}

/// Contents of an image's files. A layer can only be read from its beginning, so that it is kept open
/// for contents further on.
pub(crate) struct Contents<'i> {
    image: &'i Image,
    /// The layer that is open, and how much of its tar file has been read.
    open: Option<(usize, u64, Box<dyn Read + Send>)>,
}

impl<'i> Contents<'i> {
    pub(crate) fn of(image: &'i Image) -> Self {
        Self { image, open: None }
    }

    /// Opens the content of a file, in the layer that has it. It has to be read to its end.
    pub(crate) fn open(&mut self, inode: &Inode) -> io::Result<Box<dyn Read + '_>> {
        let InodeKind::File { offset, len } = inode.kind else { return Ok(Box::new(io::empty())) };
        let place = inode.id.0;
        let (at, reader) = match self.open.take() {
            Some((open, at, reader)) if open == place && at <= offset => (at, reader),
            _ => (0, open(&self.image.layers[place])?),
        };
        let (_, at, reader) = self.open.insert((place, at, reader));
        io::copy(&mut reader.take(offset - *at), &mut io::sink())?;
        *at = offset + len;
        Ok(Box::new(reader.take(len)))
    }
}

/// Puts files behind all else, in the order in which their contents are read best.
fn in_order_of_contents(entries: &[SkeletonEntry]) -> Vec<&SkeletonEntry> {
    let mut ordered: Vec<&SkeletonEntry> = entries.iter().collect();
    // Stable: a folder stays before its own entries.
    ordered.sort_by_key(|entry| match &entry.kind {
        SkeletonKind::Public(inode) => match inode.kind {
            InodeKind::File { offset, .. } => Some((inode.id.0, offset)),
            _ => None,
        },
        _ => None,
    });
    ordered
}

/// Reads a small file of an image; nothing where there is none.
fn file_in(image: &Image, tree: &Tree, path: &str) -> Result<Vec<u8>, LockError> {
    let path = TreePath::parse(path.as_bytes()).expect("it is one");
    let mut bytes = Vec::new();
    if let Some(Node::Leaf { inode, .. }) = tree.get(&path) {
        Contents::of(image).open(inode)?.take(MAX_LIST).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn index_layers<'s>(
    config: &Config,
    private: &BTreeSet<usize>,
    sealed: &'s [Sealed],
) -> Result<Vec<IndexLayer<'s>>, LockError> {
    let mut sealed = sealed.iter();
    let diff_ids = config.diff_ids().iter().enumerate();
    diff_ids
        .map(|(place, diff_id)| {
            let diff_id = *diff_id.0.as_bytes();
            if !private.contains(&place) {
                return Ok(IndexLayer::Clear { diff_id });
            }
            let sealed = sealed.next().ok_or(LockError::LayerCount)?;
            Ok(sealed.in_index(diff_id))
        })
        .collect()
}

/// Returns the init for the machine that an image is for.
fn init_for(config: &Config) -> Result<&'static Stub, LockError> {
    let (architecture, os) = (&config.architecture, &config.os);
    let target = Target::of_image(os, architecture)
        .ok_or_else(|| LockError::NoInit(format!("{os}/{architecture}")))?;
    let found = inits().iter().find(|init| init.target == target);
    found.ok_or_else(|| LockError::NoInit(target.to_string()))
}

/// Why an image cannot be locked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// Its config cannot be split.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Its layers do not fit together, or something in them cannot be locked.
    #[error("{0}")]
    Difference(#[from] DifferenceError),
    /// Its config cannot be used.
    #[error("{0}")]
    ImageConfig(#[from] sealcrate_image::ConfigError),
    /// The init would refuse the index.
    #[error("{0}")]
    Index(#[from] IndexError),
    /// The image cannot be read, or the spool cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A layer cannot be understood.
    #[error("layer {0} cannot be locked")]
    Layer(String, #[source] LayerError),
    /// Config and layers do not fit together.
    #[error("the image has another number of layers than its config")]
    LayerCount,
    /// This build cannot lock for the image's machine.
    #[error("this sealcrate has no init for {0}")]
    NoInit(String),
    /// The variable, the key file or the banner is not allowed.
    #[error("{0}")]
    Parameters(#[from] ParametersError),
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sealcrate_image::{Content, Digest};

    use super::*;
    use crate::Metadata;

    /// A layer that counts how often it is opened.
    struct Counted(Vec<u8>, Arc<AtomicUsize>);

    impl Content for Counted {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.open()
        }
    }

    #[test]
    fn contents_of_a_layer_are_read_in_one_pass() {
        let bytes: Vec<u8> = (0..100).collect();
        let opened = Arc::new(AtomicUsize::new(0));
        let diff_id = DiffId(Digest::of(&bytes));
        let content = Arc::new(Counted(bytes, opened.clone()));
        let layer = Layer::decrypted(MediaType::DOCKER_LAYER, 100, diff_id, content);
        let image = Image::new(Vec::new(), vec![layer]);
        let entry = |offset: u64| {
            let kind = InodeKind::File { offset, len: 2 };
            let inode = Inode { id: (0, offset as usize), metadata: Metadata::default(), kind };
            let path = TreePath::parse(format!("file{offset}").as_bytes()).unwrap();
            SkeletonEntry { path, kind: SkeletonKind::Public(Arc::new(inode)) }
        };
        let folder = TreePath::parse(b"folder").unwrap();
        let folder =
            SkeletonEntry { path: folder, kind: SkeletonKind::Folder(Metadata::default()) };
        let entries = [entry(60), folder, entry(10), entry(98), entry(10)];
        let mut contents = Contents::of(&image);
        let mut read = Vec::new();
        for entry in in_order_of_contents(&entries) {
            let SkeletonKind::Public(inode) = &entry.kind else {
                assert!(read.is_empty(), "the folder comes first");
                continue;
            };
            let mut bytes = Vec::new();
            contents.open(inode).unwrap().read_to_end(&mut bytes).unwrap();
            read.push(bytes);
        }
        assert_eq!(read, [[10, 11], [10, 11], [60, 61], [98, 99]]);
        assert_eq!(opened.load(Ordering::Relaxed), 2, "once, and once more for the same again");
    }
}
