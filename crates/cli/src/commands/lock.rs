//! `lock`: from an image to one that opens itself when it starts.

mod deployment;
mod in_place;

use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};
use sealcrate_core::{LockOptions, Written, start_key_file};
use sealcrate_crypt::select::Selection;
use sealcrate_image::{Digest, EngineName, Location, Reference};
use sealcrate_lock::{Locked, Locker, PathRules, Privileges, Start, TreePath, UnlockOn};
use serde_json::json;

use self::deployment::{Deployment, LockedFor};
use super::{digested, name_beside, print, print_index, print_line};
use crate::args::LockArgs;
use crate::keys;
use crate::keys::openers::{Asking, openers, read_text};
use crate::output::failure::{Usage, boxed};
use crate::output::talk;
use crate::session::Session;

pub(crate) fn run(args: &LockArgs, session: &Session) -> Result<()> {
    let from = place(args.image.as_ref(), args.from.as_ref());
    let to = place(args.tag.as_ref(), args.to.as_ref());
    let banner = match &args.start.banner {
        Some(path) => read_text(path).context("cannot read the banner")?,
        None => Vec::new(),
    };
    let variable = &args.start.variable;
    let key_file = start_key_file(variable, args.start.start_key_file.as_deref());
    let key_file = key_file.as_os_str().as_bytes();
    let deployment = args.print.map(|form| Deployment::new(form, key_file, &to)).transpose()?;
    let openers = openers(&args.openers, Asking::LastOfAll, &session.keys)?;
    let chosen = session.selection(&args.selection, |base| name_beside(base, &from))?;
    let earlier: Vec<_> = args.cache_from.iter().map(|name| name_beside(name, &to)).collect();
    let identities = args.identity.as_deref().map(keys::key_in).transpose()?;
    let options = LockOptions {
        from: &from,
        to: &to,
        platform: args.platform.as_ref(),
        selection: &chosen.unwrap_or(Selection::Label),
        locker: Locker {
            start: Start { variable, key_file, banner: &banner },
            protection: &openers,
            rules: rules(args)?,
            dropped_volumes: paths(&args.paths.drop_volume)?,
            unlock_on: match args.start.allow_disk {
                true => UnlockOn::AnyFileSystem,
                false => UnlockOn::Memory,
            },
            spool: session.core.spool(),
            progress: &*session.core.transfer.progress,
        },
        earlier: &earlier,
        identities: identities.as_ref(),
        exposure: args.exposure(),
    };
    let (mut unlocked_bytes, mut all) = (0, None);
    let written = sealcrate_core::lock(&session.core, &options, &mut |locked| {
        tell(locked);
        unlocked_bytes = locked.unlocked_bytes;
        let one = LockedFor::of(&locked.image, &locked.needs, args.headroom).map_err(boxed)?;
        all = Some(all.take().map_or(one, |all: LockedFor| all.or(one)));
        Ok(())
    })?;
    let all = all.context("the index has no image")?;
    if let Some(deployment) = deployment {
        return print_line(&deployment.text(&to, digest_at(&to, &written), &all));
    }
    let Written::Image(descriptor, image) = &written else {
        return print_index(args.output, &to, written.descriptor());
    };
    let start = match &to {
        Location::Registry(reference) => digested(reference, descriptor),
        _ => digest_at(&to, &written).to_string(),
    };
    let object = json!({
        "reference": to.to_string(),
        "start": start,
        "config": image.id(),
        "unlockedBytes": unlocked_bytes,
    });
    print(args.output, &start, &object)
}

/// Returns the digest that names the written image: in an engine, the config's digest.
fn digest_at(to: &Location, written: &Written) -> Digest {
    match (to, written) {
        (Location::DockerDaemon(_), Written::Image(_, image)) => image.id(),
        _ => written.descriptor().digest,
    }
}

/// Tells what a locked image lacks.
fn tell(locked: &Locked) {
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

fn rules(args: &LockArgs) -> Result<PathRules> {
    Ok(PathRules {
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
