//! The memory that the decompressor of a start takes. Packing and locking compute it: the kernel kills a
//! start that takes more memory than its control group allows.

/// The memory that it has beside its window, in bytes: tables and a block.
const BESIDE: u64 = 1 << 20;

/// Returns the memory in bytes that the decompressor of zstd takes for a frame with a window of `window`
/// bytes. `len` is the length of the content, if the frame tells it.
///
/// It keeps the window in a ring, whose size is a power of two. The ring doubles once more than the window
/// has come.
pub fn zstd_memory(window: u64, len: Option<u64>) -> u64 {
    let (window, grows) = match len {
        Some(len) if len <= window => (len, false),
        _ => (window, true),
    };
    let ring = window.checked_next_power_of_two().unwrap_or(u64::MAX);
    ring.saturating_mul(if grows { 2 } else { 1 }).saturating_add(BESIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_is_a_power_of_two_and_doubles_once() {
        let mib = |mib: u64| mib << 20;
        assert_eq!(zstd_memory(mib(8), None), mib(17));
        assert_eq!(zstd_memory(mib(8), Some(mib(24))), mib(17));
        assert_eq!(zstd_memory(mib(8), Some(mib(5))), mib(9));
        assert_eq!(zstd_memory(mib(8), Some(mib(8))), mib(9));
        assert_eq!(zstd_memory(u64::MAX, None), u64::MAX);
    }
}
