//! A session: the tools of every command.

use std::sync::Arc;
use std::thread;

use anyhow::Result;
use sealcrate_core::FileSession;
use sealcrate_crypt::select::Selection;
use sealcrate_image::{CompressionLevel, Compressor, Location, Progress, Runtime, Transfer};

use crate::args::{ImageName, RegistryArgs, SelectionArgs};
use crate::environment::cache::{Cache, Remembered};
use crate::environment::interrupt::Interrupt;
use crate::environment::places::{Places, variable};
use crate::keys::Ambient;
use crate::output::failure::Usage;
use crate::output::notices::{Teller, files};

/// The tools of commands that work on files alone.
pub(crate) struct Local {
    pub(crate) keys: Ambient,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) interrupt: Interrupt,
    /// The one runtime of the process.
    pub(crate) runtime: Runtime,
}

impl Local {
    /// Returns the tools of operations on files.
    pub(crate) fn files(&self) -> FileSession {
        FileSession { progress: self.progress.clone(), ..files(&self.interrupt) }
    }
}

/// The tools of commands that work on images.
pub(crate) struct Session {
    pub(crate) keys: Ambient,
    /// The one runtime of the process.
    pub(crate) runtime: Runtime,
    /// The tools of operations.
    pub(crate) core: sealcrate_core::Session,
}

impl Session {
    /// Puts a session together, as `args` say.
    pub(crate) fn new(
        local: Local,
        places: Places,
        args: &RegistryArgs,
        level: CompressionLevel,
    ) -> Self {
        let Local { keys, interrupt, progress, runtime } = local;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let transfer = Transfer {
            jobs: usize::from(args.jobs),
            compressor: Arc::new(Compressor::new(threads, level)),
            spool: places.spool().clone(),
            progress,
        };
        let cache = Cache::of(&variable);
        let memory = cache.map(|cache| Remembered { cache, interrupt: interrupt.clone() });
        let core = sealcrate_core::Session {
            places: Box::new(places),
            transfer,
            expansion: args.expansion(),
            memory: memory.map(|memory| Box::new(memory) as _),
            listener: Arc::new(Teller::new(interrupt)),
        };
        Self { keys, runtime, core }
    }

    /// Works out which layers the user chose; `None` if the user leaves the choice. `location` returns the
    /// location of a base image's name.
    pub(crate) fn selection(
        &self,
        args: &SelectionArgs,
        location: impl FnOnce(&ImageName) -> Location,
    ) -> Result<Option<Selection>> {
        Ok(match &args.base {
            _ if args.all_layers => Some(Selection::All),
            Some(base) => {
                let base = location(base);
                refuse_base_by_tag(&base)?;
                Some(Selection::Above(self.core.places.diff_ids(&base)?))
            }
            None if args.encrypt_layer.is_empty() => None,
            None => Some(Selection::Indices(args.encrypt_layer.clone())),
        })
    }
}

/// Refuses a base image that a registry names by a tag. Anybody who may write the tag would decide which layers
/// stay in clear.
fn refuse_base_by_tag(base: &Location) -> Result<()> {
    match base {
        Location::Registry(reference) if reference.digest().is_none() => {
            let text = format!(
                "--base {}: who may write the tag would decide what stays in clear; name the base by its \
                 digest, NAME@sha256:..., or an image of the engine or of a layout",
                reference.familiar()
            );
            Err(Usage(text).into())
        }
        _ => Ok(()),
    }
}
