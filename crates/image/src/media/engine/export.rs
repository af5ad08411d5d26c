//! Exports: an image on its way out of the engine, into an unnamed file.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;

use bollard::errors::Error as ClientError;
use bytes::{Buf as _, Bytes};
use futures_util::{Stream, StreamExt as _};
use tokio::runtime::Runtime;
use tracing::debug;

use crate::archive::{ArchiveError, DockerArchive, Wanted};
use crate::{
    Config, DiffId, Digest, EngineName, Manifest, Meter, Packing, Progress, ReadError, Source,
    Spool, Stage,
};

use super::client::{Client, Store};
use super::unexported::Unexported;
use super::{Endpoint, EngineError};

/// In which form the layers of an export are kept.
#[derive(Clone, Copy)]
pub enum ExportForm<'c> {
    /// As they come.
    AsTheyCome,
    /// Compressed while the rest of the export is still to come.
    Packed {
        /// The compressor, and its compression.
        packing: Packing<'c>,
        /// The configs and layers that need not be exported.
        skipped: &'c Skipped,
    },
}

/// The parts of images that an export may leave out, since its caller has them already.
#[derive(Debug, Default)]
pub struct Skipped {
    /// Configs, by their digests.
    pub configs: HashMap<Digest, Vec<u8>>,
    /// Layers. The export asks not even for their sizes.
    pub layers: HashSet<DiffId>,
}

impl Skipped {
    /// Returns the config of the image `id`, if no part of that image needs to be exported.
    fn whole(&self, id: Digest) -> Result<Option<&Vec<u8>>, ReadError> {
        let Some(config) = self.configs.get(&id) else { return Ok(None) };
        let diff_ids = Config::parse(config)?.diff_ids().to_vec();
        let is_whole = diff_ids.iter().all(|diff_id| self.layers.contains(diff_id));
        Ok(is_whole.then_some(config))
    }
}

/// Exports the image that `name` names, without its skipped layers.
pub(super) fn export(
    client: &Client,
    name: &EngineName,
    form: ExportForm<'_>,
    spool: &Spool,
    progress: &dyn Progress,
) -> Result<Arc<dyn Source>, ReadError> {
    let image = client
        .inspect(&name.to_string())?
        .ok_or_else(|| EngineError::NoSuchImage { name: name.clone() })?;
    let id = match client.store() {
        Store::Classic => image.digest(),
        // The ID may be an index's, and the size the compressed layers'.
        Store::Other => None,
    };
    let (asked, size) = match id {
        // Its ID names the image that was looked at, even if the name moves on.
        Some(id) => (id.to_string(), image.size),
        None => (name.to_string(), None),
    };
    let receive = |wanted: Option<&Wanted>| -> Result<Arc<dyn Source>, ReadError> {
        let meter = progress.begin(Stage::Export, &name.to_string(), size);
        let (docker, runtime) = client.alone()?;
        debug!("GET /images/{asked}/get");
        let parts = Box::pin(docker.export_image(&asked));
        let mut stream = Answer {
            endpoint: client.endpoint(),
            runtime,
            parts,
            part: Bytes::new(),
            meter: &*meter,
            failure: None,
        };
        let archive = match receive(&mut stream, form, wanted, spool) {
            Ok(archive) => archive,
            // The archive's reader says less about a broken connection.
            Err(error) => return Err(stream.failure.map_or(error, ReadError::from)),
        };
        if let Some(id) = id {
            check(&archive, id)?;
        }
        meter.done();
        Ok(Arc::new(archive))
    };
    let (ExportForm::Packed { skipped, .. }, Some(id)) = (form, id) else { return receive(None) };
    if let Some(config) = skipped.whole(id)? {
        return Ok(Arc::new(Unexported::new(config.clone())?));
    }
    match receive(Some(&Wanted::new(id, &image.diff_ids, &skipped.layers))) {
        // The engine names layers in none of the known ways: read them all, then.
        Err(error) if matches!(error.medium(), Some(ArchiveError::Unforeseen(_))) => receive(None),
        received => received,
    }
}

fn receive(
    stream: &mut dyn Read,
    form: ExportForm<'_>,
    wanted: Option<&Wanted>,
    spool: &Spool,
) -> Result<DockerArchive, ReadError> {
    Ok(match (form, wanted) {
        (ExportForm::Packed { packing, .. }, Some(wanted)) => {
            DockerArchive::receive_wanted(stream, wanted, packing, spool)?
        }
        (ExportForm::Packed { packing, .. }, None) => {
            DockerArchive::receive(stream, packing, spool)?
        }
        (ExportForm::AsTheyCome, _) => DockerArchive::open(Arc::new(spool.copy(stream)?), None)?,
    })
}

/// The body of the engine's answer.
struct Answer<'e, P> {
    endpoint: &'e Endpoint,
    runtime: Runtime,
    parts: Pin<Box<P>>,
    part: Bytes,
    meter: &'e dyn Meter,
    /// Why it has ended, if it should not have.
    failure: Option<EngineError>,
}

