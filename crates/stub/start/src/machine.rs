//! What the machine has, as the kernel tells it in `/proc`.

use crate::system::File;

/// How much of the list is read, in bytes: the line is one of the first.
const BEGINNING: usize = 512;

/// Returns how much memory programs can still be given, in MiB, where the kernel tells. proc(5),
/// `/proc/meminfo`.
#[inline(never)]
pub(crate) fn free_memory() -> Option<u64> {
    let mut text = [0; BEGINNING];
    let len =
        File::open(b"/proc/meminfo").and_then(|file| file.descriptor().read(&mut text)).ok()?;
    let mut lines = text[..len].split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(b"MemAvailable:"))?.trim_ascii();
    let number = core::str::from_utf8(value.strip_suffix(b" kB")?).ok()?;
    Some(number.parse::<u64>().ok()? >> 10)
}
