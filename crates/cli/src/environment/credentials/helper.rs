//! Docker's credential helpers: programs that keep credentials in the system's own stores.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Stdio;

use sealcrate_image::registry::Credential;
use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::basic::basic;
use crate::environment::programs;

/// The longest answer of a helper that is read.
const MAX_HELPER_ANSWER: u64 = 256 << 10;

/// The answer of a helper.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// Asks the helper `name` about `server`. Returns `None` if it has no credential for it.
///
/// Docker's "docker-credential-helpers": the server goes in, JSON or an error's text comes out.
///
/// # Errors
/// The helper cannot be run, fails, or gives an answer that makes no sense. No error contains its
/// output.
pub(super) fn ask(name: &str, server: &str, path: &OsStr) -> io::Result<Option<Credential>> {
    if name.contains('/') {
        return Err(io::Error::other("its name has a slash"));
    }
    let mut child = programs::command(Path::new(&format!("docker-credential-{name}")), path)?
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut answer = Zeroizing::new(Vec::new());
    let talk = || -> io::Result<()> {
        let mut input = child.stdin.take().expect("it is piped");
        match input.write_all(format!("{server}\n").as_bytes()) {
            // A helper may end without reading its input.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
        drop(input);
        let output = child.stdout.take().expect("it is piped");
        output.take(MAX_HELPER_ANSWER).read_to_end(&mut answer)?;
        Ok(())
    };
    let talked = { talk }();
    // Output beyond the limit meets a closed pipe, so that the helper ends.
    let status = child.wait()?;
    talked?;
    if !status.success() {
        let text = String::from_utf8_lossy(&answer);
        if text.contains("credentials not found") {
            return Ok(None);
        }
        return Err(io::Error::other(format!("it ended with {status}")));
    }
    let answer: HelperAnswer =
        serde_json::from_slice(&answer).map_err(|_| io::Error::other("its answer is malformed"))?;
    Ok(match (answer.username.as_str(), answer.secret.as_str()) {
        (_, "") => None,
        ("<token>", token) => Some(Credential::IdentityToken(Zeroizing::new(token.to_owned()))),
        (username, password) => Some(basic(username, password)),
    })
}
