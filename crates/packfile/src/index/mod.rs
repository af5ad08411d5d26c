//! The index of a locked image, which its init reads once it has the key.
//!
//! An index is the content of an age file, so all of it is authentic. It has these parts:
//!
//! * the original command and the original config;
//! * the layers in their order, with the keys of the private ones;
//! * the entries to unlock, with the places of their contents;
//! * the checks of the clear layers.
//!
//! `docs/formats/locked.md` has the bytes.

mod checks;
mod command;
mod entry;
mod error;
mod layer;
mod needs;
mod parts;
mod path;
mod reader;

pub use checks::{Check, CheckKind, content_digest};
pub use command::{Command, List};
pub use entry::{Attributes, Entry, EntryKind, Properties};
pub use error::IndexError;
pub use layer::{IndexLayer, header_digest, payload_name};
pub use needs::{Needs, PAGE};
pub use parts::{Part, Parts};

use self::entry::Order;
use self::reader::Reader;

/// The first bytes of every index.
const MAGIC: [u8; 8] = *b"sealidx2";

/// The first bytes of an index of the first version. It has each private layer in one age file, and no
/// checks.
const FIRST_MAGIC: [u8; 8] = *b"sealidx1";

/// The length of the head in bytes: the magic, and the length of the whole index.
pub const INDEX_HEAD: usize = 16;

/// The longest index that is read, in bytes.
pub const MAX_INDEX: u64 = 512 << 20;

/// The flag of [`UnlockOn::AnyFileSystem`].
const ANY_FILE_SYSTEM: u32 = 1;

/// The places in which private files may be unlocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnlockOn {
    /// On any file system that the unlock folder is on.
    AnyFileSystem,
    /// In memory alone.
    #[default]
    Memory,
}

/// A parsed index.
#[derive(Clone, Copy, Debug)]
pub struct Index<'a> {
    /// The places in which private files may be unlocked.
    pub unlock_on: UnlockOn,
    /// The original command.
    pub command: Command<'a>,
    /// The command in its encoded form.
    pub encoded_command: &'a [u8],
    /// The original config.
    pub config: &'a [u8],
    /// The number of bytes of unlocked files that are pages of zeros, which take no room. The last page
    /// of a file does not count.
    pub holes: u64,
    layers: Reader<'a>,
    layer_count: u32,
    entries: Reader<'a>,
    entry_count: u32,
    checks: Reader<'a>,
    check_count: u32,
}

impl<'a> Index<'a> {
    /// Returns the length in bytes of the index that begins with this head.
    ///
    /// # Errors
    /// No index begins so, or its length is out of bounds: the head's and [`MAX_INDEX`].
    pub fn len_of(head: &[u8; INDEX_HEAD]) -> Result<u64, IndexError> {
        let (magic, len) = head.split_at(MAGIC.len());
        let len = u64::from_le_bytes(len.try_into().map_err(|_| IndexError("its head"))?);
        if magic != MAGIC && magic != FIRST_MAGIC {
            return Err(IndexError("it does not begin like one"));
        }
        if !(INDEX_HEAD as u64..=MAX_INDEX).contains(&len) {
            return Err(IndexError("it is too long"));
        }
        Ok(len)
    }

