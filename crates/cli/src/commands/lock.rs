//! `lock`: from an image to one that opens itself when it starts.

mod cache;
mod deployment;
mod in_place;

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use anyhow::{Context, Result};
use sealcrate_crypt::formats::choose;
use sealcrate_image::{
    Artifact, Config, Descriptor, Digest, EngineName, Image, Index, Location, Outgoing, Platform,
    Prefetch, Reference, Source,
};
use sealcrate_lock::{Locked, Locker, Privileges, Rules, Start, TreePath, UnlockOn};
use serde_json::json;

use self::cache::Cache;
use self::deployment::{Deployment, LockedFor};
use super::children;
use super::pack::{self, Asking};
use super::{digested, name_beside, print, print_index, print_line};
use crate::args::{Attestations, LockArgs, Output};
use crate::failure::Usage;
use crate::private::Private;
use crate::session::Session;
use crate::talk;

pub(crate) fn run(args: &LockArgs, session: &Session) -> Result<()> {
    let from = place(args.image.as_ref(), args.from.as_ref());
    let to = place(args.tag.as_ref(), args.to.as_ref());
    let banner = match &args.start.banner {
        Some(path) => pack::read_text(path).context("cannot read the banner")?,
        None => Vec::new(),
    };
    let variable = &args.start.variable;
    let key_file = pack::start_key_file(variable, args.start.start_key_file.as_deref());
    let key_file = key_file.as_os_str().as_bytes();
    let deployment = args.print.map(|form| Deployment::new(form, key_file, &to)).transpose()?;
    let protection = pack::protection(&args.openers, Asking::LastOfAll, &session.keys)?;
    let locker = Locker {
        start: Start { variable, key_file, banner: &banner },
        protection: &protection,
        rules: rules(args)?,
        dropped_volumes: paths(&args.paths.drop_volume)?,
        unlock_on: if args.start.allow_disk { UnlockOn::AnyFileSystem } else { UnlockOn::Memory },
        spool: session.places.spool(),
        progress: &**session.places.progress(),
    };
    let cache = Cache::new(args, &to, &protection, session)?;
    let source = session.source(&from, &to)?;
    let locking = Locking { args, session, locker, cache, from: &from, to: &to };
    let artifact = Artifact::read(&source)?;
    if let Some(index) = children::whole(&artifact, args.platform.as_ref(), &to) {
        let (written, locked) = locking.index(&source, index, &to)?;
        return match deployment {
            Some(deployment) => print_line(&deployment.text(&to, written.digest, &locked)),
            None => print_index(args.output, &to, &written),
        };
    }
    let image = artifact.into_image(&source, args.platform.as_ref())?;
    let locked = locking.lock(&image)?;
    let locked_for = LockedFor::of(&locked.image, &locked.needs, args.headroom)?;
    let written = write(session, &locked.image, &to)?;
    match deployment {
        Some(deployment) => print_line(&deployment.text(&to, written.digest, &locked_for)),
        None => print_started(args.output, &to, &written, locked.unlocked_bytes),
    }
}

/// Locks images, as the command line says.
struct Locking<'a> {
    args: &'a LockArgs,
    session: &'a Session,
    locker: Locker<'a>,
    cache: Cache<'a>,
    from: &'a Location,
    to: &'a Location,
}

