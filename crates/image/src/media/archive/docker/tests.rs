//! Tests of reading archives as `docker save` writes them.

use proptest::prelude::*;
use sealcrate_test_kit::{Tar, gzip};
use serde_json::json;

use super::*;
use crate::MAX_MANIFEST_BYTES;
use crate::archive::fixtures::{config, read};

const LOW: &[u8] = b"the tar of the lower layer";
const TOP: &[u8] = b"the tar of the upper layer";

fn name_of(bytes: &[u8]) -> String {
    Digest::of(bytes).hex()
}

fn config_name(config: &[u8]) -> String {
    format!("{}.json", name_of(config))
}

/// An archive of engines before 25, in which the lower layer comes twice.
fn classic() -> Tar {
    let config = config(&[LOW, TOP, LOW]);
    Tar::new()
        .special(tar::EntryType::Directory, "aa/", "")
        .file("aa/VERSION", b"1.0")
        .file("aa/layer.tar", LOW)
        .file(&config_name(&config), &config)
        .file("bb/layer.tar", TOP)
        .link("cc/layer.tar", "../aa/layer.tar")
        .images(&json!([{
            "Config": config_name(&config),
            "RepoTags": ["app:1", "localhost:5000/me/app:latest"],
            "Layers": ["aa/layer.tar", "bb/layer.tar", "cc/layer.tar"],
        }]))
        .file("repositories", b"{}")
}

/// An archive of one image whose only layer `entry` adds.
fn single(layer: &str, entry: impl FnOnce(Tar) -> Tar) -> Vec<u8> {
    let config = config(&[LOW]);
    let image = json!([{"Config": "c.json", "RepoTags": null, "Layers": [layer]}]);
    entry(Tar::new().file("c.json", &config).images(&image)).bytes()
}

fn open_error(bytes: &[u8]) -> ArchiveError {
    DockerArchive::open_bytes(bytes).err().unwrap()
}

fn opened_with(bytes: &[u8], name: &str) -> Result<DockerArchive, ArchiveError> {
    let mut file = tempfile::tempfile().unwrap();
    io::Write::write_all(&mut file, bytes).unwrap();
    DockerArchive::open(Arc::new(file), Some(&name.parse().unwrap()))
}

#[test]
fn classic_layout_with_linked_layers_is_read() {
    let archive = DockerArchive::open_bytes(&classic().bytes()).unwrap();
    assert_eq!(archive.repo_tags(), ["app:1", "localhost:5000/me/app:latest"]);
    let (image, layers) = read(archive).unwrap();
    assert_eq!(layers, [LOW, TOP, LOW]);
    assert_eq!(image.config, config(&[LOW, TOP, LOW]));
    assert_eq!(image.layers[2].digest(), Some(Digest::of(LOW)));
    assert!(image.manifest.is_none(), "nothing is stored under the manifest that is made up");
}

#[test]
fn oci_layout_with_compressed_layers_is_read() {
    let (config, zipped) = (config(&[LOW, TOP]), gzip(LOW));
    let zstd = zstd::encode_all(TOP, 1).unwrap();
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", name_of(bytes));
    let bytes = Tar::new()
        .file(&blob(&config), &config)
        .file(&blob(&zipped), &zipped)
        .file("top/layer.tar", &zstd)
        .file("oci-layout", b"{}")
        .images(&json!([{
            "Config": blob(&config), "RepoTags": [], "Layers": [blob(&zipped), "top/layer.tar"],
        }]))
        .bytes();
    let (image, layers) = read(DockerArchive::open_bytes(&bytes).unwrap()).unwrap();
    assert_eq!(layers, [zipped, zstd]);
    assert_eq!(*image.layers[0].media_type(), MediaType::DOCKER_LAYER_GZIP);
    assert_eq!(*image.layers[1].media_type(), MediaType::DOCKER_LAYER_ZSTD);
}

