//! Archives on their way: the entries of a tar that is read once, from its beginning to its end.
//!
//! A file that looks like the tar of a layer is compressed at once, on all cores, before the rest of
//! the archive has come. Every other file is kept as it is. All of them go into one unnamed file.
//! Only the list of images tells which entries are layers, and it comes last. A wrong guess costs
//! time and nothing else, since a compressed file bears the digest that it had before.

use std::io::{self, Cursor, Read};

use super::ArchiveError;
use super::bounds::HeaderBounds;
use super::entries::{Entries, FileEntry, Kept, MAX_HEADERS, Packed};
use super::wanted::Wanted;
use crate::transfer::files::spool::Spooling;
use crate::{DiffId, Hasher, Packing, Spool};

/// Reads the archive in `stream`, and all bytes behind it, to the end. Where `wanted` skips layers,
/// it stops as soon as all the others have come.
///
/// # Errors
/// Errors of `stream` and of the spool; errors as of [`Entries::read`].
pub(super) fn entries(
    stream: &mut dyn Read,
    packing: Packing<'_>,
    spool: &Spool,
    wanted: Option<&Wanted>,
) -> Result<Entries, ArchiveError> {
    let bounds = HeaderBounds::new(MAX_HEADERS);
    let mut spooling = Spooling::begin(spool)?;
    let mut entries = Entries::default();
    let mut archive = tar::Archive::new(bounds.reader(&mut *stream));
    for entry in archive.entries()? {
        let mut entry = entry?;
        bounds.begin(&entry);
        entries.add(&mut entry, |name, entry| {
            let (kept, read) = match wanted.and_then(|wanted| wanted.skipped(name)) {
                Some(diff_id) => (Kept::Skipped(diff_id), io::copy(entry, &mut io::sink())?),
                None => {
                    let (file, read) = keep(entry, packing, &mut spooling)?;
                    (Kept::File(file), read)
                }
            };
            // The tar library takes the end of the stream for the end of the entry.
            if read < entry.size() {
                return Err(ArchiveError::Truncated(name.to_owned()));
            }
            Ok(kept)
        })?;
        if wanted.is_some_and(|wanted| wanted.skips_any() && wanted.is_all_in(&entries)) {
            return Ok(entries);
        }
    }
    // An engine whose answer breaks off behind the archive has told of that, too.
    io::copy(stream, &mut io::sink())?;
    Ok(entries)
}

/// Reads an entry to its end. Returns where its bytes are, and how many it had.
fn keep(
    entry: &mut dyn Read,
    packing: Packing<'_>,
    spooling: &mut Spooling,
) -> io::Result<(FileEntry, u64)> {
    let mut head = Vec::with_capacity(BLOCK);
    entry.take(BLOCK as u64).read_to_end(&mut head)?;
    let is_tar = is_tar(&head);
    let mut whole = Cursor::new(head).chain(entry);
    if !is_tar {
        let spooled = spooling.add(|out| io::copy(&mut whole, out).map(|_| ()))?;
        return Ok((FileEntry { slice: spooled.content, packed: None }, spooled.len));
    }
    let mut tar = Hashing { inner: whole, hasher: Hasher::default(), len: 0 };
    let spooled = spooling.add(|out| packing.pack(&mut tar, out))?;
    let diff_id = DiffId(tar.hasher.finish());
    let compression = packing.compression;
    let packed = Some(Packed { digest: spooled.digest, compression, diff_id });
    Ok((FileEntry { slice: spooled.content, packed }, tar.len))
}

/// The length of a tar header.
const BLOCK: usize = 512;