impl Locking<'_> {
    /// Locks an image, and tells what was left out.
    fn lock(&self, image: &Image) -> Result<Locked> {
        let image = &self.session.bounded(image.clone());
        let selection =
            self.session.selection(&self.args.selection, |base| name_beside(base, self.from))?;
        let private = choose(image, &selection)?.places().clone();
        self.refuse_to_expose(image, &private)?;
        let reusable = self.cache.reusable(image, &private)?;
        let locked = self
            .locker
            .lock(image, &private, &reusable)
            .with_context(|| format!("cannot lock {}", self.from))?;
        for problem in &locked.left_out {
            talk::warn(format!("{problem}: it is left out"));
        }
        for path in &locked.unchecked {
            talk::warn(format!("{path} is not checked at the start: that would take too long"));
        }
        in_place::warn(&locked.single_links);
        if let Some(told) = crowded(&locked.crowded) {
            talk::warn(told);
        }
        Ok(locked)
    }

    /// Refuses to push a layer in clear that is known to be private; `private` are the places of the layers that
    /// are encrypted.
    fn refuse_to_expose(&self, image: &Image, private: &BTreeSet<usize>) -> Result<()> {
        let encrypts = |place| private.contains(&place);
        let Location::Registry(target) = self.to else { return Ok(()) };
        if self.args.allow_exposing || (0..image.layers.len()).all(encrypts) {
            return Ok(());
        }
        let platform = Config::parse(&image.config)?.platform();
        let known = Private::known(self.session, Some(target), platform.as_ref(), None)?;
        known.refuse_to_expose(image, encrypts)
    }

    /// Locks every image of an index into `to`.
    fn index(
        &self,
        source: &Arc<dyn Source>,
        index: &Index,
        to: &Location,
    ) -> Result<(Descriptor, LockedFor)> {
        if self.args.selection.base.is_some() {
            let text = "--base names the image of one platform: choose it with --platform";
            return Err(Usage(text.to_owned()).into());
        }
        let session = self.session;
        let sink = session.places.sink(to)?;
        let mut all: Option<LockedFor> = None;
        let lock = |image: Image| {
            let platform = Config::parse(&image.config)?.platform();
            let of_platform = || platform.as_ref().map_or_else(String::new, Platform::to_string);
            let locked = self.lock(&image).with_context(of_platform)?;
            let one = LockedFor::of(&locked.image, &locked.needs, self.args.headroom)?;
            all = Some(all.map_or(one, |all| all.or(one)));
            session.put_plain(&locked.image, Prefetch::default(), &*sink)
        };
        let index = children::put(session, source, index, &*sink, Attestations::Drop, lock)?;
        let written = session.interrupt.hold(|| sink.commit_index(&index.to_raw()))?;
        Ok((written, all.context("the index has no image")?))
    }
}

/// How many folders are named in a warning.
const NAMED: usize = 5;

/// Tells of folders in which private programs do not find the clear files beside them.
fn crowded(folders: &[TreePath]) -> Option<String> {
    let mut named: Vec<_> = folders.iter().take(NAMED).map(ToString::to_string).collect();
    if folders.len() > NAMED {
        named.push(format!("and {} more", folders.len() - NAMED));
    }
    (!named.is_empty()).then(|| {
        format!(
            "too many clear files beside private ones in {}: a private program there does not find \
             them by its real path or by `..`",
            named.join(", ")
        )
    })
}

/// Takes a name for one in the engine, where no location is given.
pub(super) fn place(name: Option<&Reference>, location: Option<&Location>) -> Location {
    match (location, name) {
        (Some(location), _) => location.clone(),
        (None, Some(name)) => Location::DockerDaemon(EngineName::Named(name.clone())),
        (None, None) => unreachable!("clap requires one of them"),
    }
}

/// What was written: how it is started, by which digest, and its config.
pub(super) struct Written {
    pub(super) name: String,
    pub(super) digest: Digest,
    pub(super) image: Outgoing,
}

/// Writes an image, and returns what names it by digest.
pub(super) fn write(session: &Session, image: &Outgoing, to: &Location) -> Result<Written> {
    let sink = session.places.sink(to)?;
    let image = session.put_plain(image, Prefetch::default(), &*sink)?;
    let descriptor = session.commit(&image, &*sink)?;
    let digest = match to {
        Location::DockerDaemon(_) => image.id(),
        _ => descriptor.digest,
    };
    let name = match to {
        Location::Registry(reference) => digested(reference, &descriptor),
        _ => digest.to_string(),
    };
    Ok(Written { name, digest, image })
}

fn print_started(
    output: Output,
    to: &Location,
    written: &Written,
    unlocked_bytes: u64,
) -> Result<()> {
    let object = json!({
        "reference": to.to_string(),
        "start": written.name,
        "config": written.image.id(),
        "unlockedBytes": unlocked_bytes,
    });
    print(output, &written.name, &object)
}

fn rules(args: &LockArgs) -> Result<Rules> {
    Ok(Rules {
        volumes: Vec::new(),
        mountpoints: paths(&args.paths.mountpoint)?,
        public: paths(&args.paths.public)?,
        unchecked: paths(&args.paths.unchecked)?,
        whole: paths(&args.paths.whole)?,
        privileges: if args.force { Privileges::LeaveOut } else { Privileges::Refuse },
    })
}

fn paths(texts: &[String]) -> Result<Vec<TreePath>> {
    let parsed = texts.iter().map(|text| {
        TreePath::parse(text.as_bytes()).map_err(|error| Usage(error.to_string()).into())
    });
    parsed.collect()
}
