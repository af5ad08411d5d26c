//! Packets, into which OpenPGP cuts bytes, and the numbers in them. RFC 4880, section 4 (RFC 9580
//! says the same).
//!
//! The reader works in memory alone, and trusts no length beyond the bytes that are there.

use std::ops::Deref;

use zeroize::Zeroizing;

pub(crate) const PUBLIC_KEY_SESSION_KEY: u8 = 1;
pub(crate) const SIGNATURE: u8 = 2;
pub(crate) const PASSWORD_SESSION_KEY: u8 = 3;
pub(crate) const SECRET_KEY: u8 = 5;
pub(crate) const PUBLIC_KEY: u8 = 6;
pub(crate) const SECRET_SUBKEY: u8 = 7;
pub(crate) const COMPRESSED: u8 = 8;
pub(crate) const ENCRYPTED_WITHOUT_INTEGRITY: u8 = 9;
pub(crate) const MARKER: u8 = 10;
pub(crate) const LITERAL: u8 = 11;
pub(crate) const USER_ID: u8 = 13;
pub(crate) const PUBLIC_SUBKEY: u8 = 14;
pub(crate) const USER_ATTRIBUTE: u8 = 17;
pub(crate) const ENCRYPTED: u8 = 18;
/// The tag of an earlier draft. GnuPG 2.3 and later write it to keys that ask for it.
pub(crate) const ENCRYPTED_BY_OCB: u8 = 20;

/// A packet.
pub(crate) struct Packet<'d> {
    pub(crate) tag: u8,
    pub(crate) body: Body<'d>,
}

/// The content of a packet, which may be secret.
pub(crate) enum Body<'d> {
    /// The packet came in pieces, which were joined.
    Joined(Zeroizing<Vec<u8>>),
    /// The packet is whole, and lies where it was read.
    Whole(&'d [u8]),
}

impl Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Joined(bytes) => bytes,
            Self::Whole(bytes) => bytes,
        }
    }
}

/// Packets, one after the other.
pub(crate) struct Packets<'d>(&'d [u8]);

/// The length of a packet, or of a piece of it.
enum Length {
    /// The rest of the bytes: section 4.2.1.
    Rest,
    /// A piece, behind which another length follows: section 4.2.2.4.
    Piece(usize),
    /// This number of bytes.
    Bytes(usize),
}

impl<'d> Packets<'d> {
    /// Reads the packets of `bytes`.
    pub(crate) fn new(bytes: &'d [u8]) -> Self {
        Self(bytes)
    }

    /// Tells whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next packet. Returns `None` if there is no whole one.
    pub(crate) fn next(&mut self) -> Option<Packet<'d>> {
        let (&first, rest) = self.0.split_first().filter(|(first, _)| *first & 0x80 != 0)?;
        let mut fields = Fields::new(rest);
        let is_new = first & 0x40 != 0;
        let (tag, length) = match is_new {
            true => (first & 0x3f, new_length(&mut fields)?),
            false => (first >> 2 & 0xf, old_length(first & 3, &mut fields)?),
        };
        // Only packets that carry data may have a length that is not known beforehand.
        let is_data = matches!(
            tag,
            COMPRESSED | ENCRYPTED_WITHOUT_INTEGRITY | LITERAL | ENCRYPTED | ENCRYPTED_BY_OCB
        );
        let body = match length {
            Length::Bytes(len) => Body::Whole(fields.take(len)?),
            Length::Rest if is_data => Body::Whole(fields.rest()),
            Length::Piece(len) if is_data => Body::Joined(join(len, &mut fields)?),
            _ => return None,
        };
        self.0 = fields.0;
        (tag != 0).then_some(Packet { tag, body })
    }
}

/// Joins the pieces of a body, the first of which has `len` bytes.
fn join(len: usize, fields: &mut Fields<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let mut joined = Zeroizing::new(Vec::with_capacity(fields.0.len()));
    let mut length = Length::Piece(len);
    loop {
        let (len, is_last) = match length {
            Length::Piece(len) => (len, false),
            Length::Bytes(len) => (len, true),
            Length::Rest => return None,
        };
        joined.extend_from_slice(fields.take(len)?);
        if is_last {
            return Some(joined);
        }
        length = new_length(fields)?;
    }
}

fn old_length(kind: u8, fields: &mut Fields<'_>) -> Option<Length> {
    Some(match kind {
        0 => Length::Bytes(usize::from(fields.u8()?)),
        1 => Length::Bytes(usize::from(fields.u16()?)),
        2 => Length::Bytes(fields.u32()? as usize),
        _ => Length::Rest,
    })
}

fn new_length(fields: &mut Fields<'_>) -> Option<Length> {
    Some(match fields.u8()? {
        piece @ 224..=254 => Length::Piece(1 << (piece & 0x1f)),
        first => Length::Bytes(length_of(first, fields)?),
    })
}

