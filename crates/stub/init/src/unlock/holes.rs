//! Holes: pages of a file that are full of zeros take no memory if nobody writes them.

use sealcrate_packfile::index::PAGE;
use sealcrate_stub_start::system::{Descriptor, Errno};

/// Writes the next bytes of a file, which belong at `at`, and skips pages of zeros. `len` is the length of
/// the whole file. The file's last byte is always written.
pub(crate) fn write(
    file: Descriptor<'_>,
    mut bytes: &[u8],
    mut at: u64,
    len: u64,
) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let (mut count, is_hole) = part(bytes, at, len);
        // Pages of the same kind are written or skipped together.
        while count < bytes.len() {
            let (more, is_other_hole) = part(&bytes[count..], at + count as u64, len);
            if is_other_hole != is_hole {
                break;
            }
            count += more;
        }
        if is_hole {
            file.skip(count)?
        } else {
            file.write(&bytes[..count])?
        }
        at += count as u64;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Returns how many of the bytes lie in the first page, and whether they can be skipped.
fn part(bytes: &[u8], at: u64, len: u64) -> (usize, bool) {
    let count = bytes.len().min((PAGE - at % PAGE) as usize);
    let part = &bytes[..count];
    // The first byte is zero, and each other byte equals the one before it.
    let is_zero = part.first() == Some(&0) && part[1..] == part[..count - 1];
    (count, is_zero && at + (count as u64) < len)
}
