//! Keys of 32 bytes as text: Bech32 (BIP 173), with a name before the key.

use bech32::primitives::decode::CheckedHrpstring;
use bech32::primitives::iter::{ByteIterExt as _, Fe32IterExt as _};
use bech32::{Bech32, Hrp};

/// The name of identities, in lower case. Upper case is allowed as well, and usual.
pub(super) const IDENTITY: Hrp = Hrp::parse_unchecked("age-secret-key-");

/// The name of recipients.
pub(super) const RECIPIENT: Hrp = Hrp::parse_unchecked("age");

/// Decodes a key with this name.
pub(super) fn decode(text: &str, name: Hrp, key: &mut [u8; 32]) -> Option<()> {
    let checked = CheckedHrpstring::new::<Bech32>(text).ok()?;
    // 52 characters of five bits hold 32 bytes and four bits, which must be zero.
    let is_padded = checked.fe32_iter().last().is_some_and(|last| last.to_u8() & 0x0f == 0);
    let is_long = checked.data_part_ascii_no_checksum().len() == 52;
    if checked.hrp() != name || !is_long || !is_padded {
        return None;
    }
    key.iter_mut().zip(checked.byte_iter()).for_each(|(to, from)| *to = from);
    Some(())
}

/// Encodes a key under this name, in lower case, and calls `put` with each character.
pub(super) fn encode<E>(
    key: &[u8; 32],
    name: Hrp,
    mut put: impl FnMut(char) -> Result<(), E>,
) -> Result<(), E> {
    let mut characters = key.iter().copied().bytes_to_fes().with_checksum::<Bech32>(&name).chars();
    characters.try_for_each(&mut put)
}
