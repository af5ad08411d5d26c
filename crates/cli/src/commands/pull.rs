//! `pull`: an image out of a registry, decrypted into the engine or elsewhere.

use anyhow::Result;
use sealcrate_core::{PullOptions, Written};
use sealcrate_image::{EngineName, Location, Reference};

use super::print_result;
use crate::args::PullArgs;
use crate::opening;
use crate::output::talk;
use crate::session::Session;

pub(crate) fn run(args: &PullArgs, session: &Session) -> Result<()> {
    let from = Location::Registry(args.name.clone());
    let to = args.to.clone().unwrap_or_else(|| engine_name(args));
    let mut keys =
        opening::keys(session.keys.given(&args.passphrase)?, &args.keys, &session.runtime)?;
    let options = PullOptions {
        from: &from,
        to: &to,
        ask: &opening::ask(session, &args.passphrase),
        terms: &opening::terms(&args.reading, &args.keys, &from),
        platform: args.reading.platform.as_ref(),
        attestations: args.reading.attestations(),
        publication: args.reading.publication(),
    };
    let written = sealcrate_core::pull(&session.core, &options, &mut keys)?;
    if let (true, Written::Image(..), Location::DockerDaemon(EngineName::Named(name))) =
        (keys.is_any(), &written, &to)
        && args.new_name.is_none()
    {
        let name = name.familiar();
        talk::note(format!("{name} is decrypted now: `docker push {name}` would publish it"));
    }
    print_result(args.output, &to, &written)
}

/// Returns the name in the engine: the one that the user asked for, or the public one. An image that is
/// pulled by digest alone has no name there but its ID.
fn engine_name(args: &PullArgs) -> Location {
    let name: &Reference = args.new_name.as_ref().unwrap_or(&args.name);
    Location::DockerDaemon(EngineName::Named(name.clone()))
}
