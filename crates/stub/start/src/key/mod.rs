//! Finds the key, and unwraps the file key.

mod remote;
mod search;
mod terminal;

use sealcrate_agefile::passphrase::Passphrase;
use sealcrate_agefile::scrypt::{self, Block};
use sealcrate_agefile::{FileKey, Header, UnwrapError};
use sealcrate_packfile::{KeyOddity, KeyText, Parameters};

use self::search::Found;
use self::terminal::Terminal;
use crate::failure::Failure;
use crate::memory::{Limit, Pages, free_memory};
use crate::process::Start;

/// The memory that a derivation usually takes, in MiB. It takes more only if its work factor asks for more.
const KDF_MIB: u64 = 64;

/// The logarithm of the most blocks that are made again for each block that is kept. With more, a derivation
/// would take minutes or never end.
const MAX_LOG_STRIDE: u8 = 6;

/// The logarithm of the number of scrypt's blocks in a MiB.
const LOG_MIB: u8 = 10;

/// Finds the key and unwraps the file key of `header` with it.
pub fn file_key(
    start: &Start,
    parameters: &Parameters<'static>,
    header: &Header<'_>,
    limit: Limit,
) -> Result<FileKey, Failure> {
    if let Some(found) = search::search(start, parameters)? {
        return unwrap(&found, header, limit);
    }
    let no_key =
        Failure::NoKey { variable: parameters.variable(), file: parameters.start_key_file() };
    let Some(mut terminal) = Terminal::open() else { return Err(no_key) };
    if !terminal.is_in_foreground() {
        return Err(no_key);
    }
    terminal.show_banner(parameters.banner())?;
    if header.passphrase().is_none() {
        return remote::ask(&mut terminal, header);
    }
    let typed = terminal.ask_secret("Key: ")?;
    unwrap(&typed, header, limit)
}

/// Unwraps the file key with a key that was found.
fn unwrap(found: &Found, header: &Header<'_>, limit: Limit) -> Result<FileKey, Failure> {
    let place = found.place;
    let wrong_kind = |opened_by| Failure::WrongKind { place, opened_by };
    let failure = |error| match error {
        UnwrapError::NoMatch => Failure::WrongKey(place),
        _ => Failure::HeaderChanged,
    };
    match (found.parse()?, header.passphrase()) {
        (KeyText::Identities(identities), None) => {
            let mut results = identities.iter().map(|identity| header.unwrap(&identity));
            let mine = results.find(|result| !matches!(result, Err(UnwrapError::NoMatch)));
            mine.unwrap_or(Err(UnwrapError::NoMatch)).map_err(failure)
        }
        (KeyText::Passphrase(passphrase), Some(stanza)) => {
            let mut memory = kdf_memory(stanza, limit)?;
            let wrong = |error| match (error, KeyOddity::of_passphrase(passphrase)) {
                (UnwrapError::NoMatch, Some(oddity)) => Failure::WrongPassphrase { place, oddity },
                (error, _) => failure(error),
            };
            let file_key = stanza.unwrap(passphrase, &mut memory).map_err(wrong)?;
            header.check(&file_key).map_err(failure)?;
            Ok(file_key)
        }
        (KeyText::Identities(_), Some(_)) => Err(wrong_kind("a passphrase")),
        (KeyText::Passphrase(text), None) => Err(match KeyOddity::of_identity(text) {
            Some(oddity) => Failure::WrittenOtherwise { place, oddity },
            None => wrong_kind("an age identity"),
        }),
    }
}

/// Maps memory for the derivation: all that it can use, if there is so much.
///
/// Beyond the usual memory, it takes at most half of the memory that the control group allows and the machine
/// has free. A derivation in little memory is slow, and the kernel kills one that takes too much.
fn kdf_memory(stanza: &Passphrase, limit: Limit) -> Result<Pages<Block>, Failure> {
    let wanted = (1_u64 << stanza.log_n()) >> LOG_MIB;
    let mut mib = limit.room().map_or(KDF_MIB, |room| room.clamp(1, KDF_MIB));
    if wanted > mib && mib == KDF_MIB {
        let free = free_memory().unwrap_or_default();
        let half = limit.room().map_or(free, |room| room.min(free)) / 2;
        mib = half.clamp(KDF_MIB, wanted);
    }
    let log_blocks = LOG_MIB + mib.ilog2() as u8;
    let log_stride = stanza.log_n().saturating_sub(log_blocks);
    for log_stride in log_stride..=MAX_LOG_STRIDE.min(stanza.log_n()) {
        if let Ok(memory) = Pages::new(scrypt::blocks(stanza.log_n(), log_stride)) {
            return Ok(memory);
        }
    }
    Err(Failure::Memory("the key derivation"))
}