    /// Parses an index, and checks every part: no path leads out of the unlock folder, folders come
    /// first, and contents follow each other.
    ///
    /// # Errors
    /// The bytes are no index. The error says which rule they break.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, IndexError> {
        let head = bytes.first_chunk().ok_or(IndexError("it is too short"))?;
        if Self::len_of(head)? != bytes.len() as u64 {
            return Err(IndexError("it has another length than it says"));
        }
        let mut reader = Reader::new(&bytes[INDEX_HEAD..]);
        let flags = reader.u32()?;
        if flags & !ANY_FILE_SYSTEM != 0 {
            return Err(IndexError("it has a flag that is not known"));
        }
        let unlock_on = match flags {
            0 => UnlockOn::Memory,
            _ => UnlockOn::AnyFileSystem,
        };
        let whole = reader.rest();
        let command = Command::read(&mut reader)?;
        let encoded_command = &whole[..whole.len() - reader.rest().len()];
        let config = reader.bytes()?;
        let layer_count = reader.u32()?;
        let layers = reader;
        for _ in 0..layer_count {
            IndexLayer::read(&mut reader)?;
        }
        let entry_count = reader.u32()?;
        let entries = reader;
        let mut order = Order::default();
        for _ in 0..entry_count {
            let entry = Entry::read(&mut reader)?;
            order.check(&entry, layer_count)?;
        }
        let is_first = head.starts_with(&FIRST_MAGIC);
        let check_count = if is_first { 0 } else { reader.u32()? };
        let checks = reader;
        for _ in 0..check_count {
            Check::read(&mut reader)?;
        }
        let holes = if is_first { 0 } else { reader.u64()? };
        reader.end()?;
        Ok(Self {
            unlock_on,
            command,
            encoded_command,
            config,
            holes,
            layers,
            layer_count,
            entries,
            entry_count,
            checks,
            check_count,
        })
    }

    /// Returns the layers of the original image, lowest first.
    pub fn layers(&self) -> impl Iterator<Item = IndexLayer<'a>> + Clone + use<'a> {
        let mut reader = self.layers;
        (0..self.layer_count).map_while(move |_| IndexLayer::read(&mut reader).ok())
    }

    /// Returns the entries to unlock, in this order: folders, each before its own subfolders; files, in
    /// the order of their contents; named pipes; symbolic links; hard links.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + Clone + use<'a> {
        let mut reader = self.entries;
        (0..self.entry_count).map_while(move |_| Entry::read(&mut reader).ok())
    }

    /// Returns the checks that the clear layers have to pass before the init runs the command.
    pub fn checks(&self) -> impl Iterator<Item = Check<'a>> + Clone + use<'a> {
        let mut reader = self.checks;
        (0..self.check_count).map_while(move |_| Check::read(&mut reader).ok())
    }
}

/// Returns the head of an index whose parts have the length `len`.
pub fn index_head(len: u64) -> [u8; INDEX_HEAD] {
    let mut head = [0; INDEX_HEAD];
    head[..MAGIC.len()].copy_from_slice(&MAGIC);
    head[MAGIC.len()..].copy_from_slice(&(INDEX_HEAD as u64 + len).to_le_bytes());
    head
}

/// Appends the parts of an index, which follow its head. [`write_holes`] appends the last one.
pub fn write_index<'a>(
    unlock_on: UnlockOn,
    command: &Command<'_>,
    config: &[u8],
    layers: impl ExactSizeIterator<Item = IndexLayer<'a>>,
    entries: impl ExactSizeIterator<Item = Entry<'a>>,
    checks: impl ExactSizeIterator<Item = Check<'a>>,
    out: &mut impl Extend<u8>,
) {
    let flags = match unlock_on {
        UnlockOn::AnyFileSystem => ANY_FILE_SYSTEM,
        UnlockOn::Memory => 0,
    };
    out.extend(flags.to_le_bytes());
    command.write(out);
    reader::write_bytes(config, out);
    out.extend((layers.len() as u32).to_le_bytes());
    layers.for_each(|layer| layer.write(out));
    out.extend((entries.len() as u32).to_le_bytes());
    entries.for_each(|entry| entry.write(out));
    out.extend((checks.len() as u32).to_le_bytes());
    checks.for_each(|check| check.write(out));
}

