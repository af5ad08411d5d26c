//! The bytes of a packed program, which the packer, the stub and the answering side share.
//!
//! A packed program is a stub with one more segment, the payload: parameters in clear and an age
//! file (<https://c2sp.org/age>) whose content is the program. This crate reads and writes that
//! segment, reads key text, and holds both sides of challenge and response. [`sealcrate_agefile`]
//! opens the age file. A locked image has an [`index`] in the place of a program.
//!
//! This crate knows nothing of ELF files, systems, prompts and compression. It allocates nothing and
//! draws no random bytes: buffers and randomness come from the caller.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod challenge;
mod class;
mod content;
mod decoder;
mod folder;
pub mod index;
mod key_oddity;
mod key_text;
mod parameters;
pub mod response;
mod segment;

pub use class::class;
pub use content::Content;
pub use decoder::zstd_memory;
pub use folder::{
    FOLDER_MAGIC, FOLDER_PREFIX, FolderEntries, FolderEntry, FolderError, FolderHead, FolderKind,
    MAX_FOLDER_HEAD, folder_head_len, is_place,
};
pub use key_oddity::KeyOddity;
pub use key_text::{KeyText, KeyTextError, MAX_KEY_TEXT, without_line_end};
pub use parameters::{Parameters, ParametersError};
pub use segment::{HEAD_LEN, MAGIC, Segment, SegmentError, write_head};
