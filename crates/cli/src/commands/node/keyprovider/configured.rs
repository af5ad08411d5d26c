//! The keys of a key provider, and its answers to requests.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sealcrate_crypt::ocicrypt::provider::{
    Operation, Request, Subject, UnwrapError, UnwrapRequest, WrapRequest,
};
use sealcrate_image::Runtime;
use zeroize::Zeroizing;

use crate::args::{KeyproviderArgs, Typed};
use crate::keys;
use crate::keys::key_folder::KeyFolder;

/// Where identities are if no option names any, in a file or a folder.
const IDENTITIES: &str = "/etc/sealcrate/identities";

/// Where recipients are if no option names any, one on a line.
const RECIPIENTS: &str = "/etc/sealcrate/recipients";

/// The places of the keys. The provider reads the keys anew for each request, so that you can change them
/// while it runs.
#[derive(Clone)]
pub(super) struct Configured {
    identities: Vec<PathBuf>,
    recipients: Vec<Typed>,
    runtime: Runtime,
}

/// An answer, and its line for the log.
pub(super) struct Answer {
    /// The JSON, which may hold a key.
    pub(super) json: Zeroizing<Vec<u8>>,
    /// Which operation was done.
    pub(super) operation: Operation,
    /// The image that the unwrapped key belongs to.
    pub(super) subject: Subject,
}

impl fmt::Display for Answer {
    /// Writes the operation for a log. Of a key it names only the image.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operation {
            Operation::Wrap => f.write_str("wrapped a key"),
            Operation::Unwrap => write!(f, "unwrapped a key: {}", self.subject),
        }
    }
}

impl Configured {
    /// Takes the keys that the command line names, and else those in the usual places, if there are any.
    pub(super) fn of(args: &KeyproviderArgs, runtime: &Runtime) -> Self {
        let (identities, recipients) = (args.identity.clone(), args.recipient.clone());
        let mut configured = Self { identities, recipients, runtime: runtime.clone() };
        if configured.identities.is_empty() && Path::new(IDENTITIES).exists() {
            configured.identities.push(IDENTITIES.into());
        }
        if configured.recipients.is_empty() && Path::new(RECIPIENTS).exists() {
            configured.recipients.extend(RECIPIENTS.parse());
        }
        configured
    }

    /// Answers one request.
    pub(super) fn answer(&self, request: Request) -> Result<Answer> {
        let operation = request.operation();
        match request {
            Request::Wrap(request) => {
                let json = self.wrap(&request)?;
                Ok(Answer { json, operation, subject: Subject::Unknown })
            }
            Request::Unwrap(request) => self.unwrap(request),
        }
    }

    fn wrap(&self, request: &WrapRequest) -> Result<Zeroizing<Vec<u8>>> {
        let own = match request.names_recipients() {
            true => Vec::new(),
            false => keys::recipients(&self.recipients, &self.runtime)?,
        };
        Ok(request.answer(&own)?)
    }

    fn unwrap(&self, request: UnwrapRequest) -> Result<Answer> {
        let mut own = KeyFolder::default();
        for path in &self.identities {
            own.add(path)?;
        }
        match request.answer(&own.identities) {
            Ok(unwrapped) => Ok(Answer {
                json: unwrapped.answer,
                operation: Operation::Unwrap,
                subject: unwrapped.subject,
            }),
            Err(error @ (UnwrapError::NoIdentity | UnwrapError::WrongKey(_))) => {
                Err(error).with_context(|| self.looked_at(&own.unusable))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Says where it looked for identities, and which files there hold none.
    fn looked_at(&self, unusable: &[String]) -> String {
        let mut text = match &self.identities[..] {
            [] => format!("there is no {IDENTITIES}, and no --identity is given"),
            paths => {
                let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
                format!("with the identities in {}", paths.join(" and "))
            }
        };
        if let [first, others @ ..] = unusable {
            text.push_str(&format!(" (not usable: {first}"));
            if !others.is_empty() {
                text.push_str(&format!(", and {} more", others.len()));
            }
            text.push(')');
        }
        text
    }
}