/// Reads the length of a packet or a subpacket that begins with `first`. A piece has another form.
fn length_of(first: u8, fields: &mut Fields<'_>) -> Option<usize> {
    Some(match first {
        0..192 => usize::from(first),
        192..255 => ((usize::from(first) - 192) << 8) + usize::from(fields.u8()?) + 192,
        255 => fields.u32()? as usize,
    })
}

/// Writes a packet.
pub(crate) fn write(tag: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(0xc0 | tag);
    match body.len() {
        len @ 0..192 => out.push(len as u8),
        len @ 192..8384 => {
            let len = len - 192;
            out.extend([(len >> 8) as u8 + 192, len as u8]);
        }
        len => {
            out.push(255);
            out.extend((len as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(body);
}

/// Fields of a packet, one after the other.
#[derive(Clone)]
pub(crate) struct Fields<'d>(&'d [u8]);

impl<'d> Fields<'d> {
    pub(crate) fn new(bytes: &'d [u8]) -> Self {
        Self(bytes)
    }

    /// Takes `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Option<&'d [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// Takes as many bytes as the array has.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes a number, whose length is in bits, and leaves out the zeros before it. Section 3.2.
    pub(crate) fn number(&mut self) -> Option<&'d [u8]> {
        let bits = usize::from(self.u16()?);
        let bytes = self.take(bits.div_ceil(8))?;
        Some(without_zeros(bytes))
    }

    /// Takes a subpacket, and returns its type and content. Section 5.2.3.1.
    pub(crate) fn subpacket(&mut self) -> Option<(u8, &'d [u8])> {
        let first = self.u8()?;
        let len = length_of(first, self)?;
        let (&kind, content) = self.take(len)?.split_first()?;
        Some((kind, content))
    }

    /// Takes the rest.
    pub(crate) fn rest(&mut self) -> &'d [u8] {
        std::mem::take(&mut self.0)
    }

    /// Tells whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Returns a number without the zeros before it.
pub(crate) fn without_zeros(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..]
}

/// Returns a number with zeros before it, `len` bytes in all. Returns `None` if the number is
/// longer.
pub(crate) fn padded(number: &[u8], len: usize) -> Option<Zeroizing<Vec<u8>>> {
    let zeros = len.checked_sub(number.len())?;
    let mut bytes = Zeroizing::new(vec![0; len]);
    bytes[zeros..].copy_from_slice(number);
    Some(bytes)
}

/// Writes a number. Section 3.2.
pub(crate) fn write_number(bytes: &[u8], out: &mut Vec<u8>) {
    let bytes = without_zeros(bytes);
    let bits = bytes.first().map_or(0, |top| bytes.len() * 8 - top.leading_zeros() as usize);
    out.extend((bits as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for len in [0, 1, 191, 192, 8383, 8384, 70_000] {
            let body = vec![7; len];
            let mut bytes = Vec::new();
            write(LITERAL, &body, &mut bytes);
            let mut packets = Packets::new(&bytes);
            let packet = packets.next().unwrap();
            assert_eq!((packet.tag, &*packet.body), (LITERAL, &body[..]), "{len}");
            assert!(packets.is_empty());
            assert!(Packets::new(&bytes[..bytes.len() - 1]).next().is_none() || len == 0);
        }
        let mut bytes = Vec::new();
        for number in [&[][..], &[0, 1], &[0x80, 0], &[0, 0, 0xff]] {
            write_number(number, &mut bytes);
        }
        assert_eq!(bytes, [0, 0, 0, 1, 1, 0, 16, 0x80, 0, 0, 8, 0xff]);
        let mut fields = Fields::new(&bytes);
        let read: [_; 4] = std::array::from_fn(|_| fields.number().unwrap());
        assert_eq!(read, [&[][..], &[1], &[0x80, 0], &[0xff]]);
    }

    #[test]
    fn pieces_are_joined_and_only_those_of_data() {
        let pieces = [0xc0 | LITERAL, 0xe1, 1, 2, 0xe0, 3, 2, 4, 5];
        assert_eq!(*Packets::new(&pieces).next().unwrap().body, [1, 2, 3, 4, 5]);
        let mut of_a_key = pieces;
        of_a_key[0] = 0xc0 | PUBLIC_KEY;
        assert!(Packets::new(&of_a_key).next().is_none());
        // Without an end.
        assert!(Packets::new(&pieces[..6]).next().is_none());
        let old = [0x80 | COMPRESSED << 2 | 3, 1, 2];
        assert_eq!(*Packets::new(&old).next().unwrap().body, [1, 2]);
        assert!(Packets::new(&[0x80 | PUBLIC_KEY << 2 | 3, 1, 2]).next().is_none());
    }

    #[test]
    fn lengths_that_lie_are_no_packets() {
        for bytes in [
            &[][..],
            &[0x12, 0],
            &[0xc0, 0],
            &[0xd2],
            &[0xd2, 1],
            &[0xd2, 255, 0xff, 0xff, 0xff, 0xff, 0],
            &[0xd2, 0xfe, 0],
            &[0x82, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(Packets::new(bytes).next().is_none(), "{bytes:?}");
        }
    }
}
