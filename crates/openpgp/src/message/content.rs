//! The content of a message once it is authentic: literal data, which may be compressed once. RFC
//! 4880, sections 5.6 and 5.9.

use std::io::Read;

use flate2::read::{DeflateDecoder, ZlibDecoder};
use zeroize::Zeroizing;

use super::error::MessageError;
use crate::packet::{COMPRESSED, Fields, LITERAL, MARKER, Packet, Packets, write};

/// The longest content, in bytes, which is many times what a key needs.
const MAX_CONTENT: usize = 64 << 10;

/// The numbers of compression algorithms. Section 9.3.
const UNCOMPRESSED: u8 = 0;
const ZIP: u8 = 1;
const ZLIB: u8 = 2;

/// Returns the literal data of a message.
///
/// # Errors
/// The content is no single literal, in clear or compressed once as ZIP or ZLIB; it is too long.
pub(super) fn literal(packets: &[u8]) -> Result<Zeroizing<Vec<u8>>, MessageError> {
    let packet = only(packets)?;
    if packet.tag != COMPRESSED {
        return content_of(&packet);
    }
    let (&algorithm, packed) =
        packet.body.split_first().ok_or(MessageError::Malformed("compressed data"))?;
    let unpacked = match algorithm {
        UNCOMPRESSED => unpacked(packed)?,
        ZIP => unpacked(DeflateDecoder::new(packed))?,
        ZLIB => unpacked(ZlibDecoder::new(packed))?,
        _ => return Err(MessageError::Unsupported("compression")),
    };
    let packet = only(&unpacked)?;
    if packet.tag == COMPRESSED {
        return Err(MessageError::Unsupported("content: it is compressed twice"));
    }
    content_of(&packet)
}

/// Writes literal data: binary, without a name or a time.
pub(super) fn literal_packet(content: &[u8]) -> Zeroizing<Vec<u8>> {
    let body = Zeroizing::new([b"b\0\0\0\0\0", content].concat());
    let mut packet = Zeroizing::new(Vec::with_capacity(body.len() + 6));
    write(LITERAL, &body, &mut packet);
    packet
}

/// Reads the only packet. Markers, which say nothing (section 5.8), may stand before it.
fn only(bytes: &[u8]) -> Result<Packet<'_>, MessageError> {
    let mut packets = Packets::new(bytes);
    loop {
        let packet = packets.next().ok_or(MessageError::Malformed("content"))?;
        match packet.tag {
            MARKER => {}
            LITERAL | COMPRESSED if packets.is_empty() => return Ok(packet),
            LITERAL | COMPRESSED => return Err(MessageError::Malformed("content")),
            _ => return Err(MessageError::Unsupported("content: it is no plain data")),
        }
    }
}

fn content_of(literal: &Packet<'_>) -> Result<Zeroizing<Vec<u8>>, MessageError> {
    let content = || {
        let mut fields = Fields::new(&literal.body);
        fields.u8()?;
        let name_len = usize::from(fields.u8()?);
        fields.take(name_len)?;
        fields.u32()?;
        Some(Zeroizing::new(fields.rest().to_vec()))
    };
    content().ok_or(MessageError::Malformed("literal data"))
}

fn unpacked(reader: impl Read) -> Result<Zeroizing<Vec<u8>>, MessageError> {
    // The vector has room for the longest content: one that grows would leave pieces behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_CONTENT + 1));
    reader
        .take(MAX_CONTENT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| MessageError::Malformed("compressed data"))?;
    if bytes.len() > MAX_CONTENT {
        return Err(MessageError::TooLong);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn compressed(algorithm: u8, packets: &[u8]) -> Vec<u8> {
        let packed = match algorithm {
            ZIP => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(packets).unwrap();
                encoder.finish().unwrap()
            }
            ZLIB => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(packets).unwrap();
                encoder.finish().unwrap()
            }
            _ => packets.to_vec(),
        };
        let mut bytes = Vec::new();
        write(COMPRESSED, &[&[algorithm], &packed[..]].concat(), &mut bytes);
        bytes
    }

    #[test]
    fn literal_is_found_as_it_is_and_compressed_once() {
        let packet = literal_packet(b"options");
        assert_eq!(**literal(&packet).unwrap(), *b"options");
        let marked = [&[0xc0 | MARKER, 3], &b"PGP"[..], &packet].concat();
        assert_eq!(**literal(&marked).unwrap(), *b"options");
        for algorithm in [UNCOMPRESSED, ZIP, ZLIB] {
            assert_eq!(**literal(&compressed(algorithm, &packet)).unwrap(), *b"options");
            let twice = compressed(algorithm, &compressed(ZLIB, &packet));
            let refused = MessageError::Unsupported("content: it is compressed twice");
            assert_eq!(literal(&twice), Err(refused));
        }
    }

    proptest! {
        #[test]
        fn changed_content_is_read_or_refused_in_bounds(
            algorithm in 0..4_u8,
            at in any::<prop::sample::Index>(),
            to in any::<u8>(),
        ) {
            for mut bytes in [compressed(algorithm, &literal_packet(b"options")), literal_packet(b"x").to_vec()] {
                let at = at.index(bytes.len());
                bytes[at] = to;
                let read = literal(&bytes).map(|content| content.len());
                prop_assert!(read.is_err() || read.is_ok_and(|len| len <= MAX_CONTENT));
            }
        }
    }

    #[test]
    fn what_grows_and_what_is_something_else_is_refused() {
        let packet = literal_packet(b"options");
        let bomb = compressed(ZLIB, &literal_packet(&vec![0; 32 << 20]));
        assert!(bomb.len() < 64 << 10);
        assert_eq!(literal(&bomb), Err(MessageError::TooLong));
        let unknown = MessageError::Unsupported("compression");
        assert_eq!(literal(&compressed(3, &packet)), Err(unknown));
        let malformed = |bytes: &[u8], part| {
            assert_eq!(literal(bytes), Err(MessageError::Malformed(part)), "{bytes:?}");
        };
        malformed(&[], "content");
        malformed(&[&packet[..], &packet].concat(), "content");
        malformed(&packet[..3], "content");
        malformed(&[0xc0 | LITERAL, 2, b'b', 9], "literal data");
        malformed(&[0xc0 | COMPRESSED, 3, ZLIB, 1, 2], "compressed data");
        malformed(&[0xc0 | COMPRESSED, 0], "compressed data");
        let other = MessageError::Unsupported("content: it is no plain data");
        assert_eq!(literal(&[0xc0 | 13, 1, b'x']), Err(other));
    }
}
