//! Memory for the one library that allocates, the zstd decoder.
//!
//! What is large is mapped by itself and given back. Small things are cut from pages that are used
//! again when nothing is left in them: each layer of an image has a decoder of its own.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::ptr;

use crate::entry::end;
use crate::failure::Failure;
use crate::{ending, system};

/// From this size on, in bytes, everything has pages of its own.
const LARGE: usize = 32 << 10;

/// How much is mapped at once for small things, in bytes.
const AREA: usize = 256 << 10;

#[global_allocator]
static HEAP: Heap = Heap { next: Cell::new(0), end: Cell::new(0), count: Cell::new(0) };

/// The area that small things are cut from.
struct Heap {
    next: Cell<usize>,
    end: Cell<usize>,
    /// How many small things there are.
    count: Cell<usize>,
}

// SAFETY: a stub has one thread and no signal handlers.
unsafe impl Sync for Heap {}

// SAFETY: what is given out is mapped, of the size and alignment that was asked for, and given out
// once until it is given back.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            // No alignment in use here is more than a page's.
            return map(layout.size());
        }
        let mut start = self.next.get().next_multiple_of(layout.align());
        if start + layout.size() > self.end.get() {
            let area = map(AREA);
            self.end.set(area as usize + AREA);
            start = area as usize;
        }
        self.count.set(self.count.get() + 1);
        self.next.set(start + layout.size());
        start as *mut u8
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: it is ours, of that size, and not used any more.
        unsafe {
            ptr::write_bytes(place, 0, layout.size());
            if layout.size() >= LARGE {
                system::unmap(place, layout.size());
                return;
            }
        }
        self.count.set(self.count.get() - 1);
        if self.count.get() == 0 && self.end.get() > 0 {
            self.next.set(self.end.get() - AREA);
        }
    }
}

/// Maps memory. Where there is none, the decoder would panic, and nobody could tell why.
fn map(len: usize) -> *mut u8 {
    system::map(len).unwrap_or_else(|_| {
        ending::clean();
        end(&Failure::Memory("the decompressor"))
    })
}
