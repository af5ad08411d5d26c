//! The payload: the age files of private layers. The files of each private layer lie in a layer of their own.

pub(crate) mod compression;
pub(crate) mod concatenated;

use std::io::{self, Read, Write};
use std::iter;
use std::sync::Arc;

use sealcrate_image::archive::HeaderBounds;
use sealcrate_image::{Content, DiffId, Hasher, Layer, MediaType};
use sealcrate_packfile::index::{Part, payload_name};

use crate::payload::concatenated::Concatenated;
use crate::tree::changes::MAX_HEADERS;

/// The folder of the payload.
pub(crate) const FOLDER: &str = ".sealcrate/payload/";

/// The size of the records that tar files are made of.
const RECORD: usize = 512;

/// The age file of a part.
#[derive(Clone)]
pub(crate) struct PartFile {
    /// The part.
    pub(crate) part: Part,
    /// The bytes of the age file.
    pub(crate) content: Arc<dyn Content>,
    /// The number of these bytes.
    pub(crate) len: u64,
}

/// Makes the layer that holds age files.
pub(crate) fn layer(files: Vec<PartFile>) -> io::Result<Layer> {
    PayloadTar::new(files)?.layer()
}

/// Calls `call` for each file of a layer with its path, and reads the layer to its end, which checks it.
pub(crate) fn for_each_file<E: From<io::Error>>(
    layer: &Layer,
    mut call: impl FnMut(&[u8], &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let bounds = HeaderBounds::new(MAX_HEADERS);
    let reader = layer.open_unpacked()?;
    let mut archive = tar::Archive::new(bounds.reader(reader));
    for entry in archive.entries()? {
        let mut entry = entry?;
        bounds.begin(&entry);
        let path = entry.path_bytes().into_owned();
        call(&path, &mut entry)?;
    }
    io::copy(&mut archive.into_inner().into_inner(), &mut io::sink())?;
    Ok(())
}

/// Returns the error for a file that a layer has twice.
pub(crate) fn twice(path: &[u8]) -> io::Error {
    let text = format!("{} is there twice", String::from_utf8_lossy(path));
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Returns the path of a part's age file.
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

/// The tar file of a payload. The contents of its files lie elsewhere.
struct PayloadTar {
    /// The folders before the files.
    before: Vec<u8>,
    /// The headers of the files, and their contents.
    files: Vec<(tar::Header, PartFile)>,
    len: u64,
}

impl PayloadTar {
    fn new(files: Vec<PartFile>) -> io::Result<Self> {
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, ".sealcrate/", 0o755, b"")?;
        append(&mut tar, FOLDER, 0o755, b"")?;
        let mut before = tar.into_inner()?;
        // The end of the tar file comes behind the contents.
        before.truncate(2 * RECORD);
        let mut len = before.len() as u64 + END.len() as u64;
        let files = files.into_iter().map(|file| {
            let path = path(&file.part.header);
            let mut header = header(&path, 0o444, file.len);
            header.set_path(&path)?;
            header.set_cksum();
            len += RECORD as u64 + file.len + padding(file.len).len() as u64;
            Ok((header, file))
        });
        let files = files.collect::<io::Result<_>>()?;
        Ok(Self { before, files, len })
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

/// The end of a tar file.
const END: &[u8] = &[0; 2 * RECORD];

/// Returns the zeros behind a file of so many bytes.
fn padding(len: u64) -> &'static [u8] {
    &END[..(len.next_multiple_of(RECORD as u64) - len) as usize]
}

impl Content for PayloadTar {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let bytes = |bytes: &[u8]| Arc::new(bytes.to_vec()) as Arc<dyn Content>;
        let files = self.files.iter().flat_map(|(header, file)| {
            [bytes(header.as_bytes()), file.content.clone(), bytes(padding(file.len))]
        });
        let all = iter::once(bytes(&self.before)).chain(files).chain(iter::once(bytes(END)));
        Ok(Box::new(Concatenated::new(all)))
    }
}