#[test]
fn names_choose_among_images_however_they_are_spelt() {
    let (one, two) = (config(&[]), config(&[LOW]));
    let bytes = Tar::new()
        .file("one.json", &one)
        .file("two.json", &two)
        .file("l.tar", LOW)
        .images(&json!([
            {"Config": "one.json", "RepoTags": ["app:1", "no name\u{1b}"], "Layers": null},
            {"Config": "two.json", "RepoTags": ["docker.io/library/app:latest"], "Layers": ["l.tar"]},
            {"Config": "two.json", "RepoTags": null, "Layers": ["l.tar"]},
        ]))
        .bytes();
    for (name, config) in [("docker.io/app:1", &one), ("app", &two)] {
        assert_eq!(read(opened_with(&bytes, name).unwrap()).unwrap().0.config, *config);
    }
    let there = r#""app:1", "docker.io/library/app:latest", number 2 (without a name)"#;
    let error = opened_with(&bytes, "other:1").err().unwrap();
    assert_eq!(error.to_string(), format!("the archive has no image other:1, only: {there}"));
    assert!(open_error(&bytes).to_string().ends_with(there));

    let mut file = tempfile::tempfile().unwrap();
    io::Write::write_all(&mut file, &bytes).unwrap();
    let file = Arc::new(file);
    let nth = DockerArchive::open_nth(file.clone(), 2).unwrap();
    assert_eq!(read(nth).unwrap().1, [LOW]);
    assert!(matches!(DockerArchive::open_nth(file, 3), Err(ArchiveError::NoImage { .. })));
    let none = Tar::new().images(&json!([])).bytes();
    assert!(matches!(open_error(&none), ArchiveError::NoImage { there, .. } if there == "none"));
}

#[test]
fn config_must_be_what_its_name_says() {
    let config = config(&[]);
    for prefix in ["", "blobs/sha256/"] {
        let suffix = if prefix.is_empty() { ".json" } else { "" };
        let name = format!("{prefix}{}{suffix}", name_of(b"other"));
        let images = json!([{"Config": name, "Layers": []}]);
        let bytes = Tar::new().file(&name, &config).images(&images).bytes();
        let error = open_error(&bytes);
        assert!(matches!(error, ArchiveError::ConfigDigest { .. }), "{error:?}");
    }
}

#[test]
fn layers_that_are_not_those_of_the_config_are_noticed_when_read() {
    let zipped = gzip(TOP);
    let blob = format!("blobs/sha256/{}", name_of(&zipped));
    let lies = format!("blobs/sha256/{}", name_of(LOW));
    for (name, bytes) in [("l.tar", TOP), ("l.tar", &zipped), (&blob, &zipped), (&lies, &zipped)] {
        let archive = single(name, |tar| tar.file(name, bytes));
        let error = read(DockerArchive::open_bytes(&archive).unwrap()).err().unwrap();
        let ReadError::Io(error) = error else { panic!("{error:?}") };
        assert!(error.into_inner().unwrap().is::<Damage>(), "{name}");
    }
}

#[test]
fn config_and_list_must_have_the_same_number_of_layers() {
    let config = config(&[LOW, TOP]);
    let images = json!([{"Config": "c.json", "Layers": ["l.tar"]}]);
    let bytes = Tar::new().file("c.json", &config).file("l.tar", LOW).images(&images).bytes();
    assert!(matches!(
        open_error(&bytes),
        ArchiveError::Config(ConfigError::LayerCount { diff_ids: 2, layers: 1 })
    ));
}

#[test]
fn links_stay_in_the_archive_and_end() {
    for target in ["../../etc/passwd", "/etc/passwd", "../a/layer.tar", "../b", "../gone"] {
        let bytes = single("a/layer.tar", |tar| tar.link("a/layer.tar", target).link("b", "b"));
        let error = open_error(&bytes);
        assert!(matches!(error, ArchiveError::Link(_)), "{target}: {error:?}");
    }
    let fifo = single("l.tar", |tar| tar.special(tar::EntryType::Fifo, "l.tar", ""));
    assert!(matches!(open_error(&fifo), ArchiveError::Link(_)));
    let chain = |count: usize| {
        single("0", |tar| {
            (0..count)
                .fold(tar, |tar, i| tar.link(&i.to_string(), &(i + 1).to_string()))
                .file(&count.to_string(), LOW)
        })
    };
    assert!(DockerArchive::open_bytes(&chain(8)).is_ok());
    assert!(matches!(open_error(&chain(9)), ArchiveError::Link(_)));
    let hard = single("h", |tar| tar.file("a/l", LOW).special(tar::EntryType::Link, "h", "a/l"));
    assert!(DockerArchive::open_bytes(&hard).is_ok());
}

