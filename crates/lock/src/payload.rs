//! The payload: private layers as age files, each in a layer of its own.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::{iter, thread};

use age::secrecy::ExposeSecret as _;
use age::{Encryptor, x25519};
use sealcrate_image::{Content, DiffId, Hasher, Layer, MediaType, Spool};
use sealcrate_packfile::age::Header;
use sealcrate_packfile::index::{IndexLayer, header_digest, payload_name};
use sealcrate_packfile::zstd_memory;
use zeroize::Zeroizing;

/// The folder of the payload.
pub(crate) const FOLDER: &str = ".sealcrate/payload/";

/// The level of zstd: what is unlocked is downloaded more often than it is locked.
const LEVEL: i32 = 6;

/// How far zstd looks back: 2 to the power of it. What is copied from further back than the caches of
/// a processor hold is decompressed slower, and saves one byte in six hundred.
const WINDOW_LOG: u32 = 21;

/// How far a payload may look back.
pub(crate) const MAX_WINDOW_LOG: u32 = 23;

/// The most threads that compress a layer: each has some 20 MiB.
const MAX_WORKERS: usize = 4;

/// The longest header of an age file.
const MAX_HEADER: u64 = 64 << 10;

/// The size of the records that tar files are made of.
const RECORD: usize = 512;

/// A private layer, encrypted.
#[derive(Clone)]
pub(crate) struct Sealed {
    /// The layer that holds the age file.
    pub(crate) layer: Layer,
    /// The digest of the age file's header.
    pub(crate) header: [u8; 32],
    /// What opens the age file.
    pub(crate) identity: Zeroizing<String>,
    /// The length of the plain tar file.
    pub(crate) tar_len: u64,
}

impl Sealed {
    /// Encrypts a plain tar file, under a key that nothing else has.
    pub(crate) fn of(tar: &mut dyn Read, spool: &Spool) -> io::Result<Self> {
        let identity = x25519::Identity::generate();
        let recipient = identity.to_public();
        let mut tar_len = 0;
        let spooled = spool.fill(|out| {
            let encryptor =
                Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient))
                    .map_err(io::Error::other)?;
            let mut writer = compressor(encryptor.wrap_output(out)?)?;
            let cores = thread::available_parallelism().map_or(1, usize::from);
            writer.multithread(cores.min(MAX_WORKERS) as u32)?;
            tar_len = io::copy(tar, &mut writer)?;
            writer.finish()?.finish().map(drop)
        })?;
        let mut beginning = Vec::new();
        spooled.content.open()?.take(MAX_HEADER).read_to_end(&mut beginning)?;
        let header = Header::parse(&beginning).map_err(io::Error::other)?;
        let header = header_digest(&header);
        let layer = layer(&header, Arc::new(spooled.content), spooled.len)?;
        let identity = Zeroizing::new(identity.to_string().expose_secret().to_owned());
        Ok(Self { layer, header, identity, tar_len })
    }
}

impl Sealed {
    /// Returns what the index says of it.
    pub(crate) fn in_index(&self, diff_id: [u8; 32]) -> IndexLayer<'_> {
        IndexLayer::Private {
            diff_id,
            tar_len: self.tar_len,
            header: self.header,
            identity: &self.identity,
        }
    }
}

/// Returns how much memory the init takes to decompress a layer, in bytes.
pub(crate) fn decoder_memory() -> u64 {
    // This holds for layers that are used again, too: none has ever looked back further.
    zstd_memory(1 << WINDOW_LOG, None)
}

/// Compresses as the init decompresses.
pub(crate) fn compressor<W: Write>(output: W) -> io::Result<zstd::Encoder<'static, W>> {
    let mut encoder = zstd::Encoder::new(output, LEVEL)?;
    encoder.window_log(WINDOW_LOG)?;
    encoder.include_checksum(false)?;
    Ok(encoder)
}

/// Makes the layer that holds an age file.
pub(crate) fn layer(header: &[u8; 32], age: Arc<dyn Content>, len: u64) -> io::Result<Layer> {
    Wrapped::new(header, age, len)?.layer()
}

/// Returns the path of a private layer's age file.
pub(crate) fn path(header: &[u8; 32]) -> String {
    let name = payload_name(header);
    format!("{FOLDER}{}", str::from_utf8(&name).expect("it is hexadecimal"))
}

/// Appends a file or folder of ours.
pub(crate) fn append(
    tar: &mut tar::Builder<impl Write>,
    path: &str,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = header(path, mode, content.len() as u64);
    tar.append_data(&mut header, path, content)
}

fn header(path: &str, mode: u32, len: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    let is_folder = path.ends_with('/');
    let folder = tar::EntryType::Directory;
    header.set_entry_type(if is_folder { folder } else { tar::EntryType::Regular });
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(len);
    header.set_mtime(0);
    header
}

/// A tar file with one file in it, whose content lies elsewhere.
struct Wrapped {
    before: Vec<u8>,
    content: Arc<dyn Content>,
    after: Vec<u8>,
    len: u64,
}

impl Wrapped {
    fn new(digest: &[u8; 32], content: Arc<dyn Content>, len: u64) -> io::Result<Self> {
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, ".sealcrate/", 0o755, b"")?;
        append(&mut tar, FOLDER, 0o755, b"")?;
        let path = path(digest);
        let mut header = header(&path, 0o444, len);
        header.set_path(&path)?;
        header.set_cksum();
        let mut before = tar.into_inner()?;
        // The end of the tar file comes behind the content.
        before.truncate(2 * RECORD);
        before.extend(header.as_bytes());
        let padding = len.next_multiple_of(RECORD as u64) - len;
        let after = vec![0; padding as usize + 2 * RECORD];
        let len = before.len() as u64 + len + after.len() as u64;
        Ok(Self { before, content, after, len })
    }

    fn layer(self) -> io::Result<Layer> {
        let mut hasher = Hasher::default();
        let mut reader = self.open()?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            match reader.read(&mut buffer)? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        let (len, diff_id) = (self.len, DiffId(hasher.finish()));
        Ok(Layer::decrypted(MediaType::DOCKER_LAYER, len, diff_id, Arc::new(self)))
    }
}

impl Content for Wrapped {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let before = io::Cursor::new(self.before.clone());
        let after = io::Cursor::new(self.after.clone());
        Ok(Box::new(before.chain(self.content.open()?).chain(after)))
    }
}
