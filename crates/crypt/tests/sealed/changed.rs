//! A stranger changes the documents of an image or index that we encrypted. The image then opens to
//! exactly the original. Or it is refused, with an error that tells of damage, a wrong key, or an
//! image that is not encrypted.

use std::error::Error;
use std::io::Read as _;
use std::io::Write as _;
use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::sample::Index as Pick;
use sealcrate_crypt::crypto_cli::dare::DareError;
use sealcrate_crypt::crypto_cli::{
    self, KdfError, KeyDataError, KeyDataShape, SealedConfigError, UnderPassphrase,
};
use sealcrate_crypt::format::{Encryption, ImageEncryptor, Keys, Terms};
use sealcrate_crypt::formats::{self, OpenError, choose, recognise};
use sealcrate_crypt::ocicrypt::{
    self, History, Identity, LayerAuthentication, LayerEncryptionError, Recipient, RecordError,
    ToRecipients,
};
use sealcrate_crypt::sealed::{ImageIdentity, Row, RowKind, Sealing, Table, TableError, Unbound};
use sealcrate_crypt::select::Selection;
use sealcrate_crypt::{Passphrase, Unencrypted};
use sealcrate_image::{
    ATTESTED, Artifact, Compression, CompressionLevel, Compressor, Config, ConfigError, Damage,
    Descriptor, Digest, Family, Image, Index, Layer, ManifestError, MediaType, Platform, Quiet,
    RawManifest, ReadError, Remarks, Spool,
};
use serde_json::{Value, json};

use crate::documents::{Change, Node};
use crate::memory::{Memory, causes};

type Outcome<T> = Result<T, Box<dyn Error>>;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    CryptoCli,
    Oci,
}

fn passphrase() -> Passphrase {
    Passphrase::new(b"correct horse".to_vec().into()).unwrap()
}

fn key_file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/ocicrypt/keys/{name}", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
}

/// Makes a plain image whose documents use every member that they can.
fn plain(word: &str, architecture: &str, layers: usize) -> Image {
    let mut memory = Memory::default();
    let (mut described, mut diff_ids) = (Vec::new(), Vec::new());
    for place in 0..layers {
        let tar = format!("{word} {place} for {architecture} ").repeat(40).into_bytes();
        diff_ids.push(Digest::of(&tar));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).unwrap();
        let mut layer =
            memory.put("application/vnd.oci.image.layer.v1.tar+gzip", &gzip.finish().unwrap());
        layer["annotations"] = json!({ "org.example.of": format!("{word} {place}") });
        described.push(layer);
    }
    let history: Vec<Value> =
        (0..layers).map(|place| json!({ "created_by": format!("COPY {place}") })).collect();
    let config = json!({
        "architecture": architecture, "os": "linux", "created": "2024-01-01T00:00:00Z",
        "config": { "Env": ["PATH=/bin"], "Cmd": [word], "Labels": { "a": "1", "A": "2" } },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": history,
    });
    let subject = memory.put(OCI_MANIFEST, word.as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": memory.put("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes()),
        "layers": described, "subject": subject,
        "annotations": { "org.example.word": word, "org.example.token": "hush" },
    });
    memory.root = manifest.to_string().into_bytes();
    let source = memory.source();
    Artifact::read(&source).unwrap().into_image(&source, None).unwrap()
}

/// The encryptor of an image, with its encrypted layers.
struct Encrypting {
    encryptor: Box<dyn ImageEncryptor>,
    layers: Vec<Layer>,
}

impl Encrypting {
    fn of(image: &Image, private: &[i64], format: Format) -> Self {
        let chosen = choose(image, &Selection::Indices(private.to_vec())).unwrap();
        let encryption: Box<dyn Encryption> = match format {
            Format::CryptoCli => {
                Box::new(UnderPassphrase::new(passphrase(), 100_000, KeyDataShape::Member))
            }
            Format::Oci => {
                let recipients = vec![Recipient::jwe(&key_file("ec.pub.pem")).unwrap()];
                let (compression, history) = (Compression::Gzip, History::Keep);
                Box::new(ToRecipients::new(recipients, None, compression, history))
            }
        };
        let encryptor = encryption.encryptor(image, chosen).unwrap();
        let compressor = Compressor::new(1, CompressionLevel::default());
        let spool = Spool::in_folder(std::env::temp_dir());
        let put = |(i, it)| encryptor.layer(i, it, &compressor, &spool, &Quiet).unwrap();
        let layers = image.layers.iter().enumerate().map(put).collect();
        Self { encryptor, layers }
    }

    fn identity(&self, platform: Option<&Platform>) -> ImageIdentity {
        self.encryptor.identity(platform, &self.layers)
    }

    fn finish(&self, sealing: &Sealing) -> Image {
        self.encryptor.finish(self.layers.clone(), sealing).unwrap().into_image()
    }
}