#[test]
fn names_that_lead_out_and_names_that_occur_twice_are_refused() {
    for name in ["../l.tar", "a/../../l.tar", "/l.tar"] {
        let bytes = single("l.tar", |tar| tar.file(name, LOW));
        assert!(matches!(open_error(&bytes), ArchiveError::Name(found) if found == name));
    }
    let name = "x".repeat(300);
    let long = single("l.tar", |tar| tar.long_name(&name).file("l.tar", LOW));
    assert!(matches!(open_error(&long), ArchiveError::Name(_)));
    let fits = single(&name[..256], |tar| tar.long_name(&name[..256]).file("l.tar", LOW));
    assert!(DockerArchive::open_bytes(&fits).is_ok());
    let twice = single("l.tar", |tar| tar.file("l.tar", LOW).file("./l.tar", TOP));
    assert!(matches!(open_error(&twice), ArchiveError::Duplicate(name) if name == "l.tar"));
    let asked = single("../l.tar", |tar| tar.file("l.tar", LOW));
    assert!(matches!(open_error(&asked), ArchiveError::Missing(_)));
}

#[test]
fn cut_archives_are_refused() {
    let bytes = classic().bytes();
    // Every entry that a reader needs comes before the end of the list of images.
    let end = bytes.windows(3).rposition(|bytes| bytes == b"]}]").unwrap() + 3;
    for len in 0..end {
        assert!(DockerArchive::open_bytes(&bytes[..len]).is_err(), "{len}");
    }
    let layer_last = single("l.tar", |tar| tar.file("l.tar", LOW));
    let cut = &layer_last[..layer_last.len() - 1024 - 512 + 3];
    assert!(matches!(open_error(cut), ArchiveError::Truncated(name) if name == "l.tar"));
}

#[test]
fn bounds_hold() {
    let list = vec![b' '; MAX_MANIFEST_BYTES as usize + 1];
    let bytes = Tar::new().file("manifest.json", &list).bytes();
    assert!(matches!(open_error(&bytes), ArchiveError::TooLarge(_)));
    let images = json!([{"Config": "c.json", "Layers": []}]);
    let config = vec![b' '; MAX_CONFIG_BYTES as usize + 1];
    let bytes = Tar::new().file("c.json", &config).images(&images).bytes();
    assert!(matches!(open_error(&bytes), ArchiveError::TooLarge(_)));
    // Long names, one alone and two that are too long together.
    let name = |len: usize| "x".repeat(len);
    for tar in [
        Tar::new().long_name(&name(1 << 20)),
        Tar::new()
            .long_name(&name(40 << 10))
            .extension(tar::EntryType::GNULongLink, &name(40 << 10)),
    ] {
        let ArchiveError::Io(error) = open_error(&tar.file("short", b"").bytes()) else {
            panic!("it is no error of reading")
        };
        assert_eq!(error.to_string(), "the headers of an entry are too long");
    }
}

#[test]
fn too_many_entries_are_refused() {
    let tar = (0..=100_000).fold(Tar::new(), |tar, i| tar.file(&i.to_string(), b""));
    assert!(matches!(open_error(&tar.bytes()), ArchiveError::TooManyEntries));
}

#[test]
fn what_is_no_list_of_images_is_refused() {
    for list in ["", "{}", "[{}]", r#"[{"Config":5}]"#] {
        let bytes = Tar::new().file("manifest.json", list.as_bytes()).bytes();
        assert!(matches!(open_error(&bytes), ArchiveError::Json(_)), "{list}");
    }
    assert!(matches!(open_error(b""), ArchiveError::Missing(name) if name == "manifest.json"));
}

proptest! {
    #[test]
    fn damaged_archives_do_no_harm(place in 0_usize..8192, byte: u8) {
        let mut bytes = classic().bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        if let Ok(archive) = DockerArchive::open_bytes(&bytes)
            && let Ok((image, layers)) = read(archive)
        {
            prop_assert_eq!(Config::parse(&image.config).unwrap().diff_ids().len(), layers.len());
            for (layer, bytes) in image.layers.iter().zip(layers) {
                prop_assert_eq!(layer.diff_id(), Some(DiffId(Digest::of(&bytes))));
            }
        }
    }
}
