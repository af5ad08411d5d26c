//! `keyprovider`: wraps and unwraps keys for other tools. It answers one request from standard input,
//! or runs as a service.

mod configured;
mod serve;
mod socket;
mod tls;
mod waiting;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use sealcrate_crypt::ocicrypt::provider::{MAX_REQUEST_BYTES, Request};
use sealcrate_image::Runtime;
use zeroize::Zeroizing;

use crate::args::KeyproviderArgs;
use crate::output::talk;
use configured::Configured;

const CANNOT_WRITE: &str = "cannot write the answer to standard output";

pub(crate) fn run(args: &KeyproviderArgs, runtime: Runtime) -> Result<()> {
    let configured = Configured::of(args, &runtime);
    match &args.serve {
        Some(address) => serve::run(address, args, configured, runtime),
        None => answer(&configured),
    }
}

fn answer(configured: &Configured) -> Result<()> {
    let answer = configured.answer(Request::parse(&read()?)?)?;
    let out = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    talk::note(answer.to_string());
    // The library's standard output would keep a copy of the answer.
    out.context(CANNOT_WRITE)?.write_all(&answer.json).context(CANNOT_WRITE)
}

fn read() -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_REQUEST_BYTES + 1));
    let input = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    input
        .and_then(|input| input.take(MAX_REQUEST_BYTES as u64 + 1).read_to_end(&mut bytes))
        .context("cannot read the request from standard input")?;
    Ok(bytes)
}
