//! Holes: pages of a file that are zeros alone take no memory if nobody writes them.

use sealcrate_packfile::index::PAGE;
use sealcrate_stub_start::system::{Descriptor, Errno};

/// Writes the next bytes of a file, which belong at `at`, and leaves out zeros within a page. `len` is the
/// length of the whole file. Its last byte is written in any case.
pub(crate) fn write(
    file: Descriptor<'_>,
    mut bytes: &[u8],
    mut at: u64,
    len: u64,
) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let (mut count, is_hole) = part(bytes, at, len);
        // The next pages go along if they are of the same kind.
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

/// Returns how many of some bytes lie in the first page, and whether they can be left out.
fn part(bytes: &[u8], at: u64, len: u64) -> (usize, bool) {
    let count = bytes.len().min((PAGE - at % PAGE) as usize);
    let part = &bytes[..count];
    // The first is zero, and each is like the one before.
    let is_zero = part.first() == Some(&0) && part[1..] == part[..count - 1];
    (count, is_zero && at + (count as u64) < len)
}
