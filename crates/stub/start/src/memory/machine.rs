//! The machine's free memory, as the kernel tells it in `/proc`.

use crate::system::File;

/// The most bytes of the list that are read. The line is one of the first.
const BEGINNING: usize = 512;

/// Returns the memory that the kernel can still give to programs, in MiB, if the kernel tells. proc(5),
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
