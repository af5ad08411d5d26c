//! Memory for the one library that allocates, the zstd decoder.
//!
//! Large things have mappings of their own, which go back to the kernel. Small things are cut from pages that
//! are used again when nothing is left in them: the index of an image and its layers have decoders of their
//! own.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::ptr;

use crate::failure::Failure;
use crate::process::clean;
use crate::system;
use crate::tell::end;

/// From this size on, in bytes, each thing has pages of its own.
const LARGE: usize = 32 << 10;

/// The length of an area for small things, in bytes.
const AREA: usize = 256 << 10;

#[global_allocator]
static HEAP: Heap = Heap { next: Cell::new(0), end: Cell::new(0), count: Cell::new(0) };

/// The area that small things are cut from.
struct Heap {
    next: Cell<usize>,
    end: Cell<usize>,
    /// The number of small things.
    count: Cell<usize>,
}

// SAFETY: a stub has one thread, and its signal handlers neither use the heap nor return.
unsafe impl Sync for Heap {}

// SAFETY: the memory that is given out is mapped, and has the size and alignment that the caller asked for.
// It is given out once until it is given back.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            // No caller here asks for an alignment above a page's.
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
        // SAFETY: the caller's promise: `place` is ours, of that size, and not used any more.
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

/// Maps memory, or ends the process with a message. Without memory, the decoder would panic, and the user
/// would not learn why.
fn map(len: usize) -> *mut u8 {
    system::map(len).unwrap_or_else(|_| {
        clean();
        end(&Failure::Memory("the decompressor"))
    })
}
