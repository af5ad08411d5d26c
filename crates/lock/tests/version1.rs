//! Images that version 0.1 locked are unlocked, and their private layers are used again.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use sealcrate_image::archive::OciArchiveSource;
use sealcrate_image::{Config, DiffId, Image, Layer, Quiet, Source, Spool};
use sealcrate_lock::{FoundBy, LockedImage, Locker, Opener, PathRules, Reusable, Start, UnlockOn};
use sealcrate_pack::{Key, MIN_WORK_FACTOR, Openers};
use zeroize::Zeroizing;

const PASSPHRASE: &[u8] = b"of version 1";

fn key() -> Key {
    Key::parse(Zeroizing::new(PASSPHRASE.to_vec())).unwrap()
}

fn spool() -> Spool {
    Spool::in_folder(std::env::temp_dir())
}

/// The image that version 0.1 locked.
fn locked() -> Image {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/version-1.tar");
    let file = Arc::new(File::open(path).unwrap());
    let source: Arc<dyn Source> = Arc::new(OciArchiveSource::open(file, Some("it")).unwrap());
    Image::read(&source, source.root().unwrap()).unwrap()
}

fn unlock(image: Image) -> Image {
    LockedImage::read(image).unwrap().unlock(&key(), &spool()).unwrap().into_image()
}

fn diff_ids(image: &Image) -> Vec<DiffId> {
    image.layers.iter().filter_map(Layer::diff_id).collect()
}

/// Holds that an image is the original: its layers have files with these contents.
fn assert_is_original(image: &Image) {
    let config = Config::parse(&image.config).unwrap();
    assert_eq!(diff_ids(image), config.diff_ids());
    let all = image.layers.iter().map(|layer| {
        let mut tar = tar::Archive::new(layer.open_unpacked().unwrap());
        let mut text = String::new();
        for file in tar.entries().unwrap() {
            file.unwrap().read_to_string(&mut text).unwrap();
        }
        // The reader checks the layer at its end.
        io::copy(&mut tar.into_inner(), &mut io::sink()).unwrap();
        text
    });
    let expected = ["public\n".to_owned(), "#!/base\nprivate\n".to_owned(), "more\n".repeat(1000)];
    assert_eq!(all.collect::<Vec<_>>(), expected);
}

#[test]
fn image_of_version_1_is_unlocked() {
    assert_is_original(&unlock(locked()));
}

#[test]
fn layers_of_version_1_are_used_again() {
    let protection = Openers::passphrase(PASSPHRASE, MIN_WORK_FACTOR).unwrap();
    let (earlier, original) = (locked(), unlock(locked()));
    let mut reusable = Reusable::default();
    let opener = Opener { protection: &protection, identities: None };
    let wanted = diff_ids(&original).into_iter().collect();
    let source = LockedImage::read(earlier.clone()).unwrap();
    reusable.add(&source, FoundBy::Name, opener, &wanted, &spool()).unwrap();
    let locker = Locker {
        start: Start { variable: "KEY", key_file: b"/key", banner: b"" },
        protection: &protection,
        rules: PathRules::default(),
        dropped_volumes: Vec::new(),
        unlock_on: UnlockOn::Memory,
        spool: &spool(),
        progress: &Quiet,
    };
    let locked = locker.lock(&original, &[1, 2].into(), &reusable).unwrap().image.into_image();
    assert_eq!(diff_ids(&locked)[..3], diff_ids(&earlier)[..3], "clear and private layers");
    assert_is_original(&unlock(locked));
}