/// The contents of an opened image.
#[derive(Clone, Debug, PartialEq)]
struct Contents {
    config: Vec<u8>,
    layers: Vec<(Descriptor, Vec<u8>)>,
    remarks: Remarks,
    manifest: Option<RawManifest>,
    table: Option<Table>,
}

/// Opens an image as the commands do, and reads every layer to its end.
fn open(image: &Image) -> Outcome<Contents> {
    let spool = Spool::in_folder(std::env::temp_dir());
    let identity = Identity::parse(&key_file("ec.pem")).unwrap();
    let keys = Keys::new(vec![identity], Some(passphrase()));
    let terms = Terms::anywhere(Unencrypted::Refuse, Unbound::Accept);
    let opened = formats::open(image, &keys, &terms, &spool)?;
    let (image, record) = (opened.image, opened.record);
    let mut layers = Vec::new();
    for layer in &image.layers {
        let mut bytes = Vec::new();
        layer.open()?.read_to_end(&mut bytes)?;
        layers.push((layer.descriptor().expect("it is bound").clone(), bytes));
    }
    let table = record.and_then(|record| record.index);
    let Image { config, manifest, remarks, .. } = image.into_image();
    Ok(Contents { config, layers, remarks, manifest, table })
}

/// Opens the image or index in a registry as the commands do, and holds every image of an index to
/// the table.
fn open_all(memory: &Memory) -> Outcome<Whole> {
    let source = memory.source();
    let index = match Artifact::read(&source)? {
        Artifact::Image(image) => return Ok((vec![open(&image)?], Vec::new())),
        Artifact::Index { index, .. } => index,
    };
    let (mut all, mut identities, mut stored) = (Vec::new(), Vec::new(), Vec::new());
    for child in &index.manifests {
        stored.push(Some(source.manifest(child)?.descriptor()));
        if Index::is_attestation(child) {
            continue;
        }
        let Artifact::Image(image) = Artifact::child(&source, child)? else {
            return Err(ManifestError::MediaType(child.media_type.clone()).into());
        };
        let encrypted = recognise(&image)?.ok_or(OpenError::NotEncrypted)?;
        identities.push((child.digest, encrypted.identity(child.platform.as_ref())));
        let opened = open(&image)?;
        let own = Config::parse(&opened.config)?.platform();
        if let (Some(stated), Some(own)) = (&child.platform, &own)
            && !stated.agrees_with(own)
        {
            return Err(TableError::Platforms.into());
        }
        all.push(opened);
    }
    if all.is_empty() {
        return Err(ocicrypt::DecryptError::NotEncrypted.into());
    }
    let table = Table::common(all.iter().map(|opened| opened.table.as_ref()))?;
    // Every image in this test must come out with its table.
    let table = table.expect("a stranger has taken the table away");
    table.check(&index, |child| {
        let found = identities.iter().find(|(digest, _)| *digest == child.digest);
        found.map(|(_, identity)| *identity)
    })?;
    let mut described = table.descriptors(&stored);
    // The digests of stored bytes are left out of the comparison. An attestation names its subject
    // by place.
    let digests: Vec<String> = described.iter().map(|child| child.digest.to_string()).collect();
    for child in &mut described {
        (child.digest, child.size) = (Digest::of(b""), 0);
        if let Some(about) = child.annotations.get_mut(ATTESTED) {
            *about = format!("{:?}", digests.iter().position(|digest| digest == about));
        }
    }
    Ok((all, described))
}

/// Tells whether the commands end with exit code 3, 4 or 5 for an error.
fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        cause.is::<ocicrypt::DecryptError>()
            || matches!(cause.downcast_ref(), Some(OpenError::NotEncrypted))
            || matches!(
                cause.downcast_ref::<crypto_cli::DecryptError>(),
                Some(it) if !matches!(it, crypto_cli::DecryptError::Dare(_))
            )
            || matches!(cause.downcast_ref::<DareError>(), Some(it) if *it != DareError::Empty)
            || cause.is::<ManifestError>()
            || cause.is::<ConfigError>()
            || cause.is::<TableError>()
            || cause.is::<RecordError>()
            || cause.is::<SealedConfigError>()
            || cause.is::<KeyDataError>()
            || cause.is::<KdfError>()
            || cause.is::<LayerEncryptionError>()
            || cause.is::<LayerAuthentication>()
            || cause.is::<Damage>()
    })
}

/// A registry that a stranger can change, with other images under the same key.
struct Scene {
    memory: Memory,
    other: Memory,
    original: Whole,
    /// The content of the other images: a registry can always serve one of them as a whole.
    theirs: Whole,
}

/// All images, with their descriptors in the index.
type Whole = (Vec<Contents>, Vec<Descriptor>);

