//! Exports: an image on its way out of the engine, into an unnamed file.

use std::io::Write as _;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use tracing::debug;

use crate::archive::DockerArchive;
use crate::{EngineName, Manifest, Progress, ReadError, Source as _, Spool, Stage};

use super::EngineError;
use super::client::{Client, Inspected, Store};

/// Exports the image that `name` names.
pub(super) fn export(
    client: &Client,
    name: &EngineName,
    spool: &Spool,
    progress: &dyn Progress,
) -> Result<DockerArchive, ReadError> {
    let image = client
        .inspect(&name.to_string())?
        .ok_or_else(|| EngineError::NoSuchImage { name: name.clone() })?;
    let store = client.store()?;
    // By its ID it is the image that was looked at, whatever becomes of the name. In other stores
    // the ID may be that of an index, and the size that of compressed layers.
    let (asked, size) = match (store, image.digest()) {
        (Store::Classic, Some(id)) => (id.to_string(), image.size),
        _ => (name.to_string(), None),
    };
    let meter = progress.begin(Stage::Export, &name.to_string(), size);
    let mut file = spool.file()?;
    let docker = client.unlimited();
    debug!("GET /images/{asked}/get");
    let mut parts = pin!(docker.export_image(&asked));
    while let Some(part) = client.runtime().block_on(parts.next()) {
        let part = part.map_err(|error| EngineError::new(client.endpoint(), error))?;
        file.write_all(&part)?;
        meter.advance(part.len() as u64);
    }
    let archive = DockerArchive::open(Arc::new(file), None)?;
    if store == Store::Classic {
        check(&archive, &image)?;
    }
    meter.done();
    Ok(archive)
}

/// Checks that the archive holds the image that the engine named.
fn check(archive: &DockerArchive, image: &Inspected) -> Result<(), ReadError> {
    let found = Manifest::parse(&archive.root()?)?.config.digest;
    match image.digest() {
        Some(wanted) if wanted != found => Err(EngineError::OtherImage { wanted, found }.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::DockerArchiveWriter;
    use crate::engine::fake::{Caller, Fake, soon};
    use crate::{Artifact, Digest, Image, Quiet};

    const CONFIG: &[u8] = br#"{"rootfs":{"type":"layers","diff_ids":[]}}"#;

    fn archive() -> Vec<u8> {
        let image = Image { manifest: None, config: CONFIG.to_vec(), layers: Vec::new() };
        DockerArchiveWriter::new(Vec::new()).finish(&image, &[]).unwrap()
    }

    /// Exports `app:1` of an engine that says its ID is `id`.
    fn exported(
        id: Digest,
        answer: impl Fn(Caller) + Send + Sync + 'static,
    ) -> Result<Image, ReadError> {
        let asked = format!("GET /images/{id}/get");
        let fake = Fake::start(move |request, mut caller| {
            if request == asked { answer(caller) } else { caller.classic(request, id, &[]) }
        });
        let engine = fake.connect();
        soon(move || {
            let spool = Spool::in_folder(std::env::temp_dir());
            let source = engine.source(&"app:1".parse().unwrap(), &spool, &Quiet)?;
            Artifact::read(&source)?.into_image(&source, None)
        })
    }

    fn refused(error: Result<Image, ReadError>) -> EngineError {
        match error {
            Err(ReadError::Engine(error)) => error,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("the export was taken"),
        }
    }

    #[test]
    fn image_is_exported_by_its_id() {
        let image = exported(Digest::of(CONFIG), |mut caller| caller.answer(200, &archive()));
        assert_eq!(image.unwrap().config, CONFIG);
    }

    #[test]
    fn export_that_is_cut_is_refused() {
        let cut = |mut caller: Caller| {
            caller.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n200\r\n");
            caller.send(&archive()[..512]);
            caller.send(b"\r\n");
        };
        let error = refused(exported(Digest::of(CONFIG), cut));
        assert!(matches!(error, EngineError::Connection { .. }), "{error:?}");
    }

    #[test]
    fn export_that_ends_early_is_refused() {
        let short = |mut caller: Caller| caller.answer(200, &archive()[..512 + 10]);
        let error = exported(Digest::of(CONFIG), short);
        assert!(matches!(error, Err(ReadError::Archive(_))));
    }

    #[test]
    fn export_of_another_image_is_refused() {
        let wanted = Digest::of(b"another");
        let error = refused(exported(wanted, |mut caller| caller.answer(200, &archive())));
        let is_told = matches!(error, EngineError::OtherImage { wanted: w, found }
            if w == wanted && found == Digest::of(CONFIG));
        assert!(is_told, "{error:?}");
    }

    #[test]
    fn refusal_is_told_in_the_engines_words() {
        let error = refused(exported(Digest::of(CONFIG), |mut caller| {
            caller.answer(500, b"{\"message\":\"no \\u001b[1m space\"}");
        }));
        let is_told = matches!(&error, EngineError::Refused { status: Some(500), said }
            if said == "no [1m space");
        assert!(is_told, "{error:?}");
    }

    #[test]
    fn image_that_is_not_there_is_told() {
        let fake = Fake::start(|request, mut caller| caller.classic(request, Digest::of(b""), &[]));
        let spool = Spool::in_folder(std::env::temp_dir());
        let error = fake.connect().source(&"other:1".parse().unwrap(), &spool, &Quiet).err();
        assert!(matches!(error, Some(ReadError::Engine(EngineError::NoSuchImage { .. }))));
    }

    #[test]
    fn bytes_of_an_export_are_counted() {
        use std::sync::Mutex;
        struct Counted(Arc<Mutex<(Option<u64>, u64, bool)>>);
        impl Progress for Counted {
            fn begin(&self, _: Stage, _: &str, bytes: Option<u64>) -> Box<dyn crate::Meter> {
                self.0.lock().unwrap().0 = bytes;
                Box::new(Self(Arc::clone(&self.0)))
            }
            fn present(&self, _: &str) {}
        }
        impl crate::Meter for Counted {
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
        let counted = Counted(Arc::default());
        let spool = Spool::in_folder(std::env::temp_dir());
        fake.connect().source(&"app:1".parse().unwrap(), &spool, &counted).unwrap();
        assert_eq!(*counted.0.lock().unwrap(), (Some(5), archive().len() as u64, true));
    }
}