/// Appends the last part of an index: the number of bytes that are pages of zeros.
pub fn write_holes(holes: u64, out: &mut impl Extend<u8>) {
    out.extend(holes.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const IDENTITY: &str =
        "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0";

    const PARTS: [Part; 2] =
        [Part { len: 4000, header: [3; 32] }, Part { len: 1000, header: [4; 32] }];

    const CHECKS: [Check<'static>; 4] = [
        Check { path: b"lib", kind: CheckKind::Link(b"usr/lib") },
        Check { path: b"usr/lib", kind: CheckKind::Folder },
        Check {
            path: b"usr/lib/a",
            kind: CheckKind::File { mode: 0o755, len: 1 << 40, digest: [9; 32] },
        },
        Check { path: b"usr/lib/b", kind: CheckKind::Nothing },
    ];

    const PROPERTIES: Properties<'static> = Properties {
        mode: 0o755,
        uid: 1,
        gid: 2,
        seconds: -3,
        nanoseconds: 4,
        attributes: Attributes::NONE,
    };

    fn entry<'a>(path: &'a [u8], kind: EntryKind<'a>) -> Entry<'a> {
        Entry { path, properties: PROPERTIES, kind }
    }

    fn file(layer: u32, offset: u64, len: u64) -> EntryKind<'static> {
        EntryKind::File { layer, offset, len }
    }

    fn encoded(entries: &[Entry<'_>]) -> Vec<u8> {
        encoded_for([b"A=b", b"C=d"], entries)
    }

    fn encoded_for(variables: [&[u8]; 2], entries: &[Entry<'_>]) -> Vec<u8> {
        let mut parts = Vec::new();
        Parts::write(PARTS.into_iter(), &mut parts);
        let parts = Parts::parse(&parts).unwrap();
        let layers = [
            IndexLayer::Clear { diff_id: [1; 32] },
            IndexLayer::Private { diff_id: [2; 32], identity: IDENTITY, parts },
        ];
        let (mut list, mut body) = (Vec::new(), Vec::new());
        List::write(variables.into_iter(), &mut list);
        let list = List::parse(&list).unwrap();
        let empty = List::EMPTY;
        let command = Command {
            env: list,
            entrypoint: empty,
            cmd: list,
            working_dir: b"/work",
            healthcheck: empty,
        };
        let (layers, entries) = (layers.into_iter(), entries.iter().copied());
        let checks = CHECKS.into_iter();
        write_index(UnlockOn::Memory, &command, b"{}", layers, entries, checks, &mut body);
        write_holes(0, &mut body);
        [&index_head(body.len() as u64)[..], &body].concat()
    }

    #[test]
    fn an_index_is_read_as_it_is_written() {
        let entries = [
            entry(b"", EntryKind::Folder),
            entry(b"a", EntryKind::Folder),
            entry(b"a/b", file(1, 512, 10)),
            entry(b"a/c", file(1, 522, 0)),
            entry(b"a/p", EntryKind::Fifo),
            entry(b"a/l", EntryKind::Symlink(b"../x")),
            entry(b"a/h", EntryKind::HardLink(b"a/b")),
        ];
        let bytes = encoded(&entries);
        let index = Index::parse(&bytes).unwrap();
        assert_eq!(index.entries().collect::<Vec<_>>(), entries);
        assert!(index.checks().eq(CHECKS));
        assert_eq!(Command::parse(index.encoded_command), Ok(index.command));
        let Some(IndexLayer::Private { diff_id, identity, parts }) = index.layers().nth(1) else {
            panic!("the second layer is private")
        };
        assert_eq!((diff_id, identity, parts.tar_len()), ([2; 32], IDENTITY, 5000));
        assert!(parts.iter().eq(PARTS));
        assert_eq!(index.command.env.iter().collect::<Vec<_>>(), [b"A=b", b"C=d"]);
        assert_eq!((index.command.working_dir, index.config), (&b"/work"[..], &b"{}"[..]));
        for len in 0..bytes.len() {
            assert!(Index::parse(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn a_layer_of_the_first_version_is_one_part() {
        let whole = [&5000_u64.to_le_bytes()[..], &[3; 32]].concat();
        let identity = [&(IDENTITY.len() as u16).to_le_bytes()[..], IDENTITY.as_bytes()].concat();
        let second = encoded(&[]);
        // The private layer's kind is behind the clear one.
        let clear = [&[0][..], &[1; 32]].concat();
        let at = second.windows(clear.len()).position(|found| found == clear).unwrap();
        let before = &second[..at + clear.len()];
        let first = [before, &[1], &[2; 32], &whole, &identity, &[0; 4]].concat();
        let head = index_head(first.len() as u64 - INDEX_HEAD as u64);
        let first = [&b"sealidx1"[..], &head[8..], &first[INDEX_HEAD..]].concat();
        let index = Index::parse(&first).unwrap();
        let Some(IndexLayer::Private { identity, parts, .. }) = index.layers().nth(1) else {
            panic!("the second layer is private")
        };
        assert_eq!(identity, IDENTITY);
        assert!(parts.iter().eq([Part { len: 5000, header: [3; 32] }]));
        assert_eq!(index.checks().count(), 0);
    }

    #[test]
    fn checks_of_what_cannot_be_are_refused() {
        let good = encoded(&[]);
        let at = good.windows(3).rposition(|found| found == b"lib").unwrap() - 3;
        assert!(Index::parse(&good).is_ok());
        for (from, by) in [(at, [4, 9, 0]), (at + 3, *b"../"), (at + 3, *b"/..")] {
            let mut bad = good.clone();
            bad[from..from + 3].copy_from_slice(&by);
            assert!(Index::parse(&bad).is_err(), "{by:?}");
        }
    }

    #[test]
    fn a_layer_without_an_end_is_refused() {
        let mut parts = Vec::new();
        Parts::write(
            [u64::MAX, 1].map(|len| Part { len, header: [0; 32] }).into_iter(),
            &mut parts,
        );
        assert!(Parts::parse(&parts).is_err());
        // The count names more parts than there are.
        parts[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Parts::parse(&parts).is_err());
    }

    #[test]
    fn needs_are_counted_in_pages_and_programs_are_seen() {
        let needs = |entries: &[Entry<'_>]| Needs::of(&Index::parse(&encoded(entries)).unwrap());
        let plain =
            |path, kind| Entry { properties: Properties { mode: 0o644, ..PROPERTIES }, path, kind };
        let of = needs(&[plain(b"a", file(1, 0, 1)), plain(b"b", file(1, 1, 4097))]);
        assert_eq!(of, Needs { bytes: 5 * 4096, files: 4, has_programs: false });
        assert_eq!((of.mib(), of.advised_mib()), (1, 2));
        assert!(needs(&[plain(b"lib/a.so.1", file(1, 0, 1))]).has_programs);
        let own = Properties { mode: 0o700, ..PROPERTIES };
        let program = Entry { path: b"a", properties: own, kind: file(1, 0, 1) };
        assert!(
            needs(&[program, plain(b"b", file(1, 1, 1))]).has_programs,
            "its owner's, and first"
        );
        let long = [b'x'; 128];
        let of = needs(&[
            plain(b"folder", EntryKind::Folder),
            plain(b"empty", file(1, 0, 0)),
            plain(b"pipe", EntryKind::Fifo),
            plain(b"short", EntryKind::Symlink(&long[..127])),
            plain(b"long", EntryKind::Symlink(&long)),
            plain(b"hard", EntryKind::HardLink(b"empty")),
        ]);
        assert_eq!(
            of,
            Needs { bytes: 3 * 4096, files: 8, has_programs: false },
            "of the links, one"
        );
        // Variables and arguments lie beside the files, in as many pages as they take.
        let long = encoded_for([&[b'x'; 5000], b""], &[]);
        let long = Needs::of(&Index::parse(&long).unwrap());
        assert_eq!(long.bytes - needs(&[]).bytes, 2 * 4096);
        // No file is so long. The sum must not wrap around to a small number.
        assert_eq!(needs(&[plain(b"a", file(1, 0, u64::MAX))]).bytes, u64::MAX);
    }

    #[test]
    fn holes_take_no_room() {
        let plain = encoded(&[entry(b"a", file(1, 0, 3 * PAGE))]);
        let (before, none) = plain.split_at(plain.len() - 8);
        assert_eq!(none, [0; 8]);
        let with = [before, &(2 * PAGE).to_le_bytes()].concat();
        let needs = |bytes: &[u8]| Needs::of(&Index::parse(bytes).unwrap()).bytes;
        assert_eq!(needs(&plain) - needs(&with), 2 * PAGE);
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for path in [&b"/a"[..], b"..", b"a/../b", b"a//b", b"a/", b".", b"a\0", &[b'x'; 256]] {
            let bytes = encoded(&[entry(path, EntryKind::Folder)]);
            assert!(Index::parse(&bytes).is_err(), "{path:?}");
            let bytes = encoded(&[entry(b"a", EntryKind::HardLink(path))]);
            assert!(Index::parse(&bytes).is_err(), "{path:?}");
        }
        let bytes = encoded(&[entry(b"", file(1, 0, 1))]);
        assert!(Index::parse(&bytes).is_err());
        let bytes = encoded(&[entry(b".sealcrate/state", file(1, 0, 1))]);
        assert!(Index::parse(&bytes).is_err());
    }

    #[test]
    fn contents_that_overlap_or_go_back_are_refused() {
        let of = |entries: &[Entry<'_>]| Index::parse(&encoded(entries)).map(drop);
        assert!(of(&[entry(b"a", file(1, 0, 10)), entry(b"b", file(1, 9, 1))]).is_err());
        assert!(of(&[entry(b"a", file(1, 9, 1)), entry(b"b", file(0, 0, 1))]).is_err());
        assert!(of(&[entry(b"a", file(2, 0, 1))]).is_err());
        assert!(of(&[entry(b"a", file(1, u64::MAX, 2))]).is_err());
        assert!(of(&[entry(b"a", file(1, 0, 1)), entry(b"b", EntryKind::Folder)]).is_err());
    }
}