impl<P: Stream<Item = Result<Bytes, ClientError>>> Read for Answer<'_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.runtime.block_on(self.parts.next()) {
                None => return Ok(0),
                Some(Ok(part)) => {
                    self.meter.advance(part.len() as u64);
                    self.part = part;
                }
                Some(Err(error)) => {
                    self.failure = Some(EngineError::new(self.endpoint, error));
                    return Err(io::Error::other("the engine's answer broke off"));
                }
            }
        }
        let count = self.part.len().min(buffer.len());
        self.part.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Checks that the archive holds the image that the engine named.
fn check(archive: &DockerArchive, wanted: Digest) -> Result<(), ReadError> {
    let found = Manifest::parse(&archive.root()?)?.config.digest;
    if wanted != found {
        return Err(EngineError::OtherImage { wanted, found }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::DockerArchiveWriter;
    use crate::engine::fake::{Caller, Fake, soon};
    use crate::{Artifact, CompressionLevel, Compressor, Digest, Image, Quiet};

    const CONFIG: &[u8] = br#"{"rootfs":{"type":"layers","diff_ids":[]}}"#;

    fn archive() -> Vec<u8> {
        let image = Image::new(CONFIG.to_vec(), Vec::new());
        DockerArchiveWriter::new(Vec::new()).finish(&image, &[]).unwrap()
    }

    /// Exports `app:1` of an engine that says its ID is `id`, in every form.
    fn exported(
        id: Digest,
        answer: impl Fn(Caller) + Send + Sync + 'static,
    ) -> [Result<Image, ReadError>; 2] {
        let asked = format!("GET /images/{id}/get");
        let fake = Fake::start(move |request, mut caller| {
            if request == asked { answer(caller) } else { caller.classic(request, id, &[]) }
        });
        [false, true].map(|is_packed| {
            let engine = fake.connect();
            soon(move || {
                let compressor = Compressor::new(1, CompressionLevel::default());
                let form = match is_packed {
                    true => ExportForm::Packed {
                        packing: Packing::gzip(&compressor),
                        skipped: &Skipped::default(),
                    },
                    false => ExportForm::AsTheyCome,
                };
                let spool = Spool::in_folder(std::env::temp_dir());
                let source = engine.source(&"app:1".parse().unwrap(), form, &spool, &Quiet)?;
                Artifact::read(&source)?.into_image(&source, None)
            })
        })
    }

    #[test]
    fn image_whose_every_part_is_at_hand_is_not_exported() {
        let id = Digest::of(CONFIG);
        let fake = Fake::start(move |request, mut caller| caller.classic(request, id, &[]));
        let compressor = Compressor::new(1, CompressionLevel::default());
        let configs = HashMap::from([(id, CONFIG.to_vec())]);
        let skipped = Skipped { configs, layers: HashSet::new() };
        let form = ExportForm::Packed { packing: Packing::gzip(&compressor), skipped: &skipped };
        let spool = Spool::in_folder(std::env::temp_dir());
        let source =
            fake.connect().source(&"app:1".parse().unwrap(), form, &spool, &Quiet).unwrap();
        assert_eq!(Image::read(&source, source.root().unwrap()).unwrap().config, CONFIG);
    }

    #[test]
    fn image_of_which_a_layer_is_missing_is_exported() {
        let image = crate::engine::fake::image(vec![crate::engine::fake::layer(vec![1; 600])]);
        let id = image.id();
        let diff_ids: Vec<DiffId> = image.layers.iter().filter_map(crate::Layer::diff_id).collect();
        let fake = Fake::start(move |request, mut caller| match request {
            get if get.ends_with("/get") => caller.answer(500, b"{\"message\":\"asked\"}"),
            other => caller.classic(other, id, &diff_ids),
        });
        let compressor = Compressor::new(1, CompressionLevel::default());
        let configs = HashMap::from([(id, image.config)]);
        let skipped = Skipped { configs, layers: HashSet::new() };
        let form = ExportForm::Packed { packing: Packing::gzip(&compressor), skipped: &skipped };
        let spool = Spool::in_folder(std::env::temp_dir());
        let error = fake.connect().source(&"app:1".parse().unwrap(), form, &spool, &Quiet).err();
        let is_asked = matches!(
            error.as_ref().and_then(ReadError::medium),
            Some(EngineError::Refused { said, .. }) if said == "asked"
        );
        assert!(is_asked, "{error:?}");
    }

    #[test]
    fn export_whose_layers_have_other_names_than_expected_is_read_whole() {
        let image = sealcrate_test_kit::Image::of([vec![1; 600], vec![2; 600]]);
        let diff_ids: Vec<DiffId> =
            image.diff_ids().iter().map(|digest| DiffId(digest.parse().unwrap())).collect();
        let (id, archive) = (image.id().parse().unwrap(), image.archive(&[]));
        let known = diff_ids.clone();
        let fake = Fake::start(move |request, mut caller| match request {
            get if get.ends_with("/get") => caller.answer(200, &archive),
            other => caller.classic(other, id, &known),
        });
        let compressor = Compressor::new(1, CompressionLevel::default());
        let layers = HashSet::from([diff_ids[1]]);
        let skipped = Skipped { configs: HashMap::new(), layers };
        let form = ExportForm::Packed { packing: Packing::gzip(&compressor), skipped: &skipped };
        let spool = Spool::in_folder(std::env::temp_dir());
        let source =
            fake.connect().source(&"app:1".parse().unwrap(), form, &spool, &Quiet).unwrap();
        let image = Image::read(&source, source.root().unwrap()).unwrap();
        assert!(image.layers.iter().all(|layer| layer.open().is_ok()));
    }

    fn refused(error: Result<Image, ReadError>) -> EngineError {
        match error {
            Err(error) => error.into_medium().unwrap(),
            Ok(_) => panic!("the export was taken"),
        }
    }

    #[test]
    fn image_is_exported_by_its_id() {
        for image in exported(Digest::of(CONFIG), |mut caller| caller.answer(200, &archive())) {
            assert_eq!(image.unwrap().config, CONFIG);
        }
    }

    #[test]
    fn export_that_is_cut_is_refused() {
        let cut = |mut caller: Caller| {
            caller.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n200\r\n");
            caller.send(&archive()[..512]);
            caller.send(b"\r\n");
        };
        for error in exported(Digest::of(CONFIG), cut).map(refused) {
            assert!(matches!(error, EngineError::Connection { .. }), "{error:?}");
        }
    }

    #[test]
    fn export_that_is_cut_behind_the_archive_is_refused() {
        let cut = |mut caller: Caller| {
            let archive = archive();
            let head = format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
                archive.len()
            );
            caller.send(head.as_bytes());
            caller.send(&archive);
            caller.send(b"\r\n");
        };
        for error in exported(Digest::of(CONFIG), cut).map(refused) {
            assert!(matches!(error, EngineError::Connection { .. }), "{error:?}");
        }
    }

    #[test]
    fn export_that_ends_early_is_refused() {
        let short = |mut caller: Caller| caller.answer(200, &archive()[..512 + 10]);
        for error in exported(Digest::of(CONFIG), short) {
            assert!(error.err().is_some_and(|error| error.medium::<ArchiveError>().is_some()));
        }
    }

    #[test]
    fn export_of_another_image_is_refused() {
        let wanted = Digest::of(b"another");
        for error in exported(wanted, |mut caller| caller.answer(200, &archive())).map(refused) {
            let is_told = matches!(error, EngineError::OtherImage { wanted: w, found }
                if w == wanted && found == Digest::of(CONFIG));
            assert!(is_told, "{error:?}");
        }
    }

    #[test]
    fn refusal_is_told_in_the_engines_words() {
        let refusal = |mut caller: Caller| {
            caller.answer(500, b"{\"message\":\"no \\u001b[1m space\"}");
        };
        for error in exported(Digest::of(CONFIG), refusal).map(refused) {
            let is_told = matches!(&error, EngineError::Refused { status: Some(500), said }
                if said == "no \u{fffd}[1m space");
            assert!(is_told, "{error:?}");
        }
    }

    #[test]
    fn image_that_is_not_there_is_told() {
        let fake = Fake::start(|request, mut caller| caller.classic(request, Digest::of(b""), &[]));
        let spool = Spool::in_folder(std::env::temp_dir());
        let error = fake
            .connect()
            .source(&"other:1".parse().unwrap(), ExportForm::AsTheyCome, &spool, &Quiet)
            .err();
        let error = error.as_ref().and_then(ReadError::medium);
        assert!(matches!(error, Some(EngineError::NoSuchImage { .. })));
    }

    #[test]
    fn bytes_of_an_export_are_counted() {
        use std::sync::Mutex;
        struct Counted(Arc<Mutex<(Option<u64>, u64, bool)>>);
        impl Progress for Counted {
            fn begin(&self, _: Stage, _: &str, bytes: Option<u64>) -> Box<dyn Meter> {
                self.0.lock().unwrap().0 = bytes;
                Box::new(Self(Arc::clone(&self.0)))
            }
            fn present(&self, _: &str) {}
        }
        impl Meter for Counted {
            fn advance(&self, bytes: u64) {
                self.0.lock().unwrap().1 += bytes;
            }
            fn done(self: Box<Self>) {
                self.0.lock().unwrap().2 = true;
            }
        }
        let id = Digest::of(CONFIG);
        let fake = Fake::start(move |request, mut caller| match request {
            get if get.ends_with("/get") => caller.answer(200, &archive()),
            other => caller.classic(other, id, &[]),
        });
        let compressor = Compressor::new(1, CompressionLevel::default());
        let packed = ExportForm::Packed {
            packing: Packing::gzip(&compressor),
            skipped: &Skipped::default(),
        };
        for form in [ExportForm::AsTheyCome, packed] {
            let counted = Counted(Arc::default());
            let spool = Spool::in_folder(std::env::temp_dir());
            fake.connect().source(&"app:1".parse().unwrap(), form, &spool, &counted).unwrap();
            assert_eq!(*counted.0.lock().unwrap(), (Some(5), archive().len() as u64, true));
        }
    }
}