impl Scene {
    fn of(make: impl Fn(&str) -> Memory) -> Self {
        let (mut memory, other) = (make("ours"), make("theirs"));
        let (original, theirs) = (open_all(&memory).unwrap(), open_all(&other).unwrap());
        assert!(original != theirs);
        memory.extend(&other);
        Self { memory, other, original, theirs }
    }

    fn image(private: &[i64], layers: usize, format: Format) -> Self {
        let scene = Self::of(|word| {
            let image = plain(word, "amd64", layers);
            let encrypting = Encrypting::of(&image, private, format);
            let mut memory = Memory::default();
            memory.root = memory.put_image(&encrypting.finish(&Sealing::default()));
            memory
        });
        let (all, _) = &scene.original;
        let plain = plain("ours", "amd64", layers);
        assert_eq!((&all[0].config, &all[0].remarks), (&plain.config, &plain.remarks));
        for (opened, before) in all[0].layers.iter().zip(&plain.layers) {
            assert_eq!(opened.0.annotations, before.descriptor().unwrap().annotations);
        }
        if format == Format::Oci {
            assert_eq!(all[0].manifest, plain.manifest);
        }
        scene
    }

    /// An index of images for two platforms and, if `attested`, of an attestation.
    fn index(format: Format, attested: bool) -> Self {
        Self::of(|word| {
            let mut memory = Memory::default();
            let images: Vec<Image> =
                ["amd64", "arm64"].iter().map(|of| plain(word, of, 2)).collect();
            let all: Vec<Encrypting> =
                images.iter().map(|image| Encrypting::of(image, &[1], format)).collect();
            let mut rows = Vec::new();
            let mut children = Vec::new();
            for (image, of) in images.iter().zip(&all) {
                let mut child = image.manifest.as_ref().unwrap().descriptor();
                child.platform = Config::parse(&image.config).unwrap().platform();
                child.annotations.insert("org.example.child".to_owned(), word.to_owned());
                let kind = RowKind::Image(of.identity(child.platform.as_ref()));
                rows.push(Row::new(kind, &child, |_| None));
                children.push(child);
            }
            if attested {
                let statement = plain(word, "unknown", 1).with_manifest(Family::Oci).unwrap();
                let manifest = memory.put_image(&statement);
                let mut child = Descriptor::of(MediaType::OCI_MANIFEST, &manifest);
                child.platform = Some("unknown/unknown".parse().unwrap());
                for (key, value) in [
                    ("vnd.docker.reference.type", "attestation-manifest".to_owned()),
                    ("vnd.docker.reference.digest", children[0].digest.to_string()),
                ] {
                    child.annotations.insert(key.to_owned(), value);
                }
                rows.push(Row::new(RowKind::Manifest(child.digest), &child, |digest| {
                    children.iter().position(|child| child.digest == digest)
                }));
                children.push(child);
            }
            let mut remarks = Remarks::default();
            remarks.annotations.insert("org.example.index".to_owned(), word.to_owned());
            let table = Table::draw(MediaType::OCI_INDEX, remarks, rows).unwrap();
            let sealing = Sealing { table: Some(table.clone()), home: None };
            let mut put = Vec::new();
            for of in &all {
                let manifest = memory.put_image(&of.finish(&sealing));
                let raw = RawManifest::recognise(None, manifest).unwrap();
                put.push(Some(raw.descriptor()));
            }
            put.extend(children[2..].iter().cloned().map(Some));
            memory.root = Index::new(table.descriptors(&put)).to_raw().bytes().to_vec();
            memory
        })
    }

