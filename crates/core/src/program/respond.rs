//! `respond`: the response to the challenge of a program that was started without its key.

use std::fmt;
use std::path::PathBuf;

use sealcrate_crypt::formats::recognise;
use sealcrate_image::engine::ExportForm;
use sealcrate_image::{Artifact, Config, Location, Platform};
use sealcrate_lock::is_locked;
use sealcrate_pack::{AnswerError, Finding, Key, Origin, Packed, Question, find_program};

use super::error::RespondError;
use super::open;
use crate::Result;
use crate::listener::{Notice, Starter};
use crate::session::Session;

/// The options of a response.
#[derive(Clone, Copy)]
pub struct RespondOptions<'a> {
    /// The challenge. It comes from a terminal, so that white space in it does not count.
    pub challenge: &'a str,
    /// The place of the program that asks. No other program gets a response.
    pub program: &'a ProgramLocation,
    /// The platform of the image in an index.
    pub platform: Option<&'a Platform>,
    /// The key that opens the program.
    pub key: &'a Key,
}

/// The place of a packed program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramLocation {
    /// It is this file.
    File(PathBuf),
    /// It is somewhere in this image. The index of a locked image counts as a program.
    Image(Location),
}

impl fmt::Display for ProgramLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Image(location) => location.fmt(f),
        }
    }
}

/// The response to a challenge. It opens one program, and only the start that asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responded {
    /// The response, which the waiting program takes.
    pub response: String,
    /// The fingerprint of the challenge. People compare it with the fingerprint that the program shows.
    pub fingerprint: String,
}

/// Makes the response to a challenge, if the named program asks.
///
/// # Errors
/// The text is no challenge; the program asks for another key, or cannot be found or read; the key does
/// not open it.
///
/// # Example
/// ```
/// use sealcrate_core::{Direct, ProgramLocation, RespondOptions, Session, respond};
/// use sealcrate_image::Spool;
/// use sealcrate_image::registry::Access;
/// use sealcrate_pack::Key;
/// # use sealcrate_agefile::{Header, X25519Key};
/// # use sealcrate_core::{Existing, FileSession, PackOptions, pack};
/// # use sealcrate_lock::{Privileges, Start};
/// # use sealcrate_pack::{Compression, NewIdentity, Openers, Packed};
/// # use sealcrate_packfile::challenge;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let program = folder.path().join("program");
/// # std::fs::write(&program, sealcrate_pack::stubs()[0].bytes)?;
/// # let packed = folder.path().join("packed");
/// # let identity = NewIdentity::generate()?;
/// # pack(&FileSession::new(), &PackOptions {
/// #     program: &program,
/// #     to: &packed,
/// #     existing: Existing::Keep,
/// #     privileges: Privileges::Refuse,
/// #     start: Start { variable: "BP", key_file: b"/run/secrets/bp", banner: b"" },
/// #     folder: None,
/// #     compression: Compression::Lz4,
/// #     openers: &|| Ok(Openers::recipients(vec![identity.recipient.clone()])?),
/// # })?;
/// # // The stub asks so when it finds no key.
/// # let header = Packed::read(&std::fs::File::open(&packed)?)?.header().to_vec();
/// # let mut line = vec![0; challenge::line_len(header.len())];
/// # let asking = X25519Key::new([7; 32]).public();
/// # let challenge = challenge::write(&asking, &Header::parse(&header).unwrap(), &mut line);
/// let spool = Spool::in_folder(std::env::temp_dir());
/// let session = Session::new(Direct::new(spool.clone(), |_| Access::default()), spool);
/// let responded = respond(&session, &RespondOptions {
///     challenge,
///     program: &ProgramLocation::File(packed),
///     platform: None,
///     key: &Key::parse(identity.secret.as_bytes().to_vec().into())?,
/// })?;
/// println!("{}\n{}", responded.fingerprint, responded.response);
/// # Ok(())
/// # }
/// ```
pub fn respond(session: &Session, options: &RespondOptions<'_>) -> Result<Responded> {
    let question = Question::parse(options.challenge).map_err(RespondError::Challenge)?;
    let (header, unknown) = match options.program {
        ProgramLocation::File(path) => {
            let unreadable = |source| RespondError::Packed { path: path.to_owned(), source };
            let packed = Packed::read(&open(path)?).map_err(unreadable)?;
            let unknown = (packed.stub() == Origin::Unknown).then_some(Starter::Stub);
            (packed.header().to_vec(), unknown)
        }
        ProgramLocation::Image(location) => {
            let unknown = search(session, &question, location, options.platform)?;
            (question.header(), unknown)
        }
    };
    let location = options.program.to_string();
    let response = question
        .answer(&header, options.key)
        .map_err(|source| RespondError::Answer { location: location.clone(), source })?;
    if let Some(starter) = unknown {
        session.notice(Notice::UnknownStarter { starter, location });
    }
    Ok(Responded { response, fingerprint: question.fingerprint() })
}

/// Looks through the layers of an image for the program that asks. Returns the program that runs first in
/// it, if that is not of this build.
fn search(
    session: &Session,
    question: &Question,
    location: &Location,
    platform: Option<&Platform>,
) -> Result<Option<Starter>> {
    let source = session.places.source(location, ExportForm::AsTheyCome)?;
    let image = session.bounded(Artifact::read(&source)?.into_image(&source, platform)?);
    let encrypted = recognise(&image)?;
    let header = question.header();
    // The uppermost layers are private most often.
    for (place, layer) in image.layers.iter().enumerate().rev() {
        if encrypted.as_ref().is_some_and(|encrypted| encrypted.has_layer(place)) {
            session.notice(Notice::LayerNotSearched(layer.name()));
            continue;
        }
        let reader = layer.unpack(layer.open_stored()?)?;
        let found = find_program(reader, &header)
            .map_err(|source| RespondError::Layer { layer: layer.name(), source })?;
        if let Some(finding) = found {
            // The layer that `lock` writes is the last one. Another one above it can put anything in its place.
            let is_last = place + 1 == image.layers.len();
            let config = Config::parse(&image.config).ok();
            let runs_init = is_last && config.is_some_and(|it| is_locked(&it));
            return Ok(match finding {
                Finding::Index { .. } if !runs_init => Some(Starter::Init),
                finding => unknown_starter(finding),
            });
        }
    }
    Err(RespondError::NotFound(location.to_string(), AnswerError::OtherProgram).into())
}

/// Returns the program that runs first where `finding` was found, if it is not of this build.
fn unknown_starter(finding: Finding) -> Option<Starter> {
    match finding {
        Finding::Index { init: Origin::ThisBuild }
        | Finding::Program { stub: Origin::ThisBuild } => None,
        Finding::Index { init: Origin::Unknown } => Some(Starter::Init),
        Finding::Program { stub: Origin::Unknown } => Some(Starter::Stub),
    }
}
