//! Stanzas of a kind that nobody knows, which keep readers used to unknown kinds.

use std::vec::Vec;

use crate::random::{self, NoRandomness};
use crate::recipient::NewStanza;

/// The end of the kinds of such stanzas.
const SUFFIX: &str = "-grease";

/// The most arguments, the longest argument, and the longest body in bytes: a body has from none to
/// three lines.
const MAX_ARGUMENTS: u8 = 4;
const MAX_ARGUMENT: u8 = 8;
const MAX_BODY: u8 = 99;

/// Makes a stanza that is for nobody, of random form and content.
pub(crate) fn stanza() -> Result<NewStanza, NoRandomness> {
    let mut kind = argument()?;
    kind.extend_from_slice(SUFFIX.as_bytes());
    let arguments = (0..up_to(MAX_ARGUMENTS)?).map(|_| argument()).collect::<Result<_, _>>()?;
    let mut body = std::vec![0; usize::from(up_to(MAX_BODY)?)];
    random::fill(&mut body)?;
    Ok(NewStanza { kind, arguments, body })
}

/// Makes a text of one character or more. All characters are allowed in arguments.
fn argument() -> Result<Vec<u8>, NoRandomness> {
    let mut text = std::vec![0; usize::from(1 + up_to(MAX_ARGUMENT - 1)?)];
    random::fill(&mut text)?;
    text.iter_mut().for_each(|byte| *byte = b'!' + *byte % (b'~' - b'!' + 1));
    Ok(text)
}

/// Draws a number from 0 to `max`. The lower ones are a little more likely, which does no harm.
fn up_to(max: u8) -> Result<u8, NoRandomness> {
    let mut byte = [0];
    random::fill(&mut byte)?;
    Ok(byte[0] % (max + 1))
}