    /// Changes one document: the root, a child's manifest, or a config.
    fn changed(&self, document: &Pick, changes: &[(Pick, Change)]) -> Memory {
        let mut memory = self.memory.clone();
        let (root, other) = (json_of(&memory.root), json_of(&self.other.root));
        let children = root["manifests"].as_array().map_or(0, Vec::len);
        let images =
            (0..children).filter(|&at| root["manifests"][at]["platform"]["os"] != "unknown");
        let images: Vec<usize> = images.collect();
        let manifests = if children == 0 { 1 } else { images.len() };
        let is_index = usize::from(children != 0);
        let document = document.index(is_index + 2 * manifests);
        if children != 0 && document == 0 {
            memory.root = changed(&memory.root, &self.other.root, changes);
            return memory;
        }
        let (which, is_config) = ((document - is_index) / 2, (document - is_index) % 2 == 1);
        let (mut manifest, their_manifest) = match images.get(which) {
            None => (memory.root.clone(), self.other.root.clone()),
            Some(&at) => (
                memory.blob(&root["manifests"][at]["digest"]),
                self.other.blob(&other["manifests"][at]["digest"]),
            ),
        };
        if is_config {
            let config = memory.blob(&json_of(&manifest)["config"]["digest"]);
            let theirs = self.other.blob(&json_of(&their_manifest)["config"]["digest"]);
            let config = changed(&config, &theirs, changes);
            let mut value = json_of(&manifest);
            renamed(&mut value["config"], &mut memory, &config);
            manifest = value.to_string().into_bytes();
        } else {
            manifest = changed(&manifest, &their_manifest, changes);
        }
        match images.get(which) {
            None => memory.root = manifest,
            Some(&at) => {
                let mut index = root;
                renamed(&mut index["manifests"][at], &mut memory, &manifest);
                memory.root = index.to_string().into_bytes();
            }
        }
        memory
    }
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// Makes a descriptor name other bytes.
fn renamed(descriptor: &mut Value, memory: &mut Memory, bytes: &[u8]) {
    let of = memory.put("", bytes);
    (descriptor["digest"], descriptor["size"]) = (of["digest"].clone(), of["size"].clone());
}

fn changed(bytes: &[u8], other: &[u8], changes: &[(Pick, Change)]) -> Vec<u8> {
    let (mut document, other) = (Node::parse(bytes), Node::parse(other));
    for (place, change) in changes {
        let places = document.places();
        if !places.is_empty() {
            document.change(&places[place.index(places.len())], change, &other);
        }
    }
    document.write().into_bytes()
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Drop),
        any::<Pick>().prop_map(Change::Double),
        any::<Pick>().prop_map(Change::RenameCase),
        any::<Pick>().prop_map(Change::Retype),
        Just(Change::Swap),
        Just(Change::Reorder),
    ]
}

fn changes() -> impl Strategy<Value = Vec<(Pick, Change)>> {
    proptest::collection::vec((any::<Pick>(), change()), 1..=2)
}

/// The shapes of images: the places of private layers, and the number of all layers.
const SHAPES: [(&[i64], usize); 4] = [(&[0], 1), (&[1], 2), (&[0, 2], 3), (&[1, 2, 3], 4)];

fn scenes(format: Format) -> &'static [Scene] {
    static SCENES: [OnceLock<Vec<Scene>>; 2] = [OnceLock::new(), OnceLock::new()];
    let images = || SHAPES.iter().map(|(private, layers)| Scene::image(private, *layers, format));
    SCENES[format as usize].get_or_init(|| {
        images().chain([false, true].map(|attested| Scene::index(format, attested))).collect()
    })
}

fn holds(scene: &Scene, document: &Pick, changes: &[(Pick, Change)]) -> Result<(), TestCaseError> {
    let memory = scene.changed(document, changes);
    match open_all(&memory) {
        Ok(opened) => {
            let is_whole = opened == scene.original || opened == scene.theirs;
            prop_assert!(is_whole, "another one comes out of {}", memory.said());
        }
        Err(error) => {
            let all: Vec<String> = causes(&*error).map(ToString::to_string).collect();
            prop_assert!(is_refusal(&*error), "{}", all.join(": "));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn image_for_recipients_opens_to_itself_or_is_refused(
        scene in any::<Pick>(), document in any::<Pick>(), changes in changes(),
    ) {
        holds(scene.get(scenes(Format::Oci)), &document, &changes)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn image_under_a_passphrase_opens_to_itself_or_is_refused(
        scene in any::<Pick>(), document in any::<Pick>(), changes in changes(),
    ) {
        holds(scene.get(scenes(Format::CryptoCli)), &document, &changes)?;
    }
}

#[test]
fn generator_reaches_every_kind_of_refusal() {
    // This tests the tests: they would be hollow if changes were not noticed.
    let scene = &scenes(Format::Oci)[4];
    let mut root = json_of(&scene.memory.root);
    root["manifests"].as_array_mut().unwrap().swap(0, 1);
    let memory = Memory { root: root.to_string().into_bytes(), ..scene.memory.clone() };
    let error = open_all(&memory).unwrap_err();
    assert!(error.is::<TableError>(), "{error}");
    let theirs = Memory { root: scene.other.root.clone(), ..scene.memory.clone() };
    assert!(open_all(&theirs).unwrap() != scene.original);
    let missing: ReadError = std::io::Error::from(std::io::ErrorKind::NotFound).into();
    assert!(!is_refusal(&missing));
}

#[test]
fn config_that_the_manifest_does_not_name_is_refused() {
    let scene = &scenes(Format::Oci)[0];
    let source = scene.memory.source();
    let mut image = Artifact::read(&source).unwrap().into_image(&source, None).unwrap();
    let mut config = json_of(&image.config);
    config["config"]["Cmd"] = json!(["steal"]);
    image.config = config.to_string().into_bytes();
    let error = open(&image).unwrap_err();
    let is_refused =
        causes(&*error).any(|it| it.downcast_ref() == Some(&RecordError::Contradiction("config")));
    assert!(is_refused, "{error}");
}