/// Tells whether a file that begins with `head` is a tar. POSIX and GNU tars have this mark in their
/// first header (POSIX.1-2024, pax, "ustar Interchange Format").
fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// Hashes and counts the bytes that it reads.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
    len: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.len += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use sealcrate_test_kit::{Tar, gzip};
    use serde_json::json;

    use super::*;
    use crate::archive::fixtures::{config, read};
    use crate::archive::{DockerArchive, wanted};
    use crate::{
        Compression, CompressionLevel, Compressor, Config, Damage, Digest, Image, MediaType, Source,
    };

    /// A tar as layers are, with `content` in it.
    fn layer(content: &[u8]) -> Vec<u8> {
        Tar::new().file("in/the/layer", content).bytes()
    }

    /// An archive of engines before 25: of three layers, the lowest twice.
    fn classic() -> (Vec<u8>, [Vec<u8>; 3]) {
        let (low, top) = (layer(b"low"), layer(&[7; (1 << 20) + 5]));
        let config = config(&[&low, &top, &low]);
        let name = format!("{}.json", Digest::of(&config).hex());
        let bytes = Tar::new()
            .special(tar::EntryType::Directory, "aa/", "")
            .file("aa/VERSION", b"1.0")
            .file("aa/layer.tar", &low)
            .file("bb/layer.tar", &top)
            .link("cc/layer.tar", "../aa/layer.tar")
            .file(&name, &config)
            .images(&json!([{
                "Config": name, "RepoTags": null,
                "Layers": ["aa/layer.tar", "bb/layer.tar", "cc/layer.tar"],
            }]))
            .bytes();
        (bytes, [low.clone(), top, low])
    }

    fn receive(stream: impl Read) -> Result<DockerArchive, ArchiveError> {
        receive_in(Compression::Gzip, stream)
    }

    fn receive_in(
        compression: Compression,
        mut stream: impl Read,
    ) -> Result<DockerArchive, ArchiveError> {
        let compressor = Compressor::new(2, CompressionLevel::default());
        let packing = Packing { compressor: &compressor, compression };
        DockerArchive::receive(&mut stream, packing, &Spool::in_folder(std::env::temp_dir()))
    }

    fn unpacked(archive: DockerArchive) -> (Image, Vec<Vec<u8>>) {
        let (image, layers) = read(archive).unwrap();
        let layers = image.layers.iter().zip(layers).map(unpack).collect();
        (image, layers)
    }

    fn unpack((layer, bytes): (&crate::Layer, Vec<u8>)) -> Vec<u8> {
        let compression = layer.compression().unwrap();
        let mut out = Vec::new();
        compression
            .reader(Box::new(Cursor::new(bytes)), crate::Expansion::default())
            .unwrap()
            .read_to_end(&mut out)
            .unwrap();
        out
    }

    #[test]
    fn layers_are_compressed_on_their_way_and_stay_what_they_are() {
        let (bytes, layers) = classic();
        for (compression, media_type) in [
            (Compression::Gzip, MediaType::DOCKER_LAYER_GZIP),
            (Compression::Zstd, MediaType::DOCKER_LAYER_ZSTD),
        ] {
            let archive = receive_in(compression, bytes.as_slice()).unwrap();
            let (image, received) = unpacked(archive);
            assert!(received == layers);
            for (layer, plain) in image.layers.iter().zip(&layers) {
                assert_eq!(layer.diff_id(), Some(DiffId(Digest::of(plain))));
                assert_eq!(*layer.media_type(), media_type);
                let mut content = layer.content().open().unwrap();
                assert_eq!(Compression::sniff(&mut content).unwrap(), compression);
            }
            assert_eq!(image.layers[0].digest(), image.layers[2].digest());
            assert!(image.manifest.is_none());
        }
    }

    #[test]
    fn what_is_compressed_or_no_tar_stays_as_it_is() {
        let (zipped, odd) = (gzip(&layer(b"low")), b"a tar older than its mark".to_vec());
        let config = config(&[&layer(b"low"), &odd]);
        let names =
            [&zipped, &odd, &config].map(|blob| format!("blobs/sha256/{}", Digest::of(blob).hex()));
        let bytes = Tar::new()
            .file(&names[2], &config)
            .file(&names[0], &zipped)
            .file(&names[1], &odd)
            .file("oci-layout", b"{}")
            .images(&json!([{ "Config": names[2], "RepoTags": [], "Layers": &names[..2] }]))
            .bytes();
        let (image, layers) = read(receive(bytes.as_slice()).unwrap()).unwrap();
        assert_eq!(layers, [zipped, odd]);
        assert_eq!(*image.layers[1].media_type(), MediaType::DOCKER_LAYER);
    }

    #[test]
    fn layers_that_the_config_does_not_name_are_refused() {
        let (named, other) = (layer(b"named"), layer(b"other"));
        let config = config(&[&named]);
        let bytes = Tar::new()
            .file("l.tar", &other)
            .file("c.json", &config)
            .images(&json!([{ "Config": "c.json", "RepoTags": null, "Layers": ["l.tar"] }]))
            .bytes();
        let error = receive(bytes.as_slice()).err().unwrap();
        let is_told = matches!(&error, ArchiveError::Layer { name, source: Damage::DiffId { .. } }
            if name == "l.tar");
        assert!(is_told, "{error:?}");
    }

    #[test]
    fn layer_without_its_mark_is_checked_when_it_is_read() {
        let (mut bytes, layers) = classic();
        let at = bytes.windows(layers[0].len()).position(|part| part == layers[0]).unwrap();
        bytes[at + 257] = 0;
        let error = read(receive(bytes.as_slice()).unwrap()).err().unwrap();
        assert!(error.to_string().contains("digest"), "{error:?}");
    }

    /// An archive as engines before 25 write it, and the image in it: of three layers, the topmost
    /// the lowest again.
    fn of_engine() -> (Vec<u8>, Digest, [DiffId; 3]) {
        let (low, mid) = (layer(b"low"), layer(&[7; (1 << 20) + 5]));
        let config = config(&[&low, &mid, &low]);
        let diff_ids = [&low, &mid, &low].map(|tar| DiffId(Digest::of(tar)));
        let [first, second] =
            wanted::v1_ids(&diff_ids[..2]).collect::<Vec<_>>().try_into().unwrap();
        let name = format!("{}.json", Digest::of(&config).hex());
        let layers = [first, second, "top".to_owned()].map(|id| format!("{id}/layer.tar"));
        let bytes = Tar::new()
            .file(&layers[0], &low)
            .file(&name, &config)
            .file(&layers[1], &mid)
            .link(&layers[2], &format!("../{}", layers[0]))
            .images(&json!([{ "Config": name, "RepoTags": null, "Layers": layers }]))
            .bytes();
        (bytes, Digest::of(&config), diff_ids)
    }

    fn receive_without(
        mut stream: &[u8],
        skipped: &[DiffId],
    ) -> (Result<DockerArchive, ArchiveError>, usize) {
        let (_, id, diff_ids) = of_engine();
        let wanted = Wanted::new(id, &diff_ids, &skipped.iter().copied().collect());
        let compressor = Compressor::new(2, CompressionLevel::default());
        let spool = Spool::in_folder(std::env::temp_dir());
        let received =
            DockerArchive::receive_wanted(&mut stream, &wanted, Packing::gzip(&compressor), &spool);
        (received, stream.len())
    }

    #[test]
    fn what_is_not_wanted_is_not_kept_and_nothing_is_read_behind_the_rest() {
        let (bytes, _, [low, mid, _]) = of_engine();
        for (skipped, readable, is_cut) in [
            (vec![], [true, true, true], false),
            (vec![low], [false, true, false], true),
            (vec![mid], [true, false, true], true),
            (vec![low, mid], [false, false, false], true),
        ] {
            let (received, left) = receive_without(&bytes, &skipped);
            let source: Arc<dyn Source> = Arc::new(received.unwrap());
            let image = Image::read(&source, source.root().unwrap()).unwrap();
            let opened: Vec<bool> = image.layers.iter().map(|it| it.open().is_ok()).collect();
            assert_eq!(opened, readable, "{skipped:?}");
            let diff_ids: Vec<_> = image.layers.iter().filter_map(crate::Layer::diff_id).collect();
            assert_eq!(diff_ids, [low, mid, low]);
            assert_eq!(left > 0, is_cut, "{skipped:?}");
        }
    }

    #[test]
    fn what_is_not_wanted_is_not_waited_for() {
        let (low, top) = (layer(&[7; 1 << 20]), layer(b"top"));
        let config = config(&[&low, &top]);
        let diff_ids = [&low, &top].map(|tar| DiffId(Digest::of(tar)));
        let id = wanted::v1_ids(&diff_ids[..1]).next().unwrap();
        let bytes = Tar::new()
            .file("top/layer.tar", &top)
            .file(&format!("{}.json", Digest::of(&config).hex()), &config)
            .file(&format!("{id}/layer.tar"), &low)
            .bytes();
        let wanted = Wanted::new(Digest::of(&config), &diff_ids, &[diff_ids[0]].into());
        let compressor = Compressor::new(2, CompressionLevel::default());
        let (mut stream, spool) = (&bytes[..], Spool::in_folder(std::env::temp_dir()));
        DockerArchive::receive_wanted(&mut stream, &wanted, Packing::gzip(&compressor), &spool)
            .unwrap();
        assert!(stream.len() > low.len(), "the layer was read");
    }

    #[test]
    fn layers_under_other_names_are_not_left_out_by_mistake() {
        let (bytes, _) = classic();
        let skipped = [DiffId(Digest::of(&layer(b"low")))];
        let error = receive_without(&bytes, &skipped).0.err().unwrap();
        assert!(matches!(error, ArchiveError::Unforeseen(_)), "{error:?}");
    }

    #[test]
    fn archive_that_ends_early_is_refused_wherever_it_ends() {
        let (bytes, _) = classic();
        // The bytes behind the list of images are padding.
        let end = bytes.windows(2).rposition(|bytes| bytes == b"}]").unwrap() + 2;
        for len in (0..end).step_by(32 * 509).chain([end - 1]) {
            assert!(receive(&bytes[..len]).is_err(), "{len}");
        }
        let cut = &bytes[..1 << 20];
        let error = receive(cut).err().unwrap();
        assert!(
            matches!(&error, ArchiveError::Truncated(name) if name == "bb/layer.tar"),
            "{error:?}"
        );
    }

    #[test]
    fn headers_are_bounded_and_contents_are_not() {
        let name = |len: usize| "x".repeat(len);
        let long = Tar::new().file("large", &[0; 1 << 20]).long_name(&name(1 << 20)).file("y", b"");
        let ArchiveError::Io(error) = receive(long.bytes().as_slice()).err().unwrap() else {
            panic!("it is no error of reading")
        };
        assert_eq!(error.to_string(), "the headers of an entry are too long");
    }

    #[test]
    fn failure_of_the_stream_is_one_of_the_archive() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let (bytes, _) = classic();
        // In the middle of a layer, and behind the archive.
        for len in [1 << 20, bytes.len()] {
            let error = receive(bytes[..len].chain(Broken)).err().unwrap();
            assert!(matches!(&error, ArchiveError::Io(error) if error.to_string() == "broken"));
        }
    }

    proptest! {
        #[test]
        fn damaged_archives_do_no_harm(place in 0_usize..8192, byte: u8) {
            let (mut bytes, _) = classic();
            let place = place % bytes.len();
            bytes[place] = byte;
            // A damaged tar is stored as it came, and checked when it is read.
            let Ok(archive) = receive(bytes.as_slice()) else { return Ok(()) };
            let Ok((image, layers)) = read(archive) else { return Ok(()) };
            prop_assert_eq!(Config::parse(&image.config).unwrap().diff_ids().len(), layers.len());
            for (layer, bytes) in image.layers.iter().zip(layers) {
                let bytes = unpack((layer, bytes));
                prop_assert_eq!(layer.diff_id(), Some(DiffId(Digest::of(&bytes))));
            }
        }
    }
}
