//! The part of Protocol Buffers that this crate needs: messages of strings, bytes and other
//! messages.

/// Returns the number and content of each field of `message`, in their order. Returns `None` if the
/// message is malformed, or has a field that is not delimited by its length.
///
/// Protocol Buffers, "Encoding", wire type 2.
pub(super) fn fields(mut message: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        if tag & 7 != 2 {
            return None;
        }
        let len = usize::try_from(varint(&mut message)?).ok()?;
        let (content, rest) = message.split_at_checked(len)?;
        fields.push((tag >> 3, content));
        message = rest;
    }
    Some(fields)
}

/// Adds a field to a message, with the number `number` and the content `content`.
pub(super) fn put(message: &mut Vec<u8>, number: u64, content: &[u8]) {
    put_varint(message, number << 3 | 2);
    put_varint(message, content.len() as u64);
    message.extend_from_slice(content);
}

fn put_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// Takes a number of at most 64 bits from the beginning of `bytes`.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_their_order() {
        let message = [0x0a, 1, b'a', 0x12, 0, 0x0a, 2, b'b', b'c'];
        let expected: [(u64, &[u8]); 3] = [(1, b"a"), (2, b""), (1, b"bc")];
        assert_eq!(fields(&message).unwrap(), expected);
        let long = [&[0x12, 0xac, 0x02][..], &[7; 300]].concat();
        assert_eq!(fields(&long).unwrap(), [(2, &[7; 300][..])]);
        assert_eq!(fields(&[]).unwrap(), []);
    }

    #[test]
    fn what_ends_too_early_or_has_numbers_is_refused() {
        for message in [
            &[0x0a][..],
            &[0x0a, 2, 0],
            &[0x08, 1],
            &[0x80],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x80; 12],
        ] {
            assert_eq!(fields(message), None, "{message:?}");
        }
    }
}
