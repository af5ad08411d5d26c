//! `lock`: from an image to one that opens itself when it starts.

use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};
use sealcrate_crypt::select::choose;
use sealcrate_image::{Artifact, EngineName, Image, Location, Prefetch, Reference};
use sealcrate_lock::{Locker, Privileges, Rules, Start, TreePath, UnlockOn};
use serde_json::json;

use super::pack::{self, Asking};
use super::{digested, name_beside, print};
use crate::args::{LockArgs, Output};
use crate::failure::Usage;
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
    let source = session.source(&from, &to)?;
    let image = Artifact::read(&source)?.into_image(&source, args.platform.as_ref())?;
    let selection = session.selection(&args.selection, |base| name_beside(base, &from))?;
    let private = choose(&image, &selection)?;
    let locked = locker.lock(&image, &private).with_context(|| format!("cannot lock {from}"))?;
    for problem in &locked.left_out {
        talk::warn(format!("{problem}: it is left out"));
    }
    let written = write(session, &locked.image, &to)?;
    print_started(args.output, &to, &written, locked.unlocked_bytes)
}

/// Takes a name for one in the engine, where no location is given.
pub(super) fn place(name: Option<&Reference>, location: Option<&Location>) -> Location {
    match (location, name) {
        (Some(location), _) => location.clone(),
        (None, Some(name)) => Location::DockerDaemon(EngineName::Named(name.clone())),
        (None, None) => unreachable!("clap requires one of them"),
    }
}

/// What was written: how it is started, and its config.
pub(super) struct Written {
    pub(super) name: String,
    pub(super) image: Image,
}

/// Writes an image, and returns what names it by digest.
pub(super) fn write(session: &Session, image: &Image, to: &Location) -> Result<Written> {
    let sink = session.places.sink(to)?;
    let image = session.put_plain(image, Prefetch::default(), &*sink)?;
    let descriptor = session.commit(&image, &*sink)?;
    let name = match to {
        Location::Registry(reference) => digested(reference, &descriptor),
        Location::DockerDaemon(_) => image.id().to_string(),
        _ => descriptor.digest.to_string(),
    };
    Ok(Written { name, image })
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
        privileges: if args.force { Privileges::LeaveOut } else { Privileges::Refuse },
    })
}

fn paths(texts: &[String]) -> Result<Vec<TreePath>> {
    let parsed = texts.iter().map(|text| {
        TreePath::parse(text.as_bytes()).map_err(|error| Usage(error.to_string()).into())
    });
    parsed.collect()
}
