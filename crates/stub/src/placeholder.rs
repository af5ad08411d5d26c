//! The place that the packer puts the payload's segment in: the last program header.
//!
//! Linkers make a header of the type NOTE from such a section. The note is an ordinary one, so a stub alone
//! is a valid file too.

#[used]
#[unsafe(link_section = ".note.sealcrate")]
static NOTE: Note = Note { name_len: NAME.len() as u32, content_len: 0, kind: 1, name: NAME };

const NAME: [u8; 12] = *b"sealcrate\0\0\0";

/// A note with a name and nothing else.
#[repr(C)]
struct Note {
    name_len: u32,
    content_len: u32,
    kind: u32,
    name: [u8; 12],
}
