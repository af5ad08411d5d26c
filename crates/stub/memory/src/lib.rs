//! The functions that compilers call without being asked: `memcpy`, `memmove`, `memset`, `memcmp`, `bcmp` and
//! `strlen`, as C libraries have them.
//!
//! They are in a crate of their own for its attribute, `no_builtins`. Without it, the compiler sees that a
//! loop copies bytes, and turns the loop in `memcpy` into a call of `memcpy`.

#![no_std]
#![no_builtins]

use core::ffi::{c_char, c_int};
use core::mem::size_of;

/// The bytes that are moved at once.
type Piece = [usize; 2];

const PIECE: usize = size_of::<Piece>();

/// Copies `len` bytes between places that do not overlap.
///
/// # Safety
/// As in C: both places are of that length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { forwards(to, from, len) };
    to
}

/// Copies `len` bytes between places that may overlap.
///
/// # Safety
/// As in C: both places are of that length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= len {
        // SAFETY: the caller's promise. `to` does not begin inside the bytes that are read, so no byte is
        // read after it was written over.
        unsafe { forwards(to, from, len) };
    } else {
        // SAFETY: the caller's promise. `to` begins inside the bytes that are read.
        unsafe { backwards(to, from, len) };
    }
    to
}

/// Copies from the first byte to the last.
#[inline(always)]
unsafe fn forwards(to: *mut u8, from: *const u8, len: usize) {
    if len < PIECE {
        // SAFETY: the caller's promise.
        unsafe { little(to, from, len) };
        return;
    }
    let last = len - PIECE;
    let mut at = 0;
    // SAFETY: `at` and the bytes that are moved there stay below `len`. The last piece is read before the
    // earlier pieces are written, which may lie over it.
    unsafe {
        let end = from.add(last).cast::<Piece>().read_unaligned();
        while at < last {
            let piece = from.add(at).cast::<Piece>().read_unaligned();
            to.add(at).cast::<Piece>().write_unaligned(piece);
            at += PIECE;
        }
        to.add(last).cast::<Piece>().write_unaligned(end);
    }
}

/// Copies less than a piece. All bytes are read before any is written, so the places may overlap.
#[inline(always)]
unsafe fn little(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise; each type is no longer than `len`.
    unsafe {
        match len {
            0 => {}
            1..2 => *to = *from,
            2..4 => ends::<u16>(to, from, len),
            4..8 => ends::<u32>(to, from, len),
            _ => ends::<u64>(to, from, len),
        }
    }
}

/// Copies the first `T` and the last `T` of the bytes. `len` is from one to two times the size of a `T`, so
/// both meet or overlap.
#[inline(always)]
unsafe fn ends<T: Copy>(to: *mut u8, from: *const u8, len: usize) {
    let last = len - size_of::<T>();
    // SAFETY: the caller's promise. No byte is read or written at `len` or behind it.
    unsafe {
        let first = from.cast::<T>().read_unaligned();
        let end = from.add(last).cast::<T>().read_unaligned();
        to.cast::<T>().write_unaligned(first);
        to.add(last).cast::<T>().write_unaligned(end);
    }
}

/// Copies from the last byte to the first.
#[inline(always)]
unsafe fn backwards(to: *mut u8, from: *const u8, len: usize) {
    let mut left = len;
    // SAFETY: `left` and the bytes that are moved below it stay below `len`.
    unsafe {
        while left >= PIECE {
            left -= PIECE;
            let piece = from.add(left).cast::<Piece>().read_unaligned();
            to.add(left).cast::<Piece>().write_unaligned(piece);
        }
        while left > 0 {
            left -= 1;
            *to.add(left) = *from.add(left);
        }
    }
}

/// Writes one byte `len` times.
///
/// # Safety
/// As in C: the place is of that length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: c_int, len: usize) -> *mut u8 {
    let piece: Piece = [usize::from_ne_bytes([byte as u8; size_of::<usize>()]); 2];
    let mut at = 0;
    // SAFETY: `at` and the bytes that are written there stay below `len`.
    unsafe {
        while len - at >= PIECE {
            to.add(at).cast::<Piece>().write_unaligned(piece);
            at += PIECE;
        }
        while at < len {
            *to.add(at) = byte as u8;
            at += 1;
        }
    }
    to
}

/// Compares two places as unsigned bytes.
///
/// # Safety
/// As in C: both places are of that length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, len: usize) -> c_int {
    for at in 0..len {
        // SAFETY: `at` is below `len`.
        let (a, b) = unsafe { (*one.add(at), *other.add(at)) };
        if a != b {
            return c_int::from(a) - c_int::from(b);
        }
    }
    0
}

/// Returns zero if two places are equal, and another number if they differ.
///
/// # Safety
/// As in C: both places are of that length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, len: usize) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { memcmp(one, other, len) }
}

/// Counts the bytes before the first zero.
///
/// # Safety
/// As in C: there is a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn strlen(text: *const c_char) -> usize {
    let mut len = 0;
    // SAFETY: no byte behind the zero is read.
    while unsafe { *text.add(len) } != 0 {
        len += 1;
    }
    len
}
