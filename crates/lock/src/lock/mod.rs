//! Locking: from an image to one that opens itself when it starts.

mod clear_files;
mod encrypted_layer;
pub(crate) mod error;
mod index;
pub(crate) mod reuse;
mod skeleton_layer;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use sealcrate_image::{
    Config, DiffId, Image, Layer, MeteredReader, Outgoing, Progress, Spool, Stage,
};
use sealcrate_pack::{Openers, Parameters, Stub, Target, inits};
use sealcrate_packfile::index::{Index, Needs, UnlockOn};
use sealcrate_packfile::write_head;

use self::clear_files::ClearFiles;
use self::encrypted_layer::EncryptedLayer;
use self::index::index_layers;
use self::skeleton_layer::skeleton_layer;
use crate::closure::Closure;
use crate::config::{self, Lists, PrivateHalf};
use crate::payload::compression::{compressor, decoder_memory};
use crate::tree::contents::Contents;
use crate::tree::holes::Holes;
use crate::{
    Changes, Difference, LockError, Node, PathRules, Problem, Reusable, SingleLinks, Tree,
    TreePath, Unlocked, UnlockedKind,
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
    pub protection: &'a Openers,
    /// The paths that stay where they are. The image names the volumes.
    pub rules: PathRules,
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
        let rules = self.rules_for(&config)?;
        let (changes, holes) = read_layers(image)?;
        let mut difference = Difference::of(&changes, private, &rules)?;
        drop(changes);
        let closure = Closure::of(image, &difference, &rules, &command.command())?;
        // The payload of clear files gives contents other places, at which nobody looked for holes.
        let holes = sum(&difference.unlocked, |layer, offset, _| holes.in_file(layer, offset));
        let single_links = SingleLinks::of(&difference, &rules);

        let encrypted = self.encrypt_layers(image, &config, private, reusable)?;
        let clear_files = ClearFiles::of(image, private, &mut difference.unlocked, self.spool)?;
        let mut layers = index_layers(&config, private, &encrypted)?;
        layers.extend(clear_files.iter().map(ClearFiles::in_index));
        let index = index::encode(
            self.unlock_on,
            &command,
            &image.config,
            &layers,
            &difference.unlocked,
            &closure,
            holes,
        );
        let needs = Needs::of(&Index::parse(&index)?);
        let segment = self.segment(&index, &needs)?;
        let skeleton = skeleton_layer(image, &difference.skeleton, init, &segment, self.spool)?;

        let mut layers = clear_layers(image, private);
        layers.extend(encrypted.into_iter().map(|encrypted| encrypted.layer));
        layers.extend(clear_files.map(|clear_files| clear_files.encrypted.layer));
        layers.push(skeleton);
        let lists = Lists {
            passwd: file_in(image, &difference.whole, "etc/passwd")?,
            group: file_in(image, &difference.whole, "etc/group")?,
        };
        let diff_ids: Vec<DiffId> = layers.iter().filter_map(Layer::diff_id).collect();
        let config = config::clear_half(&config, &rules.volumes, &lists, &diff_ids)?;
        Ok(Locked {
            image: Outgoing::built(Image::new(config, layers)),
            left_out: difference.left_out,
            unchecked: closure.beyond,
            single_links,
            crowded: difference.crowded,
            unlocked_bytes: sum(&difference.unlocked, |_, _, len| len),
            needs,
        })
    }

    /// Returns the rules for an image, with its volumes.
    fn rules_for(&self, config: &Config) -> Result<PathRules, LockError> {
        let mut rules = self.rules.clone();
        rules.volumes = config::volumes(config)?;
        rules.volumes.retain(|volume| !self.dropped_volumes.contains(volume));
        Ok(rules)
    }

    /// Encrypts the private layers, lowest first. A reusable layer keeps its payload.
    fn encrypt_layers(
        &self,
        image: &Image,
        config: &Config,
        private: &BTreeSet<usize>,
        reusable: &Reusable,
    ) -> io::Result<Vec<EncryptedLayer>> {
        let layers = image.layers.iter().enumerate();
        let layers = layers.filter(|(place, _)| private.contains(place)).map(|(place, layer)| {
            let reused = config.diff_ids().get(place).and_then(|diff_id| reusable.get(*diff_id));
            if let Some(reused) = reused {
                return Ok(reused);
            }
            let meter = self.progress.begin(Stage::Encrypt, &layer.name(), Some(layer.size()));
            let mut reader = MeteredReader::new(layer.open_unpacked()?, &*meter);
            let encrypted = EncryptedLayer::of(&mut reader, self.spool)?;
            meter.done();
            Ok(encrypted)
        });
        layers.collect()
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
        let bytes = files.saturating_add(kept).saturating_add(decoder_memory());
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
        let mut writer = compressor(encryptor.write_to(Vec::new())?)?;
        writer.write_all(index)?;
        Ok(writer.finish()?.finish()?)
    }
}

/// Reads all layers of an image, without their contents.
fn read_layers(image: &Image) -> Result<(Vec<Changes>, Holes), LockError> {
    let (mut changes, mut holes) = (Vec::new(), Holes::default());
    for (place, layer) in image.layers.iter().enumerate() {
        let read = Changes::read_with_holes(place, layer.open_unpacked()?);
        let (read, found) = read.map_err(|error| LockError::Layer(layer.name(), error))?;
        changes.push(read);
        holes.extend(found);
    }
    Ok((changes, holes))
}

/// Adds up a number for each unlocked file, which `of` tells by the file's layer, and the offset and the
/// length of its content.
fn sum(unlocked: &[Unlocked], of: impl Fn(usize, u64, u64) -> u64) -> u64 {
    let numbers = unlocked.iter().map(|entry| match entry.kind {
        UnlockedKind::File { layer, offset, len } => of(layer, offset, len),
        _ => 0,
    });
    numbers.sum()
}

/// Returns the layers that the locked image has unchanged.
fn clear_layers(image: &Image, private: &BTreeSet<usize>) -> Vec<Layer> {
    let layers = image.layers.iter().enumerate();
    layers.filter(|(place, _)| !private.contains(place)).map(|(_, layer)| layer.clone()).collect()
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

/// Returns the init for the machine that an image is for.
fn init_for(config: &Config) -> Result<&'static Stub, LockError> {
    let (architecture, os) = (&config.architecture, &config.os);
    let target = Target::of_image(os, architecture)
        .ok_or_else(|| LockError::NoInit(format!("{os}/{architecture}")))?;
    let found = inits().iter().find(|init| init.target == target);
    found.ok_or_else(|| LockError::NoInit(target.to_string()))
}
