//! `decoder`: decrypts one layer for containerd, as a stream processor. It reads standard input, and
//! writes nothing to standard output before it has verified the whole input.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use sealcrate_crypt::ocicrypt::{DecryptError, Identity, LayerKey, MAX_PAYLOAD_BYTES, Payload};
use sealcrate_image::{Content, Runtime, Spool};
use zeroize::Zeroizing;

use crate::args::DecoderArgs;
use crate::keys::key_folder::KeyFolder;
use crate::keys::key_providers;
use crate::output::failure::{NoLayerKey, NoPayload};

/// Where containerd puts the payload.
const PAYLOAD: &str = "/proc/self/fd/3";

const CHUNK: usize = 256 << 10;

const CANNOT_WRITE: &str = "cannot write the layer to standard output";

/// Opens the payload, if there is one. It must run before any other file is opened, which would get the
/// same number.
pub(crate) fn open_payload() -> Option<File> {
    File::open(PAYLOAD).ok()
}

pub(crate) fn run(args: &DecoderArgs, payload: Option<File>, runtime: &Runtime) -> Result<()> {
    let payload = read(payload.ok_or(NoPayload)?)?;
    let mut identities = payload.identities;
    let mut unusable = Vec::new();
    if let Some(folder) = &args.decryption_keys_path {
        let keys = KeyFolder::read(folder)?;
        identities.extend(keys.identities);
        unusable = keys.unusable;
    }
    let count = identities.len();
    identities.extend(key_providers::all(runtime)?.into_iter().map(Identity::provider));
    let key = LayerKey::unwrap(&payload.descriptor, &identities).map_err(|error| match error {
        DecryptError::WrongKey => {
            let layer = payload.descriptor.digest.short();
            let folder = args.decryption_keys_path.clone();
            NoLayerKey { layer, count, folder, unusable }.into()
        }
        other => anyhow::Error::from(other),
    })?;
    let spool = Spool::in_folder(std::env::temp_dir());
    let mut plain = key
        .decrypt(Arc::new(StandardInput), &spool)
        .context("cannot read the layer from standard input")?;
    let out = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    write(&mut plain, out.context(CANNOT_WRITE)?)
}

fn read(file: File) -> Result<Payload> {
    // The number may belong to another file: a terminal, or one that a shell left open.
    let kind = file.metadata().map_err(|_| NoPayload)?.file_type();
    let mut bytes = Zeroizing::new(Vec::new());
    if kind.is_file() || kind.is_fifo() {
        file.take(MAX_PAYLOAD_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .context("cannot read the payload from descriptor 3")?;
    }
    if bytes.is_empty() {
        return Err(NoPayload.into());
    }
    Payload::parse(&bytes).context("cannot use the payload on descriptor 3")
}

/// Writes without the library's standard output, which looks for line ends.
fn write(plain: &mut dyn Read, mut out: File) -> Result<()> {
    let mut chunk = Zeroizing::new(vec![0; CHUNK]);
    loop {
        let count = plain.read(&mut chunk).context("cannot decrypt the layer")?;
        if count == 0 {
            return Ok(());
        }
        out.write_all(&chunk[..count]).context(CANNOT_WRITE)?;
    }
}

/// Lets the end of standard output come after the end of this program, which is about to fail.
///
/// containerd looks for a failure when it has read the output to its end. It may read so fast that it does
/// not notice in time that the program ended. Then it takes the layer for an empty one, and tells the
/// operator of a wrong diff ID instead of the real error. Another process keeps the pipe open until it
/// notices.
pub(crate) fn outlive() {
    let Ok(out) = io::stdout().as_fd().try_clone_to_owned().map(File::from) else { return };
    if out.metadata().is_ok_and(|out| out.file_type().is_fifo()) {
        // Without that process, containerd may show the wrong reason; the failure stays one.
        let _ = Command::new("/proc/self/exe")
            .arg("linger")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::null())
            .spawn();
    }
}

/// Waits as long as it may take containerd to notice that a program ended.
pub(crate) fn linger() {
    thread::sleep(Duration::from_millis(500));
}

/// The bytes of standard input. They can be read once.
struct StandardInput;

impl Content for StandardInput {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::stdin()))
    }
}
